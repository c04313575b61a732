"""The fields of a set's rows, and which of the matching rows are truly nearest."""

import json
import os
import zlib

import numpy as np
import vectorset
from predicates import FIELDS, PREDICATES, matching, sql


def read_columns(folder):
    """The fields that the filters name, by row."""
    with open(os.path.join(folder, "base.jsonl")) as file:
        rows = [json.loads(line) for line in file]
    return {name: np.array([kind(row[name]) for row in rows]) for name, kind in FIELDS.items()}


def make_truths(folder, set_folder, metric, k):
    """For each filter, into the folder, the k nearest matching rows of each query, nearest first and equal distances by row; -1
    where fewer match. Returns how many rows match each."""
    columns = read_columns(set_folder)
    shares = {name: int(matching(predicate, columns).sum()) for name, predicate in PREDICATES.items()}
    missing = [name for name in PREDICATES if not os.path.exists(_path(folder, name))]
    if missing:
        os.makedirs(folder, exist_ok=True)
        base = vectorset.read(vectorset.find(set_folder, "base"), metric)
        queries = vectorset.read(vectorset.find(set_folder, "query"), metric)
        for name in missing:
            np.save(_path(folder, name), nearest(base, queries, matching(PREDICATES[name], columns), metric, k))
    return shares


def read_truth(folder, name):
    return np.load(_path(folder, name))


def nearest(base, queries, matching, metric, k):
    rows = np.flatnonzero(matching)
    inside = base[rows].astype(np.float64)
    found = np.full((len(queries), k), -1, dtype=np.int64)
    squares = (inside * inside).sum(axis=1)
    for start in range(0, len(queries), 100):
        block = queries[start : start + 100].astype(np.float64)
        far = (squares if metric == "l2" else 0) - (2 if metric == "l2" else 1) * (block @ inside.T)
        order = np.argsort(far, axis=1, kind="stable")[:, :k]
        found[start : start + len(block), : order.shape[1]] = rows[order]
    return found


def _path(folder, name):
    # Another condition under the same name has another truth.
    return os.path.join(folder, f"{name}-{zlib.crc32(sql(PREDICATES[name]).encode()):08x}.npy")
