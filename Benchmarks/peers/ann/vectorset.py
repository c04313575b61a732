"""A folder of vectors as the benchmarks use it: base, query and truth, in whichever of the field's formats they lie there."""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "data"))
from vectorfiles import read_vectors

METRICS = ("l2", "cosine")
_FORMATS = (".fvecs", ".bvecs", ".npy")


def find(folder, stem):
    """The path of `stem` in the folder, float32 before bytes before NumPy's own format."""
    for ending in _FORMATS:
        path = os.path.join(folder, stem + ending)
        if os.path.exists(path):
            return path
    sys.exit(f"{folder}: no {stem} in any of {', '.join(_FORMATS)}")


def read(path, metric):
    """The file's rows as float32, for cosine at unit length: then the inner product ranks as cosine does, which is every
    library's fastest way to it, and nobody normalises while the clock runs."""
    rows = np.load(path) if path.endswith(".npy") else read_vectors(path)
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    if metric == "cosine":
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return rows


def shape(path):
    """How many rows the file holds, and how many numbers each of them."""
    if path.endswith(".npy"):
        return np.load(path, mmap_mode="r").shape
    dimension = int(np.fromfile(path, dtype="<i4", count=1)[0])
    width = 4 if path.endswith(".fvecs") else 1
    return os.path.getsize(path) // (4 + dimension * width), dimension


def read_truth(folder, k):
    """The k nearest rows for each query."""
    path = os.path.join(folder, "truth.ivecs")
    if not os.path.exists(path):
        sys.exit(f"{path} is missing")
    truth = read_vectors(path)
    if truth.shape[1] < k:
        sys.exit(f"{path} holds {truth.shape[1]} neighbours of each query, too few for k = {k}")
    return truth[:, :k]


def recall(found, truth):
    """recall@k: the share of the true k nearest that were found; a row in place of an equally distant one counts as a miss."""
    hits = sum(len(np.intersect1d(row, true)) for row, true in zip(found, truth))
    return hits / truth.size
