"""Qdrant Edge with payload indexes, which give its graph links within their values; float32, int8 codes, and ACORN."""

import qdrant_edge as qdrant
from predicates import FIELDS, Comparison, Either


class Peer:
    def __init__(self, dimension, metric, m, ef_construction):
        distance = qdrant.Distance.Euclid if metric == "l2" else qdrant.Distance.Dot  # rows have unit length for the latter
        codes = qdrant.ScalarQuantizationConfig(type=qdrant.ScalarType.Int8, always_ram=True)
        self.vectors = qdrant.EdgeVectorParams(size=dimension, distance=distance, quantization_config=codes)
        self.m, self.ef_construction = m, ef_construction

    def build(self, base, columns, path, threads):
        graph = qdrant.HnswIndexConfig(
            m=self.m, ef_construct=self.ef_construction, full_scan_threshold=10_000, max_indexing_threads=threads)
        optimizers = qdrant.EdgeOptimizersConfig(default_segment_number=1)
        shard = qdrant.EdgeShard.create(path, qdrant.EdgeConfig(
            vectors=self.vectors, hnsw_config=graph, optimizers=optimizers, max_search_threads=threads, on_disk_payload=False))
        kinds = {str: qdrant.PayloadSchemaType.Keyword, int: qdrant.PayloadSchemaType.Integer}
        for name, kind in FIELDS.items():
            shard.update(qdrant.UpdateOperation.create_field_index(name, kinds[kind]))
        for start in range(0, len(base), 1000):
            rows = range(start, min(start + 1000, len(base)))
            shard.update(qdrant.UpdateOperation.upsert_points([
                qdrant.Point(row, base[row].tolist(), {name: FIELDS[name](columns[name][row]) for name in FIELDS}) for row in rows
            ]))
        shard.optimize()
        shard.flush()
        shard.close()

    def load(self, path):
        self.shard = qdrant.EdgeShard.load(path, qdrant.EdgeConfig(vectors=self.vectors, max_search_threads=1))

    def strategies(self):
        ladder = [10, 16, 32, 64, 128, 256, 512, 1024]
        return {"int8": [[ef, over] for ef in ladder for over in (1, 2)], "f32": ladder, "ACORN": ladder, "exact": [0]}

    def filter(self, predicate, matching):
        self.condition = _filter(predicate)

    def set(self, strategy, parameter, threads):
        if strategy == "exact":
            self.parameters = qdrant.SearchParams(exact=True)
        elif strategy == "int8":
            codes = qdrant.QuantizationSearchParams(rescore=True, oversampling=float(parameter[1]))
            self.parameters = qdrant.SearchParams(hnsw_ef=parameter[0], quantization=codes)
        else:
            more = {"acorn": qdrant.AcornSearchParams(enable=True)} if strategy == "ACORN" else {}
            plain = qdrant.QuantizationSearchParams(ignore=True)
            self.parameters = qdrant.SearchParams(hnsw_ef=parameter, quantization=plain, **more)

    def question(self, query, k):
        return qdrant.SearchRequest(
            qdrant.Query.Nearest(query.tolist()), k, filter=self.condition, params=self.parameters, with_payload=False, with_vector=False)

    def search_one(self, request, k):
        return [point.id for point in self.shard.search(request)]

    def version(self):
        from importlib.metadata import version
        return f"Qdrant Edge {version('qdrant-edge-py')}"


def _filter(predicate):
    if isinstance(predicate, Comparison):
        return qdrant.Filter(must=[_condition(predicate)])
    parts = [_condition(part) if isinstance(part, Comparison) else _filter(part) for part in predicate.parts]
    return qdrant.Filter(should=parts) if isinstance(predicate, Either) else qdrant.Filter(must=parts)


def _condition(comparison):
    if comparison.operator == "=":
        return qdrant.FieldCondition(comparison.field, match=qdrant.MatchValue(comparison.value))
    bound = {">=": "gte", "<": "lt"}[comparison.operator]
    return qdrant.FieldCondition(comparison.field, range=qdrant.RangeFloat(**{bound: float(comparison.value)}))
