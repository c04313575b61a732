#!/usr/bin/env python3
"""Times the scan of 4-bit codes by lookup in registers beside that of Faiss, in turns, with AVX2 and with AVX-512.

    Benchmarks/data/venv/bin/python Benchmarks/peers/pq_scan.py [--rows N] [--rounds N] [--subspaces 16,32,64]

Each finds the 100 nearest of N random codes (1,048,576) for one query, and for a batch of 64. Ours scans the blocks of an index,
which carry terms and slots beside the codes, by calling the kernels of Sources/CNeedletailKernels, compiled here with the
system's compiler at -O2 as Swift's package manager does; Faiss is IndexPQFastScan over the same number of codes, which have neither.
Times are of CPU, on one thread; the best round counts, since what disturbs a round only adds to it. Aimed at: 0.8 of Faiss's rate.
Prints JSON lines, the last of each kind being the ratio.
"""

import argparse
import ctypes
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time

import faiss
import numpy

HERE = pathlib.Path(__file__).resolve().parent
KERNELS = HERE.parent.parent / "Sources" / "CNeedletailKernels"
KEEP = 100


def kernels(folder):
    """The kernels as a library; their variants by name."""
    library = folder / "libpq_scan.so"
    command = [os.environ.get("CC", "clang"), "-O2", "-std=gnu11", "-shared", "-fPIC", f"-I{KERNELS / 'include'}", f"-I{KERNELS}"]
    command += [HERE / "pq_scan.c", *sorted(KERNELS.glob("*.c")), "-lm", "-o", library]
    subprocess.run(command, check=True)
    ours = ctypes.CDLL(str(library))
    ours.pq_scan_open.restype = ctypes.c_void_p
    ours.pq_scan_open.argtypes = [ctypes.c_size_t, ctypes.c_uint32]
    ours.pq_scan_close.argtypes = [ctypes.c_void_p]
    ours.pq_scan_variant.restype = ctypes.c_char_p
    ours.pq_scan_variant.argtypes = [ctypes.c_size_t]
    ours.pq_scan_run.restype = ctypes.c_double
    ours.pq_scan_run.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]
    names = []
    while name := ours.pq_scan_variant(len(names)):
        names.append(name.decode())
    return ours, names


def pairs(names):
    """What is compared with what: a level of Faiss, and our best variant of that width."""
    found = []
    for level, width in (("AVX2", "avx2"), ("AVX512", "avx512"), ("ARM_NEON", "neon")):
        number = getattr(faiss, f"SIMDLevel_{level}", None)
        ours = [position for position, name in enumerate(names) if name.startswith(width)]
        if ours and number is not None and faiss.SIMDConfig.is_simd_level_available(number):
            found.append((width, number, ours[-1]))
    return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1 << 20)
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--subspaces", default="16,32,64")
    options = arguments.parse_args()
    rows = max(options.rows // 64, 1) * 64

    faiss.omp_set_num_threads(1)
    random = numpy.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        ours, names = kernels(pathlib.Path(folder))
        compared = pairs(names)
        if not compared:
            sys.exit(f"pq_scan.py: Faiss {faiss.__version__} and the kernels share no instruction set on {platform.machine()}")
        for subspaces in map(int, options.subspaces.split(",")):
            bench = ours.pq_scan_open(rows, subspaces)
            index = faiss.IndexPQFastScan(subspaces, subspaces, 4)
            index.train(random.random((8192, subspaces), dtype=numpy.float32))
            for first in range(0, rows, 65536):
                index.add(random.random((min(65536, rows - first), subspaces), dtype=numpy.float32))
            queries = random.random((64, subspaces), dtype=numpy.float32)
            for width, level, variant in compared:
                faiss.SIMDConfig.set_level(level)
                for count in (1, 64):
                    theirs, mine = [], []
                    for _ in range(options.rounds):
                        start = time.process_time()
                        index.search(queries[:count], KEEP)
                        theirs.append(time.process_time() - start)
                        mine.append(ours.pq_scan_run(bench, variant, count))
                    codes = rows * count * subspaces / 1e9
                    kind = f"{width}, {subspaces} codes a vector, {'one query' if count == 1 else f'batch of {count}'}"
                    for name, seconds in ((names[variant], mine), (f"Faiss {faiss.__version__}", theirs)):
                        rates = [round(codes / second, 2) for second in seconds]
                        line = {"figure": "4-bit scan", "variant": f"{kind}: {name}", "unit": "G codes/s", "median": max(rates), "runs": rates}
                        print(json.dumps(line), flush=True)
                    ratio = round(min(theirs) / min(mine), 2)
                    print(json.dumps({"figure": "4-bit scan", "variant": f"{kind}: ratio", "unit": "×", "median": ratio, "runs": [ratio]}), flush=True)
            ours.pq_scan_close(bench)


if __name__ == "__main__":
    main()
