#!/usr/bin/env python3
"""Recall against QPS as a drawing in SVG, on nothing but the standard library.

    plot.py POINTS.jsonl OUT.svg [--threads 1] [--batch 1] [--title TEXT]

QPS rises on a logarithmic scale. Recall is stretched towards 1, where the work doubles for each halving of what is missed: the
axis is the logarithm of the share missed. Needletail's curves are heavy and warm, the peers' thin and cool, each with its own
mark; the legend stands in the order of the curves.
"""

import argparse
import json
import math
import os
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 980, 600
LEFT, RIGHT, TOP, BOTTOM = 78, 262, 56, 62
RECALLS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
MOST = 0.9995  # where the axis ends; what lies beyond is drawn there
OURS = ("#c62828", "#ef6c00", "#8e24aa", "#ad1457")
PEERS = ("#1565c0", "#2e7d32", "#00838f", "#4e342e", "#546e7a", "#283593", "#558b2f", "#00695c", "#6d4c41", "#37474f")
DASHES = ("", "7 3", "2 3")


def write(path, title, curves, lowest=0.8):
    """`curves`: for each name the points of its frontier, dicts with recall, qps and, for Needletail, ours."""
    shown = {}
    for name, points in curves.items():
        inside = [point for point in points if lowest <= point["recall"] < MOST]
        beyond = [point for point in points if point["recall"] >= MOST]
        if inside or beyond:
            shown[name] = inside + beyond[:1]
    with open(path, "w") as file:
        file.write(drawing(title, shown, lowest))


def drawing(title, curves, lowest):
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    rates = [point["qps"] for points in curves.values() for point in points] or [1.0]
    least, most = math.log10(min(rates)) - 0.05, math.log10(max(rates)) + 0.05

    def x(recall):
        return LEFT + (right - LEFT) * _stretch(recall, lowest) / _stretch(MOST, lowest)

    def y(rate):
        return bottom - (bottom - TOP) * (math.log10(rate) - least) / (most - least)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="DejaVu Sans, Verdana, Helvetica, Arial, sans-serif" font-size="13" fill="#222">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="30" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for recall in [value for value in RECALLS if value >= lowest]:
        out.append(f'<line x1="{x(recall):.1f}" y1="{TOP}" x2="{x(recall):.1f}" y2="{bottom}" stroke="#e3e3e3"/>')
        out.append(f'<text x="{x(recall):.1f}" y="{bottom + 20}" text-anchor="middle">{recall:g}</text>')
    for rate in _ticks(least, most):
        out.append(f'<line x1="{LEFT}" y1="{y(rate):.1f}" x2="{right}" y2="{y(rate):.1f}" stroke="#e3e3e3"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(rate) + 4.5:.1f}" text-anchor="end">{rate:,}</text>')
    out.append(f'<rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}" fill="none" stroke="#222"/>')
    out.append(f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 16}" text-anchor="middle">recall, stretched towards 1</text>')
    out.append(f'<text x="20" y="{(TOP + bottom) / 2}" text-anchor="middle" transform="rotate(-90 20 {(TOP + bottom) / 2})">queries per second, logarithmic</text>')

    styles = _styles(curves)
    order = sorted(curves, key=lambda name: -_height_at_95(curves[name]))
    for name in sorted(curves, key=lambda name: _is_ours(curves[name])):  # ours last, hence on top
        places = [(x(min(point["recall"], MOST)), y(point["qps"])) for point in curves[name]]
        out += _curve(places, *styles[name])
    for line, name in enumerate(order):
        top, left = TOP + 10 + 22 * line, right + 16
        out += _curve([(left, top), (left + 34, top)], *styles[name], marked=[(left + 17, top)])
        weight = ' font-weight="bold"' if _is_ours(curves[name]) else ""
        out.append(f'<text x="{left + 44}" y="{top + 4.5}"{weight}>{escape(name)}</text>')
    out.append("</svg>\n")
    return "\n".join(out)


def _stretch(recall, lowest):
    return math.log((1 - lowest) / (1 - recall))


def _ticks(least, most):
    steps = [factor * 10**power for power in range(8) for factor in (1, 2, 5)]
    return [rate for rate in steps if least <= math.log10(rate) <= most]


def _is_ours(points):
    return bool(points[0].get("ours"))


def _height_at_95(points):
    """QPS at the first point from recall 0.95 on, or less than any where the curve does not come so far."""
    reached = [point["qps"] for point in points if point["recall"] >= 0.95]
    return max(reached) if reached else -1 / points[-1]["qps"]


def _styles(curves):
    """Colour, width, dashes and mark of each curve: as many combinations as there are contenders, whatever their number."""
    styles, counts = {}, [0, 0]
    for name, points in curves.items():
        ours = _is_ours(points)
        number = counts[ours]
        counts[ours] += 1
        colours = OURS if ours else PEERS
        styles[name] = colours[number % len(colours)], 2.6 if ours else 1.4, DASHES[number // len(colours) % 3], number % 5
    return styles


def _curve(places, colour, width, dashes, mark, marked=None):
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    pattern = f' stroke-dasharray="{dashes}"' if dashes else ""
    out = [f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="{width}"{pattern}/>']
    return out + [_mark(a, b, colour, mark) for a, b in (places if marked is None else marked)]


def _mark(a, b, colour, kind):
    if kind == 0:
        return f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.2" fill="{colour}"/>'
    if kind == 1:
        return f'<rect x="{a - 3:.1f}" y="{b - 3:.1f}" width="6" height="6" fill="{colour}"/>'
    if kind == 2:
        return f'<path d="M{a:.1f} {b - 4.2:.1f}l4 7h-8z" fill="{colour}"/>'
    if kind == 3:
        return f'<path d="M{a:.1f} {b - 4.4:.1f}l4.4 4.4l-4.4 4.4l-4.4 -4.4z" fill="{colour}"/>'
    return f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="#fff" stroke="{colour}" stroke-width="1.6"/>'


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("points")
    arguments.add_argument("out")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--batch", type=int, help="queries asked at once, where points were measured so (default: 1)")
    arguments.add_argument("--title")
    arguments.add_argument("--lowest", type=float, default=0.8)
    options = arguments.parse_args()
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers", "ann"))
    import curves

    with open(options.points) as file:
        points = [point for point in curves.medians(map(json.loads, file)) if point["threads"] == options.threads]
    points = [point for point in points if point.get("batch", options.batch or 1) == (options.batch or 1)]
    by_name = {point["name"]: [] for point in points}
    for point in points:
        by_name[point["name"]].append(point)
    write(options.out, options.title or options.points, {name: curves.frontier(own) for name, own in by_name.items()}, options.lowest)


if __name__ == "__main__":
    main()
