"""The benchmark formats of the field, and exact nearest neighbours to go with them.

`.fvecs`, `.bvecs` and `.ivecs` are rows of a little-endian int32 count followed by that many float32, uint8 or int32 values.
"""

import hashlib
import json
import os
import sys

import numpy as np

_ELEMENTS = {".fvecs": np.float32, ".bvecs": np.uint8, ".ivecs": np.int32}


def write_vectors(path, rows):
    """Writes the rows of a two-dimensional array, converted to the element type that the file's ending names."""
    element = np.dtype(_ELEMENTS[os.path.splitext(path)[1]])
    count, dimension = rows.shape
    row_type = np.dtype([("dimension", "<i4"), ("values", element, (dimension,))])
    with open(path, "wb") as file:
        for start in range(0, count, 65536):
            block = rows[start : start + 65536]
            out = np.empty(len(block), dtype=row_type)
            out["dimension"] = dimension
            out["values"] = block
            out.tofile(file)


def read_vectors(path):
    """The file's rows as one contiguous array."""
    element = np.dtype(_ELEMENTS[os.path.splitext(path)[1]])
    dimension = int(np.fromfile(path, dtype="<i4", count=1)[0])
    row_type = np.dtype([("dimension", "<i4"), ("values", element, (dimension,))])
    rows = np.fromfile(path, dtype=row_type)
    if not (rows["dimension"] == dimension).all():
        sys.exit(f"{path}: rows of different dimensions")
    return np.ascontiguousarray(rows["values"])


def exact_l2_integers(base, queries, k, report=lambda done: None):
    """The k nearest rows of `base` for each query by squared L2, nearest first, ties by row number.

    Both arrays hold integers 0 ... 255. Every product sum then stays below 2^24 for dimensions up to 128, so float32
    arithmetic is exact whatever the order of summation, and a matrix product gives the same answer as integers would.
    """
    assert base.shape[1] <= 128 and base.dtype == np.uint8 and queries.dtype == np.uint8
    wide = queries.astype(np.float32)
    query_norms = (wide * wide).sum(axis=1).astype(np.int64)
    best = np.full((len(queries), k), np.iinfo(np.int64).max, dtype=np.int64)
    step = 16384
    for start in range(0, len(base), step):
        block = base[start : start + step].astype(np.float32)
        norms = (block * block).sum(axis=1).astype(np.int64)
        dots = (wide @ block.T).astype(np.int64)
        distances = query_norms[:, None] + norms[None, :] - 2 * dots
        keys = (distances << 32) | np.arange(start, start + len(block), dtype=np.int64)[None, :]
        merged = np.concatenate([best, keys], axis=1)
        best = np.partition(merged, k - 1, axis=1)[:, :k]
        report(min(start + step, len(base)))
    best.sort(axis=1)
    return (best & 0xFFFFFFFF).astype(np.int32), (best >> 32)


def exact_cosine(base, queries, k, report=lambda done: None):
    """The k nearest rows of `base` (unit length, any float type) for each query by cosine, ties by row number.

    A float32 product picks a few more than k candidates; their order is then settled in float64.
    """
    margin = k + 50
    scores = np.full((len(queries), margin), -np.inf, dtype=np.float32)
    rows = np.full((len(queries), margin), -1, dtype=np.int64)
    step = 16384
    for start in range(0, len(base), step):
        block = base[start : start + step].astype(np.float32)
        merged = np.concatenate([scores, queries @ block.T], axis=1)
        ids = np.arange(start, start + len(block), dtype=np.int64)
        ids = np.concatenate([rows, np.broadcast_to(ids, (len(queries), len(block)))], axis=1)
        keep = np.argpartition(-merged, margin - 1, axis=1)[:, :margin]
        scores = np.take_along_axis(merged, keep, axis=1)
        rows = np.take_along_axis(ids, keep, axis=1)
        report(min(start + step, len(base)))
    truth = np.empty((len(queries), k), dtype=np.int32)
    for i, query in enumerate(queries.astype(np.float64)):
        candidates = np.sort(rows[i][rows[i] >= 0])
        vectors = base[candidates].astype(np.float64)
        similarity = (vectors @ query) / np.linalg.norm(vectors, axis=1)
        truth[i] = candidates[np.argsort(-similarity, kind="stable")[:k]]
    return truth


def write_description(folder, description, names):
    """`info.json`: how the set was made, with the SHA-256 of every file, so that two copies can be compared."""
    files = {}
    for name in names:
        digest = hashlib.sha256()
        with open(os.path.join(folder, name), "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        files[name] = {"bytes": os.path.getsize(os.path.join(folder, name)), "sha256": digest.hexdigest()}
    with open(os.path.join(folder, "info.json"), "w") as file:
        json.dump({**description, "files": files}, file, indent=2)
        file.write("\n")


def progress(text):
    """One line on a terminal, nothing in a pipe's way."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)
