"""Faiss with a bitmap of the matching rows that is there before the clock starts."""

import faiss
import numpy as np

_RECIPES = {
    "flat": "Flat", "flat SQ8": "SQ8,RFlat", "IVF": "IVF{lists},Flat", "IVF SQ8": "IVF{lists},SQ8,RFlat", "HNSW": "HNSW{m},Flat",
}


class Peer:
    def __init__(self, dimension, metric, m, ef_construction, form):
        self.dimension, self.m, self.ef_construction, self.form = dimension, m, ef_construction, form
        self.metric = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
        self.rescored = form.endswith("SQ8")

    def build(self, base, columns, path, threads):
        faiss.omp_set_num_threads(threads)
        lists = 1 << round(np.log2(4 * np.sqrt(len(base))))
        index = faiss.index_factory(self.dimension, _RECIPES[self.form].format(lists=lists, m=self.m), self.metric)
        if self.form == "HNSW":
            index.hnsw.efConstruction = self.ef_construction
        index.train(base)
        index.add(base)
        faiss.write_index(index, path)

    def load(self, path):
        self.index = faiss.read_index(path)

    def strategies(self):
        if self.form.startswith("flat"):
            return {self.form: [2, 4] if self.rescored else [0]}
        if self.form == "HNSW":
            return {self.form: [16, 32, 64, 128, 256, 512, 1024]}
        return {self.form: [4, 8, 16, 32, 64, 128, 256, 512]}

    def filter(self, predicate, matching):
        self.bits = np.packbits(matching, bitorder="little")
        self.selector = faiss.IDSelectorBitmap(len(matching), faiss.swig_ptr(self.bits))

    def set(self, strategy, parameter, threads):
        faiss.omp_set_num_threads(threads)
        factor = 2
        if self.form == "HNSW":
            parameters = faiss.SearchParametersHNSW(efSearch=parameter, sel=self.selector)
        elif self.form.startswith("IVF"):
            parameters = faiss.SearchParametersIVF(nprobe=parameter, sel=self.selector)
        else:
            parameters, factor = faiss.SearchParameters(sel=self.selector), parameter
        if self.rescored:
            self.parameters = faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=parameters)
        else:
            self.parameters = parameters

    def search_one(self, query, k):
        distances, rows = np.empty(k, np.float32), np.empty(k, np.int64)
        self.index.search_c(1, faiss.swig_ptr(query), k, faiss.swig_ptr(distances), faiss.swig_ptr(rows), self.parameters)
        return rows

    def version(self):
        return f"Faiss {faiss.__version__}"
