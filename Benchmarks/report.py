#!/usr/bin/env python3
"""Prints figures (JSON lines, as `Benchmarks/run` collects them) as a table with the ratios that were aimed at."""

import json
import sys


def main():
    figures = {}
    for path in sys.argv[1:]:
        with open(path) as lines:
            for line in lines:
                row = json.loads(line)
                figures[row["figure"], row["variant"]] = row  # the newest run of each

    width = max((len(variant) for _, variant in figures), default=0)
    previous = None
    for (figure, variant), row in figures.items():
        if figure != previous:
            print(f"\n{figure}")
            previous = figure
        low, high = min(row["runs"]), max(row["runs"])
        print(f"  {variant:{width}}  {row['median']:>12,.4g} {row['unit']:<10} {low:,.4g} … {high:,.4g} ({len(row['runs'])})  {row.get('note', '')}".rstrip())

    def median(figure, variant):
        return figures.get((figure, variant), {}).get("median")

    def ratio(a, b):
        return a / b if a is not None and b else None

    bare, batched = median("insert", "bare LMDB, a put a transaction"), median("insert", "batches of 1,000 by column")
    if bare and batched:
        print(f"\na durable batch of 1,000 takes {1e6 / batched:.1f} ms, of which a bare put and its sync take {1e3 / bare:.1f} ms")

    sgemm = median("sgemm", "2048 × 2048 × 2048, one thread")
    scale = sgemm / 210 if sgemm else None
    wanted = [
        ("load: speed against cp + sync", ratio(median("load", "cp + sync"), median("load", "needletail load")), ">=", 0.5),
        ("load: MiB beyond the map", median("load", "memory of load beyond the map"), "<", 300),
        ("open + get, ms", median("open", "open + get"), "<", 5),
        ("exact search against read bandwidth", median("scan", "search against read, pair by pair"), ">=", 0.8),
        ("batch of 100 against Faiss, same BLAS", ratio(median("batch", "faiss, same BLAS"), median("batch", "needletail")), ">=", 1),
        ("batch of 100 against Faiss as shipped", ratio(median("batch", "faiss, its own BLAS"), median("batch", "needletail")), ">=", 1),
        ("one insert: time against a bare put", median("insert", "one insert against a bare put, pair by pair"), "<=", 1.3),
        ("8 tasks: rate against one", ratio(median("insert", "8 tasks, a record a transaction"), median("insert", "one task, a record a transaction")), ">=", 4),
        *(
            (f"index: {variant} of 10,000", value["median"], ">=", 50)
            for (figure, variant), value in figures.items() if figure == "index" and variant.startswith("build against merge")
        ),
        ("index: open + first query, ms", median("index", "open + first query"), "<", 50),
        ("index: recall lost by merging", median("index", "largest loss of recall by merging"), "<=", 0.01),
        ("batches of 1,000, records/s", median("insert", "batches of 1,000 by column"), ">=", 100_000),
    ]
    if scale:
        for model, rate in (("MobileNetV2 1.0", 180), ("ViT-Tiny", 50)):
            network = median("embed", f"{model}: network")
            wanted.append((f"{model}, pictures/s (network)", ratio(1000, network), ">=", rate * scale))
            peer = median("embed", f"{model}: network, ONNX Runtime")
            wanted.append((f"{model}: speed against ONNX Runtime", ratio(peer, network), ">=", 1))
    print("\nfigures aimed at")
    for name, value, relation, target in wanted:
        if value is None:
            continue
        met = {">=": value >= target, "<=": value <= target, "<": value < target}[relation]
        print(f"  {name:42} {value:>10,.4g}   {relation} {target:,.4g}   {'met' if met else 'NOT MET'}")


if __name__ == "__main__":
    main()
