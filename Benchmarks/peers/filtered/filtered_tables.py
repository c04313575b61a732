"""The tables of filtered search."""

import os
import statistics

import tables
from predicates import PREDICATES, sql


def write(options, matches, settings, lines, builds, failures):
    """The tables as text, also in table.txt."""
    libraries = list(dict.fromkeys([line["library"] for line in lines if line["ours"]] + [line["library"] for line in settings]))
    points = medians(lines)
    name = os.path.basename(options.set)
    title = f"filtered search: {name}, {options.metric}, k = {options.k}, recall@{options.k} of at least {options.recall:g}"
    parts = [f"{title}\n{tables.processor()}", filter_table(options, matches)]
    parts += [rate_table(options, threads, libraries, points, settings) for threads in options.threads]
    parts += [detail_table(options, libraries, points, settings), build_table(builds, options)]
    if failures:
        parts.append("\n".join(f"{name}: not measured: {reason}" for name, reason in failures.items()))
    text = "\n\n".join(parts) + "\n"
    with open(os.path.join(options.out, "table.txt"), "w") as file:
        file.write(text)
    return text


def medians(lines):
    """One point for each contender, filter, way to search and number of threads: the median of its rounds."""
    groups = {}
    for line in lines:
        # Needletail's planner is free to search another way in another round.
        way = () if line["ours"] else (line["strategy"], str(line["parameter"]))
        groups.setdefault((line["name"], line["predicate"], line["threads"], *way), []).append(line)
    points = []
    for group in groups.values():
        point = dict(group[0])
        for key in ("recall", "qps", "p50_us", "p99_us"):
            values = [line[key] for line in group if line.get(key) is not None]
            point[key] = statistics.median(values) if values else None
        points.append(point)
    return points


def best(points, library, predicate, threads):
    """The fastest point of a library, whatever its variant."""
    own = [point for point in points if (point["library"], point["predicate"], point["threads"]) == (library, predicate, threads)]
    return max(own, key=lambda point: point["qps"], default=None)


def filter_table(options, matches):
    rows = [
        [name, f"{matches[name]:,}", f"{100 * matches[name] / options.count:.2f} %", sql(PREDICATES[name])] for name in options.predicates
    ]
    return tables.table(["filter", "rows", "share", "condition"], rows, left=(0, 3))


def rate_table(options, threads, libraries, points, settings):
    """QPS of each library with each filter, and Needletail's ratio to the best of the others."""
    words = "one thread" if threads == 1 else f"{threads} threads"
    peers = [library for library in libraries if library != "needletail"]
    head = [f"QPS, {words}"] + libraries + (["× best peer"] if "needletail" in libraries and peers else [])
    rows = []
    for name in options.predicates:
        found = {library: best(points, library, name, threads) for library in libraries}
        row = [name] + [_figure(found[library], library, name, options, settings) for library in libraries]
        if len(head) > len(row):
            most = max((found[library]["qps"] for library in peers if found[library]), default=None)
            ours = found["needletail"]
            row.append(f"{ours['qps'] / most:.2f}" if ours and most and ours["recall"] >= options.recall else "–")
        rows.append(row)
    return tables.table(head, rows) + "\n(in brackets: the recall, of those that do not reach it)"


def _figure(point, library, name, options, settings):
    if point and point["recall"] >= options.recall:
        return f"{point['qps']:,.0f}"
    if point:
        return f"{point['qps']:,.0f} ({point['recall']:.3f})"
    recalls = [line["recall"] for line in settings if (line["library"], line["predicate"]) == (library, name)]
    return f"({max(recalls):.3f})" if recalls else "–"


def detail_table(options, libraries, points, settings):
    """How each figure came about."""
    head = ["filter", "library", "searched by", "setting", "recall", "fewest rows", "QPS", "p50 µs", "p99 µs"]
    rows = []
    for name in options.predicates:
        for library in libraries:
            point = best(points, library, name, options.threads[0])
            if point is None:
                own = [line for line in settings if (line["library"], line["predicate"]) == (library, name)]
                point = max(own, key=lambda line: line["recall"], default=None)
                if point is None:
                    continue
                point = {**point, "qps": None}
            setting = ", ".join(map(str, point["parameter"])) if isinstance(point["parameter"], list) else point["parameter"]
            variant = point["name"][len(library) :].strip()
            way = variant if variant.endswith(point["strategy"]) else f"{variant} {point['strategy']}".strip()
            rows.append([
                name, library, way, str(setting), f"{point['recall']:.4f}", str(point.get("least_rows", "–")),
                *(f"{point[key]:,.0f}" if point.get(key) else "–" for key in ("qps", "p50_us", "p99_us")),
            ])
    return tables.table(head, rows, left=(0, 1, 2, 3))


def build_table(builds, options):
    rows = [
        [name, f"{build['wall_s']:,.1f}", f"{build['cpu_s']:,.1f}", f"{build['bytes'] / 1e6:,.0f}", build["version"]]
        for name, build in builds.items()
    ]
    return tables.table(["taking in and building", "wall s", "CPU s", "on disk MB", "version"], rows, left=(0, 4))
