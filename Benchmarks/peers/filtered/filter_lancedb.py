"""LanceDB with scalar indexes over the fields, filtered before it searches, through its asynchronous interface."""

import asyncio
import os
import threading

# At its default level the library writes a line for queries that are in order.
os.environ.setdefault("LANCE_LOG", "error")

import lancedb
import numpy as np
import pyarrow
from lancedb.index import Bitmap, BTree, HnswSq, IvfPq
from predicates import FIELDS, sql

import confine

_VECTOR, _ROW = "embedding", "row"


class Peer:
    def __init__(self, dimension, metric, m, ef_construction, form):
        self.distance = "l2" if metric == "l2" else "dot"  # rows have unit length for the latter
        if form == "IVF-PQ":
            self.index = IvfPq(distance_type=self.distance, num_sub_vectors=dimension // 4)
        else:
            self.index = HnswSq(distance_type=self.distance, m=m, ef_construction=ef_construction)
        self.form, self.local = form, threading.local()

    def build(self, base, columns, path, threads):
        confine.to(threads)
        vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(base.ravel()), base.shape[1])
        fields = {name: pyarrow.array(columns[name].tolist()) for name in FIELDS}
        rows = pyarrow.array(np.arange(len(base), dtype=np.int32))
        table = lancedb.connect(path).create_table("rows", pyarrow.table({_ROW: rows, **fields, _VECTOR: vectors}))
        table.create_index(_VECTOR, config=self.index)
        for name, kind in FIELDS.items():
            table.create_index(name, config=Bitmap() if kind is str else BTree())

    def load(self, path):
        self.path = path

    def confine(self, threads):
        confine.to(threads)

    def strategies(self):
        if self.form == "IVF-PQ":
            return {"IVF-PQ": [[8, 4], [16, 4], [32, 4], [64, 4], [128, 4], [256, 10]], "flat": [0]}
        return {"HNSW": [[20, 2], [40, 2], [64, 4], [128, 4], [256, 10], [512, 10]]}

    def filter(self, predicate, matching):
        self.words = sql(predicate)

    def set(self, strategy, parameter, threads):
        self.strategy, self.parameter = strategy, parameter

    def search_one(self, query, k):
        if not hasattr(self.local, "loop"):
            self.local.loop = asyncio.new_event_loop()
            self.local.table = self.local.loop.run_until_complete(self._open())
        return self.local.loop.run_until_complete(self._found(query, k))

    async def _open(self):
        return await (await lancedb.connect_async(self.path)).open_table("rows")

    async def _found(self, query, k):
        search = self.local.table.query().nearest_to(query).distance_type(self.distance).where(self.words)
        if self.strategy == "flat":
            search = search.bypass_vector_index()
        elif self.strategy == "HNSW":
            search = search.ef(self.parameter[0]).refine_factor(self.parameter[1])
        else:
            search = search.nprobes(self.parameter[0]).refine_factor(self.parameter[1])
        return (await search.limit(k).select([_ROW, "_distance"]).to_arrow())[_ROW].to_numpy()

    def version(self):
        return f"LanceDB {lancedb.__version__}"
