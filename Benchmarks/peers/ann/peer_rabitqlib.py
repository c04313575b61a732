"""SymphonyQG and HNSW over RaBitQ codes, in their authors' library: one call for the array of queries, each by itself."""

from importlib.metadata import version

import numpy as np
import rabitqlib


class Peer:
    def __init__(self, dimension, metric, m, ef_construction, kind, bits=0, degree=None):
        self.kind, self.dimension, self.bits, self.ef_construction, self.m = kind, dimension, bits, ef_construction, m
        self.metric = "l2" if metric == "l2" else "ip"
        self.degree = degree or 2 * m  # a multiple of 32, as its scan of neighbours wants it

    def build(self, base, threads):
        if self.kind == "symphonyqg":
            self.index = rabitqlib.SymqgIndex(self.dimension, self.degree, self.metric, self.bits)
            self.index.build(base, self.ef_construction, num_threads=threads)
            return
        clusters = rabitqlib.RaBitQKMeans(self.dimension, 16, num_threads=threads)
        clusters.train(base)
        self.index = rabitqlib.HnswIndex(self.dimension, len(base), self.m, self.ef_construction, self.bits, self.metric)
        self.index.build(base, clusters.centroids, clusters.assignments, num_threads=threads)

    def save(self, path):
        self.index.save(path)

    def load(self, path):
        self.index = (rabitqlib.SymqgIndex if self.kind == "symphonyqg" else rabitqlib.HnswIndex).load(path)
        self.call = self.index.search_batch if self.kind == "symphonyqg" else self.index.search

    def set(self, parameter, threads):
        self.parameter, self.threads = parameter, threads

    def search(self, queries, k):
        return self.call(queries, k, self.parameter, self.threads)[0].astype(np.int64)

    def version(self):
        return f"rabitqlib {version('rabitqlib')}"
