#!/usr/bin/env python3
"""SIFT descriptors (128 integers, 0 ... 255) of the pictures in Debian's package `tuxpaint-stamps-default`.

Every picture is described at one scale after another until the count is reached; exact duplicates are dropped, and the rest
is shuffled, so that any prefix of the file is a fair sample. Queries come from pictures that are held out, together with
their mirrored and flipped versions. The same seed and the same OpenCV give the same bytes.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse
import glob
import hashlib
import re
import sys
import time

import cv2
import numpy as np

from vectorfiles import exact_l2_integers, progress, write_description, write_vectors

SCALES = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75]


def grey(path):
    """The picture over white, as one channel."""
    image = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if image is None:
        return None
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.ndim == 3 and image.shape[2] == 4:
        alpha = image[:, :, 3:].astype(np.float64) / 255
        image = np.rint(image[:, :, :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image


def describe(sift, picture, scale):
    height, width = picture.shape
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    scaled = picture if scale == 1 else cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    descriptors = sift.detectAndCompute(scaled, None)[1]
    if descriptors is None:
        return np.empty((0, 128), np.uint8)
    return np.clip(np.rint(descriptors), 0, 255).astype(np.uint8)


def distinct(rows):
    """The rows without repeats, in order of first appearance."""
    as_bytes = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1]))).ravel()
    return rows[np.sort(np.unique(as_bytes, return_index=True)[1])]


def is_held_out(path, folder, seed, share):
    """Mirrored and flipped versions share a picture's fate, so that no query has its own reflection in the base."""
    name = re.sub(r"(_mirror|_flip|_mirrorflip)*$", "", os.path.splitext(os.path.relpath(path, folder))[0])
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("output", nargs="?", default=os.path.join(here, "out", "sift-1m"))
    arguments.add_argument("--count", type=int, default=1_000_000)
    arguments.add_argument("--queries", type=int, default=1_000)
    arguments.add_argument("--truth", type=int, default=100, metavar="K", help="neighbours per query")
    arguments.add_argument("--pictures", default="/usr/share/tuxpaint/stamps")
    arguments.add_argument("--held-out", type=float, default=0.05, help="share of the pictures that only give queries")
    arguments.add_argument("--seed", type=int, default=20240901)
    options = arguments.parse_args()

    paths = sorted(glob.glob(os.path.join(options.pictures, "**", "*.png"), recursive=True))
    paths += sorted(glob.glob(os.path.join(options.pictures, "**", "*.jpg"), recursive=True))
    if not paths:
        sys.exit(f"{options.pictures}: no pictures; install them with: tools/setup --demo")
    cv2.setNumThreads(1)
    sift = cv2.SIFT_create()
    started = time.monotonic()

    held_out = [path for path in paths if is_held_out(path, options.pictures, options.seed, options.held_out)]
    kept = [path for path in paths if path not in set(held_out)]
    pictures = [(path, grey(path)) for path in kept]
    pictures = [(path, picture) for path, picture in pictures if picture is not None]

    base = np.empty((0, 128), np.uint8)
    scales = []
    for scale in SCALES:
        base = distinct(np.concatenate([base] + [describe(sift, picture, scale) for _, picture in pictures]))
        scales.append(scale)
        progress(f"{len(base):,} descriptors of {len(pictures)} pictures at scales {scales}")
        if len(base) >= options.count:
            break
    if len(base) < options.count:
        sys.exit(f"{options.pictures}: gives only {len(base):,} descriptors at scales {SCALES}; ask for fewer with --count")

    random = np.random.Generator(np.random.PCG64(options.seed))
    base = base[random.permutation(len(base))[: options.count]]

    queries = [describe(sift, picture, s) for path in held_out if (picture := grey(path)) is not None for s in (1.0, 2.0)]
    queries = distinct(np.concatenate(queries))
    if len(queries) < options.queries:
        sys.exit(f"the held-out pictures give only {len(queries)} queries; raise --held-out")
    queries = queries[random.permutation(len(queries))[: options.queries]]
    described = time.monotonic()

    truth, _ = exact_l2_integers(base, queries, options.truth, lambda done: progress(f"exact search: {done:,} rows"))
    searched = time.monotonic()

    os.makedirs(options.output, exist_ok=True)
    files = {"base.fvecs": base, "base.bvecs": base, "query.fvecs": queries, "query.bvecs": queries, "truth.ivecs": truth}
    for name, rows in files.items():
        write_vectors(os.path.join(options.output, name), rows)
    write_description(
        options.output,
        {
            "name": "SIFT descriptors of tuxpaint-stamps-default",
            "metric": "l2", "dimension": 128, "count": len(base), "queries": len(queries), "truth": options.truth,
            "pictures": len(pictures), "pictures_held_out": len(held_out), "scales": scales, "seed": options.seed,
            "opencv": cv2.__version__, "numpy": np.__version__,
        },
        files,
    )
    progress(
        f"{options.output}: {len(base):,} vectors, {len(queries):,} queries; described in {described - started:.0f} s, "
        f"exact search in {searched - described:.0f} s\n"
    )


if __name__ == "__main__":
    main()
