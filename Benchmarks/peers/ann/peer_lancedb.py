"""LanceDB's IVF_PQ, rescored with the float32 rows (`refine_factor`), through its asynchronous interface, which is its faster one."""

import asyncio
import os
import threading

# At its default level the library writes a line for queries that are in order.
os.environ.setdefault("LANCE_LOG", "error")

import lancedb
import numpy as np
import pyarrow
from lancedb.index import IvfPq

import confine

_VECTOR, _ROW = "embedding", "row"


class Peer:
    def __init__(self, dimension, metric, nlist, code_bytes, bits=4):
        self.distance = "l2" if metric == "l2" else "dot"  # rows have unit length for the latter
        self.index = IvfPq(
            distance_type=self.distance, num_partitions=nlist, num_sub_vectors=8 * code_bytes // bits, num_bits=bits)
        self.nlist = nlist
        self.local = threading.local()

    def prepare(self, base, path):
        vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(base.ravel()), base.shape[1])
        rows = pyarrow.array(np.arange(len(base), dtype=np.int32))
        self.path = path
        self.table = lancedb.connect(path).create_table("rows", pyarrow.table({_ROW: rows, _VECTOR: vectors}))

    def build(self, base, threads):
        confine.to(threads)
        self.table.create_index(_VECTOR, config=self.index)

    def save(self, path):
        pass  # it is there since it was built

    def index_bytes(self, path):
        inside = os.path.join(path, "rows.lance", "_indices")
        return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(inside) for name in names)

    def load(self, path):
        self.path = path

    def ladder(self, default):
        """Pairs of nprobe and how many times k is rescored."""
        return [[nprobe, factor] for nprobe in default[1::2] if nprobe <= self.nlist for factor in (4, 10)]

    def set(self, parameter, threads):
        self.parameter, self.threads = parameter, threads

    def confine(self, threads):
        confine.to(threads)

    def search_one(self, query, k):
        return self._ask(self._found(query, k))[_ROW].to_numpy()

    def search(self, queries, k):
        """All in one request: it plans a search for each and runs them together."""
        answer = self._ask(self._found(list(queries), k))
        found = np.full((len(queries), k), -1)
        rows, places = answer[_ROW].to_numpy(), answer["query_index"].to_numpy()
        ends = np.cumsum(np.bincount(places, minlength=len(queries)))
        for place, own in enumerate(np.split(rows[np.argsort(places, kind="stable")], ends[:-1])):
            found[place, : len(own)] = own
        return found

    async def _found(self, query, k):
        nprobe, factor = self.parameter
        search = self.local.table.query().nearest_to(query).distance_type(self.distance).nprobes(nprobe).refine_factor(factor)
        return await search.limit(k).select([_ROW, "_distance"]).to_arrow()

    def _ask(self, question):
        """The answer to a question, asked on this thread's own event loop."""
        if not hasattr(self.local, "loop"):
            self.local.loop = asyncio.new_event_loop()
            self.local.table = self.local.loop.run_until_complete(self._open())
        return self.local.loop.run_until_complete(question)

    async def _open(self):
        return await (await lancedb.connect_async(self.path)).open_table("rows")

    def version(self):
        return f"LanceDB {lancedb.__version__}"
