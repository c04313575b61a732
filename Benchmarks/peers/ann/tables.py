"""Tables and plots of a comparison."""

import os
import platform
import sys

import curves

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
import plot


def write(options, records, points, memory, failures):
    """The tables as text, also in table.txt; plots beside them."""
    title = f"{os.path.basename(options.set)}, {options.metric}, k = {options.k}, {options.shape_words}"
    parts = [f"{title}\n{processor()}"]
    for batch in options.batches:
        for threads in options.threads:
            here = [point for point in points if curves.mode(point) == (threads, batch)]
            if here:
                parts.append(search_table(options, here, threads, batch))
                together = f"-batch-{batch}" if batch and batch > 1 else ""
                name = f"recall-qps-{threads}-thread{'s' if threads > 1 else ''}{together}.svg"
                plot.write(os.path.join(options.out, name), f"{title}: {_asked(threads, batch)}", curves_by_name(here), min(options.recalls))
    parts.append(build_table(options, records, memory, points))
    lost = [f"{row['name']}: not built with {_threads(row['threads'])}: {row['failed']}" for row in records if "failed" in row]
    lost += [f"{name}: not measured: {reason}" for name, reason in failures.items()]
    if lost:
        parts.append("\n".join(lost))
    text = "\n\n".join(parts) + "\n"
    with open(os.path.join(options.out, "table.txt"), "w") as file:
        file.write(text)
    return text


def processor():
    """What this runs on, as far as the system tells."""
    name, flags = platform.processor() or platform.machine(), ""
    try:
        with open("/proc/cpuinfo") as file:
            facts = dict(map(str.strip, line.split(":", 1)) for line in file if ":" in line)
        name, flags = facts.get("model name", name), facts.get("flags", "")
    except FileNotFoundError:
        pass
    return f"{name}, {os.cpu_count()} CPUs, {'AVX-512' if 'avx512f' in flags.split() else platform.machine()}"


def curves_by_name(points):
    names = list(dict.fromkeys(point["name"] for point in points))
    return {name: curves.frontier([point for point in points if point["name"] == name]) for name in names}


def search_table(options, points, threads, batch):
    """QPS at each recall, ratios to the baseline and to the best peer, and for one thread latencies of queries issued one by one."""
    by_name, ours = {}, set()
    for point in points:
        by_name.setdefault(point["name"], []).append(point)
        if point["ours"]:
            ours.add(point["name"])
    figures = {name: {recall: curves.at_recall(own, recall) for recall in options.recalls} for name, own in by_name.items()}
    compared = options.recalls if len(options.recalls) <= 2 else [recall for recall in options.recalls if recall >= 0.95] or options.recalls[-1:]
    best = {}
    for recall in compared:
        reached = [name for name in by_name if name not in ours and figures[name][recall]]
        best[recall] = max(reached, key=lambda name: figures[name][recall][0], default=None)

    latencies = threads == 1 and batch in (None, 1) and 0.95 in options.recalls
    head = [f"QPS, {_asked(threads, batch)}"] + [f"{recall:g}" for recall in options.recalls]
    for recall in compared:
        head += [f"{recall:g}: × {options.baseline}", "× best peer"]
    if latencies:
        head += ["0.95: p50 µs", "p99 µs"]
    rows = []
    for name, own in by_name.items():
        row = [name] + [_figure(figures[name][recall]) for recall in options.recalls]
        for recall in compared:
            for other in (options.baseline, best[recall]):
                row.append(_ratio(figures[name][recall], figures[other][recall] if other in figures else None))
        if latencies:
            row += [_figure(curves.at_recall(own, 0.95, key)) for key in ("p50_us", "p99_us")]
        rows.append(row)
    notes = [f"best peer at {recall:g}: {name}" for recall, name in best.items() if name]
    notes.append(f"+ that much at a higher recall, the lowest measured; – not reached with {options.knob} up to {max(options.ladder)}")
    return "\n".join([table(head, rows), *notes])


def build_table(options, records, memory, points):
    """Times, sizes, and how far the recall of the other builds lies from that of the one searched, at the worst efSearch or nprobe."""
    head = ["build"]
    for threads in options.build_threads:
        head += [f"{_threads(threads)}: wall s", "CPU s", f"× {options.baseline}"]
    head += ["recall apart", "on disk MB", "× raw", *(["index: bytes a vector"] if options.index_alone else []), "memory MB", "version"]
    built = [row for row in records if "failed" not in row]
    by_name = {}
    for row in built:
        by_name.setdefault(row["name"], {})[row["threads"]] = row
    baseline = by_name.get(options.baseline, {})
    rows = []
    for name, by_threads in by_name.items():
        row = [name]
        for threads in options.build_threads:
            record, other = by_threads.get(threads), baseline.get(threads)
            row += [f"{record['wall_s']:.1f}", f"{record['cpu_s']:.1f}"] if record else ["–", "–"]
            row.append(f"{other['wall_s'] / record['wall_s']:.2f}" if record and other and record["wall_s"] else "–")
        first = by_threads.get(options.build_threads[0], next(iter(by_threads.values())))
        row.append(_recall_apart(by_threads.values(), [point for point in points if point["name"] == name]))
        row += [f"{first['bytes'] / 1e6:,.0f}", f"{first['bytes'] / options.raw_bytes:.2f}"]
        if options.index_alone:
            row.append(f"{first['index_bytes'] / options.count:.1f}" if "index_bytes" in first else "–")
        row += [f"{memory[name] / 1e6:,.0f}" if memory.get(name) else "–", first["version"]]
        rows.append(row)
    if not rows:
        return "Nothing was built."
    return table(head, rows, left=(0, len(head) - 1)) + "\nrecall apart: of the other builds against the one searched, at the worst " + options.knob + "; raw: the vectors as float32"


def _recall_apart(records, points):
    searched = {str(point["parameter"]): point["recall"] for point in points}
    others = [pair for record in records for pair in record.get("recalls", [])]
    apart = [recall - searched[str(parameter)] for parameter, recall in others if str(parameter) in searched]
    return f"{max(apart, key=abs):+.4f}" if apart else "–"


def _asked(threads, batch):
    if batch is None:
        return _threads(threads)
    return f"{_threads(threads)}, {'single queries' if batch == 1 else f'batches of {batch:,}'}"


def _threads(count):
    return "one thread" if count == 1 else f"{count} threads"


def _figure(value):
    return f"{value[0]:,.0f}{value[1]}" if value else "–"


def _ratio(value, other):
    return f"{value[0] / other[0]:.2f}" if value and other else "–"


def table(head, rows, left=(0,)):
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(row):
        cells = [cell.ljust(width) if i in left else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        return "  ".join(cells).rstrip()

    return "\n".join([line(head), "  ".join("-" * width for width in widths), *map(line, rows)])
