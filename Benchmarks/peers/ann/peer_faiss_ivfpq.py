"""Faiss's inverted lists of product-quantization codes, rescored with the float32 rows.

Fast-scan is Faiss's 4-bit form, scanned in registers; the other has 8 bits in half as many subspaces, hence codes of the same
size. A batch is one call, which shares tables and lists among its queries; single queries go through the C interface with
prepared arrays, since Faiss's Python wrapper costs some microseconds a call.
"""

import os

import faiss
import numpy as np


class Peer:
    def __init__(self, dimension, metric, nlist, code_bytes, form="fast-scan", coarse=""):
        codes = f"PQ{2 * code_bytes}x4fs" if form == "fast-scan" else f"PQ{code_bytes}x8np"
        self.recipe = f"IVF{nlist}{coarse},{codes},RFlat"
        self.dimension, self.nlist = dimension, nlist
        self.graph_over_lists = bool(coarse)
        self.metric = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT

    def build(self, base, threads):
        faiss.omp_set_num_threads(threads)
        self.index = faiss.index_factory(self.dimension, self.recipe, self.metric)
        self.index.train(base)
        self.index.add(base)

    def save(self, path):
        faiss.write_index(self.index, path)

    def index_bytes(self, path):
        return os.path.getsize(path) - 4 * self.dimension * self.index.ntotal

    def load(self, path):
        self.index = faiss.read_index(path)

    def ladder(self, default):
        """Pairs of nprobe and how many times k is rescored."""
        return [[nprobe, factor] for nprobe in default if nprobe <= self.nlist for factor in (4, 10, 25)]

    def set(self, parameter, threads):
        faiss.omp_set_num_threads(threads)
        nprobe, factor = parameter
        inside = faiss.SearchParametersIVF(nprobe=nprobe)
        if self.graph_over_lists:
            # The graph over the centroids must not be what loses recall.
            inside.quantizer_params = self.kept = faiss.SearchParametersHNSW(efSearch=max(32, 2 * nprobe))
        self.parameters = faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=inside)

    def search(self, queries, k):
        return self.index.search(queries, k, params=self.parameters)[1]

    def search_one(self, query, k):
        distances, rows = np.empty(k, np.float32), np.empty(k, np.int64)
        self.index.search_c(1, faiss.swig_ptr(query), k, faiss.swig_ptr(distances), faiss.swig_ptr(rows), self.parameters)
        return rows

    def version(self):
        return f"Faiss {faiss.__version__}, {self.recipe}"
