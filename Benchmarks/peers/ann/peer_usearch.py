"""usearch: a batch call with a fixed number of threads, over float32 or over bytes.

Bytes are rows scaled by one factor from the data, which keeps the order of distances up to rounding; usearch rescores nothing.
"""

import json
import os

import numpy as np
import usearch
from usearch.index import Index


class Peer:
    def __init__(self, dimension, metric, m, ef_construction, element):
        self.bytes = element == "i8"
        # Bytes do not keep unit length, so there the cosine itself is asked for.
        name = "l2sq" if metric == "l2" else "cos" if self.bytes else "ip"
        self.arguments = dict(ndim=dimension, metric=name, dtype=element, connectivity=m, expansion_add=ef_construction)
        self.index = Index(**self.arguments)
        self.low = self.high = 0.0

    def converted(self, rows):
        if not self.bytes:
            return rows
        return np.clip(np.rint((rows - (self.low + self.high) / 2) * (254 / (self.high - self.low))), -127, 127).astype(np.int8)

    def build(self, base, threads):
        if self.bytes:
            self.high = float(base.max())
            self.low = float(base.min()) if self.arguments["metric"] == "l2sq" else -float(np.abs(base).max())
            self.high = self.high if self.arguments["metric"] == "l2sq" else -self.low
        self.index.add(np.arange(len(base), dtype=np.uint64), self.converted(base), threads=threads)

    def save(self, path):
        os.makedirs(path, exist_ok=True)
        self.index.save(os.path.join(path, "index.usearch"))
        with open(os.path.join(path, "range.json"), "w") as file:
            json.dump([self.low, self.high], file)

    def load(self, path):
        self.index.load(os.path.join(path, "index.usearch"))
        with open(os.path.join(path, "range.json")) as file:
            self.low, self.high = json.load(file)

    def set(self, parameter, threads):
        self.index.expansion_search = parameter
        self.threads = threads

    def search(self, queries, k):
        return self.index.search(self.converted(queries), k, threads=self.threads).keys.reshape(len(queries), k).astype(np.int64)

    def version(self):
        return f"usearch {usearch.__version__}, {self.index.hardware_acceleration}"
