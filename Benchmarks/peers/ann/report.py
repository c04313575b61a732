"""Tables and plots of a comparison."""

import os
import sys

import curves

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
import plot

BASELINE = "hnswlib"


def write(options, records, points, memory, failures):
    """The tables as text, also in table.txt; plots beside them."""
    title = f"{os.path.basename(options.set)}, {options.metric}, k = {options.k}, M = {options.m}, efConstruction = {options.ef_construction}"
    parts = [title]
    for threads in options.threads:
        here = [point for point in points if point["threads"] == threads]
        if here:
            parts.append(search_table(options, here, threads))
            parts.append(ratio_table(options, here, threads))
            name = f"recall-qps-{threads}-thread{'s' if threads > 1 else ''}.svg"
            plot.write(os.path.join(options.out, name), f"{title}: {_threads(threads)}", curves_by_name(here), min(options.recalls))
    parts.append(build_table(options, records, memory, points))
    for name, reason in [(row["name"], row["failed"]) for row in records if "failed" in row] + list(failures.items()):
        parts.append(f"{name}: not measured: {reason}")
    text = "\n\n".join(parts) + "\n"
    with open(os.path.join(options.out, "table.txt"), "w") as file:
        file.write(text)
    return text


def curves_by_name(points):
    names = list(dict.fromkeys(point["name"] for point in points))
    return {name: curves.frontier([point for point in points if point["name"] == name]) for name in names}


def search_table(options, points, threads):
    """QPS at each recall, the ratio to hnswlib, and, for one thread, latencies of queries issued one by one."""
    by_name = {name: [point for point in points if point["name"] == name] for name in dict.fromkeys(p["name"] for p in points)}
    baseline = by_name.get(BASELINE, [])
    head = [f"QPS, {_threads(threads)}"] + [f"{recall:g}" for recall in options.recalls]
    head += [f"× hnswlib at {recall:g}" for recall in options.recalls[-2:]]
    if threads == 1:
        head += ["p50 µs at 0.95", "p99 µs at 0.95"]
    rows = []
    for name, own in by_name.items():
        row = [name] + [_figure(curves.at_recall(own, recall)) for recall in options.recalls]
        row += [_ratio(curves.at_recall(own, recall), curves.at_recall(baseline, recall)) for recall in options.recalls[-2:]]
        if threads == 1:
            row += [_figure(curves.at_recall(own, 0.95, key)) for key in ("p50_us", "p99_us")]
        rows.append(row)
    return _table(head, rows) + f"\n+ more recall than that at the least effort measured; – not reached with efSearch up to {max(options.ef)}"


def ratio_table(options, points, threads):
    """Needletail against hnswlib and against the best peer at each recall."""
    by_name = {}
    for point in points:
        by_name.setdefault((point["name"], point["ours"]), []).append(point)
    peers = {name: own for (name, ours), own in by_name.items() if not ours}
    rows = []
    for (name, ours), own in by_name.items():
        for recall in options.recalls if ours else []:
            figure = curves.at_recall(own, recall)
            reached = {peer: value for peer in peers if (value := curves.at_recall(peers[peer], recall))}
            best = max(reached, key=lambda peer: reached[peer][0], default=None)
            ratios = [_ratio(figure, reached.get(BASELINE)), _ratio(figure, reached.get(best)) if best else "–", best or ""]
            rows.append([name, f"{recall:g}", _figure(figure), *ratios])
    if not rows:
        return "Needletail was not measured."
    return _table([f"needletail, {_threads(threads)}", "recall", "QPS", "× hnswlib", "× best peer", "which is"], rows, left=(0, 5))


def build_table(options, records, memory, points):
    """Times, sizes, and how far the recall of the other builds lies from that of the one searched, at the worst efSearch."""
    head = ["build"]
    for threads in options.build_threads:
        head += [f"{_threads(threads)}: wall s", "CPU s", "× hnswlib"]
    head += ["recall apart", "on disk MB", "memory MB", "version"]
    built = [row for row in records if "failed" not in row]
    by_name = {}
    for row in built:
        by_name.setdefault(row["name"], {})[row["threads"]] = row
    baseline = by_name.get(BASELINE, {})
    rows = []
    for name, by_threads in by_name.items():
        row = [name]
        for threads in options.build_threads:
            record, other = by_threads.get(threads), baseline.get(threads)
            row += [f"{record['wall_s']:.1f}", f"{record['cpu_s']:.1f}"] if record else ["–", "–"]
            row.append(f"{other['wall_s'] / record['wall_s']:.2f}" if record and other and record["wall_s"] else "–")
        first = by_threads.get(options.build_threads[0], next(iter(by_threads.values())))
        row += [_recall_apart(by_threads.values(), [point for point in points if point["name"] == name]), f"{first['bytes'] / 1e6:.0f}", f"{memory[name] / 1e6:.0f}" if memory.get(name) else "–", first["version"]]
        rows.append(row)
    return _table(head, rows, left=(0, len(head) - 1)) if rows else "Nothing was built."


def _recall_apart(records, points):
    searched = {str(point["parameter"]): point["recall"] for point in points}
    others = [pair for record in records for pair in record.get("recalls", [])]
    apart = [recall - searched[str(parameter)] for parameter, recall in others if str(parameter) in searched]
    return f"{max(apart, key=abs):+.4f}" if apart else "–"


def _threads(count):
    return "one thread" if count == 1 else f"{count} threads"


def _figure(value):
    return f"{value[0]:,.0f}{value[1]}" if value else "–"


def _ratio(value, other):
    return f"{value[0] / other[0]:.2f}" if value and other else "–"


def _table(head, rows, left=(0,)):
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(row):
        cells = [cell.ljust(width) if i in left else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        return "  ".join(cells).rstrip()

    return "\n".join([line(head), "  ".join("-" * width for width in widths), *map(line, rows)])
