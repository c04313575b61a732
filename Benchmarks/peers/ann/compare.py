#!/usr/bin/env python3
"""Measures approximate search of Needletail and of the field's libraries on one set of vectors, in one run.

    compare SET [--metric l2|cosine] [--k 10] [--threads 1,2] [--m 16] [--ef-construction 200] [--build-threads 1,2]
            [--recalls 0.8,0.9,0.95,0.99] [--ef 10,14,...] [--rounds 3] [--seconds 0.5] [--only NAME,...] [--skip NAME,...]
            [--rebuild NAME,...] [--build-only] [--out FOLDER] [--tool NEEDLETAIL] [--python PYTHON]
    compare --family ivfpq SET [--nlist N] [--code-bytes N] [--nprobe 4,6,...] [--batches 1,1000] [the options above]

The first form compares graphs, query by query; the second inverted lists of product-quantization codes that all have the same
nlist and size, query by query and in batches. SET is a folder with base, query and truth.ivecs, vectors as .fvecs, .bvecs or
.npy. Every contender builds its index once, into FOLDER, and is measured there again by later calls. Rounds go over all contenders
in turn, so that what disturbs the machine disturbs all alike; a figure is the median of its rounds. Printed are tables with ratios
to hnswlib or Faiss's fast-scan and to the best peer; FOLDER receives points.jsonl, builds.jsonl, table.txt and a plot of recall
and QPS for each number of threads and size of batch.
"""

import argparse
import json
import math
import os
import sys
import time

import contenders
import curves
import tables
import vectorset
from needletail import Graph, InvertedLists

HERE = os.path.dirname(os.path.abspath(__file__))
EF_LADDER = "10,14,20,28,40,56,80,112,160,224,320,448,640,896"
NPROBE_LADDER = "4,6,8,12,16,24,32,48,64,96,128,192,256"


def numbers(kind):
    def parse(text):
        try:
            values = [kind(part) for part in text.split(",")]
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers") from None
        if not all(value > 0 for value in values):
            raise argparse.ArgumentTypeError(f"{text!r}: numbers above 0 are wanted")
        return values

    return parse


def parse_arguments():
    arguments = argparse.ArgumentParser(prog="compare", usage=__doc__.split("\n\n")[1].strip(), description=__doc__.split("\n\n")[2])
    arguments.add_argument("set")
    arguments.add_argument("--family", choices=("graph", "ivfpq"), default="graph")
    arguments.add_argument("--metric", choices=vectorset.METRICS)
    arguments.add_argument("-k", "--k", type=int, default=10)
    arguments.add_argument("--threads", type=numbers(int), default=[1, 2])
    arguments.add_argument("--build-threads", type=numbers(int), default=[1, 2])
    arguments.add_argument("--m", type=int, default=16)
    arguments.add_argument("--ef-construction", type=int, default=200)
    arguments.add_argument("--ef", type=numbers(int), default=numbers(int)(EF_LADDER), help="the ladder of efSearch")
    arguments.add_argument("--nlist", type=int, help="default: the power of two nearest to 4·√n")
    arguments.add_argument("--code-bytes", type=int, help="of a vector; default: four bits for every two components")
    arguments.add_argument("--nprobe", type=numbers(int), default=numbers(int)(NPROBE_LADDER), help="the ladder of nprobe")
    arguments.add_argument("--batches", type=numbers(int), default=[1, 1000], help="how many queries are asked at once")
    arguments.add_argument("--recalls", type=numbers(float))
    arguments.add_argument("--enough", type=float, help="the recall at which a ladder ends")
    arguments.add_argument("--seconds", type=float, default=0.5, help="how long a point is measured in a round at least")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--only", default="", help="parts of names, any case; =NAME is exactly that one")
    arguments.add_argument("--skip", default="")
    arguments.add_argument("--rebuild", default="", help="whose indexes are made again, as after a change of the code")
    arguments.add_argument("--build-only", action="store_true")
    arguments.add_argument("--out")
    arguments.add_argument("--tool", default="needletail")
    options = arguments.parse_args()
    options.set = os.path.abspath(options.set)
    options.metric = options.metric or metric_of(options.set)
    FAMILIES[options.family](options)
    name = os.path.basename(options.set)
    folder = f"compare-{name}" if options.family == "graph" else f"compare-{options.family}-{name}"
    options.out = os.path.abspath(options.out or os.path.join(HERE, "..", "..", "results", folder))
    return options


def _graphs(options):
    """What a comparison of graphs asks of everyone, and who takes part."""
    options.shape = {"m": options.m, "ef_construction": options.ef_construction}
    options.shape_name = f"m{options.m}-efc{options.ef_construction}"
    options.shape_words = f"M = {options.m}, efConstruction = {options.ef_construction}"
    options.knob, options.ladder, options.batches = "efSearch", options.ef, [None]
    options.recalls, options.enough = options.recalls or [0.8, 0.9, 0.95, 0.99], options.enough or 0.999
    options.baseline, options.index_alone = "hnswlib", False
    options.peers, options.ours = contenders.GRAPHS, [(Graph, choice) for choice in (None, "none", "sq8", "rabitq")]


def _inverted_lists(options):
    count, dimension = vectorset.shape(vectorset.find(options.set, "base"))
    nlist = options.nlist or 1 << round(math.log2(4 * math.sqrt(count)))
    code_bytes = options.code_bytes or dimension // 4
    options.shape = {"nlist": nlist, "code_bytes": code_bytes}
    options.shape_name = f"nlist{nlist}-bytes{code_bytes}"
    options.shape_words = f"nlist = {nlist}, codes of {code_bytes} bytes"
    options.knob, options.ladder = "nprobe", options.nprobe
    options.recalls, options.enough = options.recalls or [0.9, 0.95], options.enough or 0.99
    options.baseline, options.index_alone = "Faiss fast-scan", True
    options.peers, options.ours = contenders.INVERTED_LISTS, [(InvertedLists, choice) for choice in (None, "rabitq")]


FAMILIES = {"graph": _graphs, "ivfpq": _inverted_lists}


def metric_of(folder):
    """The metric that info.json names; without it, l2."""
    try:
        with open(os.path.join(folder, "info.json")) as file:
            return json.load(file)["metric"]
    except (FileNotFoundError, KeyError):
        return "l2"


def named(text):
    """Whether a contender is meant by a list of names, as --only, --skip and --rebuild take them."""
    parts = [part.strip().lower() for part in text.split(",") if part.strip()]
    return lambda one: any(one.name.lower() == part[1:] if part[0] == "=" else part in one.name.lower() for part in parts)


def select(options):
    everyone = [contenders.Peer(name, module, variant, options) for name, module, variant in options.peers]
    everyone += [ours(choice, options) for ours, choice in options.ours]
    chosen = [one for one in everyone if (not options.only or named(options.only)(one)) and not named(options.skip)(one)]
    if not chosen:
        sys.exit(f"compare: nobody is named so; there are {', '.join(one.name for one in everyone)}")
    return chosen


def say(text):
    print(text, file=sys.stderr, flush=True)


def build_missing(field, options):
    """The records of all builds, and those contenders that have an index to search."""
    records, again = [], named(options.rebuild)
    for one in field:
        for threads in options.build_threads:
            record = None if again(one) else one.record(threads)
            try:
                if record is None:
                    say(f"{one.name}: building with {threads} thread{'s' if threads > 1 else ''}")
                    record = one.build(threads)
                    say(f"{one.name}: {record['wall_s']} s, of CPU {record['cpu_s']} s")
                records.append({"name": one.name, **record})
            except contenders.Failed as failure:
                say(f"{one.name}: not built: {failure}")
                records.append({"name": one.name, "threads": threads, "failed": str(failure)})
                break
    searched = {row["name"] for row in records if row["threads"] == options.build_threads[0] and "failed" not in row}
    return records, [one for one in field if one.name in searched]


def measure(field, options):
    """The lines of all rounds. Who fails in a round is left out of the later ones, with a line that says so."""
    lines, memory, points, failures = [], {}, {}, {}
    for number in range(options.rounds):
        for one in field:
            if one.name in failures:
                continue
            start = time.monotonic()
            try:
                measured, taken = one.search(points.get(one.name))
            except contenders.Failed as failure:
                failures[one.name] = str(failure)
                say(f"{one.name}: left out: {failure}")
                continue
            measured = [{"name": one.name, "ours": one.ours, "round": number, **line} for line in measured]
            lines += measured
            memory[one.name] = taken
            if number == 0:
                points[one.name] = curves.worth_repeating(measured, options.recalls, options.enough)
            say(f"round {number + 1}, {one.name}: {len(measured)} points, {time.monotonic() - start:.0f} s")
    return lines, memory, failures


def write_lines(path, rows):
    with open(path, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def claim_folder(options):
    """Indexes of one set and metric to a folder: those of another would be searched without a complaint."""
    os.makedirs(options.out, exist_ok=True)
    held = {"elements": options.raw_bytes // 4, "metric": options.metric}
    path = os.path.join(options.out, "set.json")
    if not os.path.exists(path):
        with open(path, "w") as file:
            json.dump(held, file)
    with open(path) as file:
        if json.load(file) != held:
            sys.exit(f"compare: {options.out} holds indexes of another set or metric; give another --out")


def main():
    options = parse_arguments()
    field = select(options)
    options.count, options.dimension = vectorset.shape(vectorset.find(options.set, "base"))
    options.raw_bytes = 4 * options.count * options.dimension
    claim_folder(options)
    records, ready = build_missing(field, options)
    write_lines(os.path.join(options.out, "builds.jsonl"), records)
    if options.build_only:
        return
    lines, memory, failures = measure(ready, options)
    write_lines(os.path.join(options.out, "points.jsonl"), lines)
    text = tables.write(options, records, curves.medians(lines), memory, failures)
    print(text)


if __name__ == "__main__":
    main()
