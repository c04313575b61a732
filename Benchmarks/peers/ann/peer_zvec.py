"""Zvec: its path for single queries that returns row numbers and no documents, called from as many Python threads as are asked for."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import zvec

_FIELD = "embedding"


class Peer:
    def __init__(self, dimension, metric, m, ef_construction, kind="f32"):
        # Uniform codes know L2 only, which ranks rows of unit length as cosine does.
        l2 = metric == "l2" or kind.startswith("uniform")
        shape = dict(metric_type=zvec.MetricType.L2 if l2 else zvec.MetricType.IP, m=m, ef_construction=ef_construction)
        self.rescored = kind != "f32"
        self.query_parameters = zvec.HnswQueryParam
        if kind == "rabitq":
            self.parameters = zvec.HnswRabitqIndexParam(**shape)
            self.query_parameters = zvec.HnswRabitqQueryParam
        else:
            quantize = getattr(zvec.QuantizeType, {"f32": "UNDEFINED"}.get(kind, kind.upper()))
            self.parameters = zvec.HnswIndexParam(**shape, quantize_type=quantize, use_contiguous_memory=True)
        self.dimension = dimension
        self.pool = None
        zvec.init(log_level=zvec.LogLevel.ERROR)

    def prepare(self, base, path):
        flat = zvec.FlatIndexParam(metric_type=self.parameters.metric_type)
        vectors = zvec.VectorSchema(_FIELD, zvec.DataType.VECTOR_FP32, self.dimension, index_param=flat)
        self.collection = zvec.create_and_open(path, zvec.CollectionSchema("rows", vectors=vectors))
        for start in range(0, len(base), 1000):
            rows = range(start, min(start + 1000, len(base)))
            results = self.collection.insert([zvec.Doc(str(row), vectors={_FIELD: base[row]}) for row in rows])
            if not all(result.ok() for result in results):
                raise RuntimeError("Zvec refused rows")
        self.collection.flush()

    def build(self, base, threads):
        self.collection.create_index(_FIELD, self.parameters, zvec.IndexOption(concurrency=threads))
        self.collection.optimize(zvec.OptimizeOption(concurrency=threads))

    def save(self, path):
        self.collection.flush()
        self.collection.close()

    def load(self, path):
        self.collection = zvec.open(path, zvec.CollectionOption(read_only=True))
        # Internal numbers are the order of insertion, hence the rows'.

    def set(self, parameter, threads):
        self.parameter = self.query_parameters(ef=parameter, is_using_refiner=self.rescored)
        if threads > 1 and self.pool is None:
            self.pool = ThreadPoolExecutor(threads)
        self.threads = threads

    def search_one(self, query, k):
        return self.collection.query_internal_ids(zvec.Query(_FIELD, vector=query, param=self.parameter), topk=k)

    def search(self, queries, k):
        if self.threads == 1:
            return np.array([self.search_one(query, k) for query in queries])
        parts = np.array_split(queries, self.threads)
        return np.concatenate(list(self.pool.map(lambda part: np.array([self.search_one(query, k) for query in part]), parts)))

    def version(self):
        return f"Zvec {zvec.__version__}"
