"""Faiss: HNSW over float32 and over 8-bit codes, and IVF-PQ fast-scan with refinement, the frontier for whole batches.

The array of queries is searched in one call. HNSW treats each query by itself; IVF-PQ shares work between the queries of a
batch, so its rate is one that single queries do not reach, and its latencies show that.
"""

import faiss
import numpy as np


class Peer:
    def __init__(self, dimension, metric, m, ef_construction, kind):
        self.kind, self.dimension, self.m, self.ef_construction = kind, dimension, m, ef_construction
        self.metric = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT

    def build(self, base, threads):
        faiss.omp_set_num_threads(threads)
        if self.kind == "ivfpq":
            lists = 1 << max(4, round(np.log2(4 * np.sqrt(len(base)))))
            self.index = faiss.index_factory(self.dimension, f"IVF{lists},PQ{self.dimension // 2}x4fs,RFlat", self.metric)
        elif self.kind == "sq8":
            codes = faiss.IndexHNSWSQ(self.dimension, faiss.ScalarQuantizer.QT_8bit, self.m, self.metric)
            codes.hnsw.efConstruction = self.ef_construction
            self.index = faiss.IndexRefineFlat(codes)
        else:
            self.index = faiss.IndexHNSWFlat(self.dimension, self.m, self.metric)
            self.index.hnsw.efConstruction = self.ef_construction
        self.index.train(base)
        self.index.add(base)

    def save(self, path):
        faiss.write_index(self.index, path)

    def load(self, path):
        self.index = faiss.read_index(path)

    def ladder(self, default):
        """Pairs of how much is searched and how many times k is rescored; over float32 nothing needs to be."""
        if self.kind == "ivfpq":
            return [[probes, factor] for probes in (4, 8, 16, 32, 64, 128, 256) for factor in (4, 16)]
        if self.kind == "sq8":
            return [[ef, factor] for ef in default for factor in (0, 2)]
        return default

    def set(self, parameter, threads):
        faiss.omp_set_num_threads(threads)
        self.searched = self.index
        if self.kind == "f32":
            self.parameters = faiss.SearchParametersHNSW(efSearch=parameter)
            return
        amount, factor = parameter
        inside = faiss.SearchParametersIVF(nprobe=amount) if self.kind == "ivfpq" else faiss.SearchParametersHNSW(efSearch=amount)
        if factor:
            self.parameters = faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=inside)
        else:
            self.searched, self.parameters = faiss.downcast_index(self.index.base_index), inside

    def search(self, queries, k):
        return self.searched.search(queries, k, params=self.parameters)[1]

    def version(self):
        return f"Faiss {faiss.__version__}, {faiss.get_compile_options().strip()}"
