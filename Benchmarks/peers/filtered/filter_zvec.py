"""Zvec with inverted indexes over the fields: its fast path, which returns row numbers and no documents."""

import zvec
from predicates import FIELDS, sql

_VECTOR = "embedding"


class Peer:
    def __init__(self, dimension, metric, m, ef_construction, form):
        self.dimension, self.rescored = dimension, form != "f32"
        self.metric = zvec.MetricType.L2 if metric == "l2" else zvec.MetricType.IP
        quantize = zvec.QuantizeType.INT8 if self.rescored else zvec.QuantizeType.UNDEFINED
        self.parameters = zvec.HnswIndexParam(
            metric_type=self.metric, m=m, ef_construction=ef_construction, quantize_type=quantize, use_contiguous_memory=True)
        zvec.init(log_level=zvec.LogLevel.ERROR)

    def build(self, base, columns, path, threads):
        types = {str: zvec.DataType.STRING, int: zvec.DataType.INT64}
        fields = [
            zvec.FieldSchema(name, types[kind], index_param=zvec.InvertIndexParam(enable_range_optimization=kind is int))
            for name, kind in FIELDS.items()
        ]
        flat = zvec.FlatIndexParam(metric_type=self.metric)
        vectors = zvec.VectorSchema(_VECTOR, zvec.DataType.VECTOR_FP32, self.dimension, index_param=flat)
        collection = zvec.create_and_open(path, zvec.CollectionSchema("rows", fields=fields, vectors=vectors))
        for start in range(0, len(base), 1000):
            rows = range(start, min(start + 1000, len(base)))
            results = collection.insert([
                zvec.Doc(str(row), vectors={_VECTOR: base[row]}, fields={name: FIELDS[name](columns[name][row]) for name in FIELDS})
                for row in rows
            ])
            if not all(result.ok() for result in results):
                raise RuntimeError("Zvec refused rows")
        collection.flush()
        collection.create_index(_VECTOR, self.parameters, zvec.IndexOption(concurrency=threads))
        collection.optimize(zvec.OptimizeOption(concurrency=threads))
        collection.flush()
        collection.close()

    def load(self, path):
        # Internal numbers are the order of insertion, hence the rows'.
        self.collection = zvec.open(path, zvec.CollectionOption(read_only=True))

    def strategies(self):
        return {"HNSW": [16, 32, 64, 128, 256, 512, 1024], "linear": [0]}

    def filter(self, predicate, matching):
        self.words = sql(predicate)

    def set(self, strategy, parameter, threads):
        linear = strategy == "linear"
        self.parameter = zvec.HnswQueryParam(ef=parameter or 10, is_linear=linear, is_using_refiner=self.rescored)

    def question(self, query, k):
        return zvec.Query(_VECTOR, vector=query, param=self.parameter)

    def search_one(self, question, k):
        return self.collection.query_internal_ids(question, topk=k, filter=self.words)

    def version(self):
        return f"Zvec {zvec.__version__}"
