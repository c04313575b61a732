"""Chroma, embedded: its HNSW and its metadata in SQLite."""

import chromadb
import numpy as np
from predicates import FIELDS, Comparison, Either

import confine


class Peer:
    def __init__(self, dimension, metric, m, ef_construction):
        self.graph = {"space": "l2" if metric == "l2" else "ip", "max_neighbors": m, "ef_construction": ef_construction}

    def build(self, base, columns, path, threads):
        confine.to(threads)
        graph = {**self.graph, "num_threads": threads}
        collection = _client(path).create_collection("rows", configuration={"hnsw": graph}, embedding_function=None)
        for start in range(0, len(base), 5000):
            rows = range(start, min(start + 5000, len(base)))
            collection.add(
                [str(row) for row in rows], embeddings=base[rows.start : rows.stop],
                metadatas=[{name: FIELDS[name](columns[name][row]) for name in FIELDS} for row in rows])
        collection.query(query_embeddings=base[:1], n_results=1)

    def load(self, path):
        self.collection = _client(path).get_collection("rows", embedding_function=None)
        self.ef = None

    def confine(self, threads):
        confine.to(threads)

    def strategies(self):
        return {"HNSW": [16, 32, 64, 128, 256, 512, 1024]}

    def filter(self, predicate, matching):
        self.where = _where(predicate)

    def set(self, strategy, parameter, threads):
        if parameter != self.ef:
            self.ef = parameter
            self.collection.modify(configuration={"hnsw": {"ef_search": parameter}})

    def search_one(self, query, k):
        found = self.collection.query(query_embeddings=query[None, :], n_results=k, where=self.where, include=[])
        return np.array(found["ids"][0], dtype=int)

    def version(self):
        return f"Chroma {chromadb.__version__}"


def _client(path):
    return chromadb.PersistentClient(path, settings=chromadb.Settings(anonymized_telemetry=False))


def _where(predicate):
    if isinstance(predicate, Comparison):
        return {predicate.field: {{"=": "$eq", ">=": "$gte", "<": "$lt"}[predicate.operator]: predicate.value}}
    return {"$or" if isinstance(predicate, Either) else "$and": [_where(part) for part in predicate.parts]}
