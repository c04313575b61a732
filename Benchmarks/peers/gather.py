#!/usr/bin/env python3
"""Puts the runs of several processes together: JSON lines of the same figure and variant in, one line each out."""

import json
import statistics
import sys

gathered = {}
for line in sys.stdin:
    row = json.loads(line)
    gathered.setdefault((row["figure"], row["variant"]), row | {"runs": []})["runs"] += row["runs"]
for row in gathered.values():
    print(json.dumps(row | {"median": statistics.median(row["runs"])}))
