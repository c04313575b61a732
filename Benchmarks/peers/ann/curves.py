"""From measured points to figures at a fixed recall. A mode is how queries are asked: by how many threads, how many at once."""

import math
import statistics


def mode(point):
    return point["threads"], point.get("batch")


def medians(lines):
    """One point for each parameter and mode out of the rounds' lines: the median of every figure."""
    groups = {}
    for line in lines:
        groups.setdefault((line["name"], str(line["parameter"]), mode(line)), []).append(line)
    points = []
    for group in groups.values():
        point = dict(group[0], rounds=len(group))
        for key in ("recall", "qps", "p50_us", "p99_us"):
            values = [line[key] for line in group if line.get(key) is not None]
            point[key] = statistics.median(values) if values else None
        points.append(point)
    return points


def frontier(points):
    """The points that no other beats in both recall and QPS, by rising recall."""
    best = []
    for point in sorted(points, key=lambda point: (-point["qps"], -point["recall"])):
        if not best or point["recall"] > best[-1]["recall"]:
            best.append(point)
    return best


def at_recall(points, recall, key="qps"):
    """The figure at a recall, between the two points of the frontier around it on the logarithm of the figure.

    Returns it with "" or, where even the least effort gives more recall than that, the first point's figure with "+"; None
    where no point reaches the recall.
    """
    curve = [point for point in frontier(points) if point.get(key)]
    if not curve or curve[-1]["recall"] < recall:
        return None
    if curve[0]["recall"] >= recall:
        return curve[0][key], "+" if curve[0]["recall"] > recall else ""
    for below, above in zip(curve, curve[1:]):
        if above["recall"] >= recall:
            share = (recall - below["recall"]) / (above["recall"] - below["recall"])
            return math.exp((1 - share) * math.log(below[key]) + share * math.log(above[key])), ""
    return None


def worth_timing(recalls, lowest, enough=0.999):
    """Of pairs of a parameter (nprobe, how many times k is rescored) and its recall, those whose time may matter: recall is near
    the lowest wanted or above, up to the first that is enough, and more rescoring than the pair before brought something."""
    chosen, before = [], (None, 0.0)
    for parameter, recall in recalls:
        gained = parameter[0] != before[0] or recall >= before[1] + 0.002
        if gained:
            before = parameter[0], recall
        if gained and recall >= lowest - 0.08:
            chosen.append((parameter, recall))
        if recall >= enough:
            break
    # Too little everywhere is told by the most there is.
    return chosen or [max(recalls, key=lambda pair: pair[1])]


def worth_repeating(points, recalls, enough):
    """The parameters that later rounds measure again: those that the figures and the plot may rest on.

    Left out are points that another clearly beats (a single round's noise must decide nothing), all but the last below the
    lowest recall asked for, and all but the first that has enough.
    """
    chosen = set()
    for one in {mode(point) for point in points}:
        here = [point for point in points if mode(point) == one]
        curve = [
            point for point in here
            if not any(other["recall"] >= point["recall"] and other["qps"] > 1.3 * point["qps"] for other in here)
        ]
        curve.sort(key=lambda point: point["recall"])
        below = [point for point in curve if point["recall"] < min(recalls)]
        above = [point for point in curve if point["recall"] >= max(*recalls, enough)]
        ends = below[-1:] + above[:1]
        chosen |= {str(point["parameter"]) for point in ends + [point for point in curve if point not in below + above]}
    parameters = []
    for point in points:
        if str(point["parameter"]) in chosen and point["parameter"] not in parameters:
            parameters.append(point["parameter"])
    return parameters
