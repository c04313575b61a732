#!/usr/bin/env python3
"""Faiss's flat index with one thread on a batch of queries: one batch for every line of standard input, one JSON line back.

Faiss from PyPI brings an OpenBLAS of its own. To compare on the same BLAS, start it with LD_PRELOAD set to the library that
Needletail uses; the first line says which one answers.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import argparse
import ctypes
import json
import sys
import time

import faiss
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data"))
from vectorfiles import read_vectors


def blas_in_use():
    """The OpenBLAS that Faiss calls: a preloaded one, else the one in its wheel."""
    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if "openblas" in line and "numpy" not in line and "scipy" not in line}
    preloaded = os.environ.get("LD_PRELOAD", "")
    chosen = [path for path in paths if preloaded and os.path.realpath(preloaded) == os.path.realpath(path)] or sorted(paths)
    if not chosen:
        return "unknown"
    library = ctypes.CDLL(chosen[0])
    library.openblas_get_config.restype = library.openblas_get_corename.restype = ctypes.c_char_p
    version = library.openblas_get_config().decode().split()
    return f"OpenBLAS {version[1]}, core {library.openblas_get_corename().decode()}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("base")
    arguments.add_argument("queries")
    arguments.add_argument("--count", type=int, default=100)
    arguments.add_argument("-k", type=int, default=10)
    arguments.add_argument("--rounds", type=int, default=0, help="run so many batches at once instead of reading lines")
    options = arguments.parse_args()

    faiss.omp_set_num_threads(1)
    # With its own setting Faiss sends a batch of 100 past the BLAS and takes five times as long: it is measured at its best.
    faiss.cvar.distance_compute_blas_threshold = 1
    base = read_vectors(options.base).astype(np.float32, copy=False)
    queries = read_vectors(options.queries)[: options.count].astype(np.float32)
    index = faiss.IndexFlatL2(base.shape[1])
    index.add(base)
    del base
    index.search(queries, options.k)
    print(json.dumps({"ready": f"faiss {faiss.__version__}, {blas_in_use()}"}), flush=True)
    for _ in range(options.rounds) if options.rounds else sys.stdin:
        start = time.perf_counter()
        _, nearest = index.search(queries, options.k)
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "nearest": nearest[:5, 0].tolist()}), flush=True)


if __name__ == "__main__":
    main()
