"""SVS, Intel's Vamana: a batch call with a fixed number of threads, over float32 or over LVQ codes where the wheel lets them run."""

import os
import tempfile
from importlib.metadata import version

import numpy as np
import svs


class Peer:
    def __init__(self, dimension, metric, m, ef_construction, lvq=None, degree=None):
        self.distance = svs.DistanceType.L2 if metric == "l2" else svs.DistanceType.MIP
        degree = degree or 2 * m  # HNSW's degree on its lowest level
        # For MIP, more similar is larger, and the library's own advice for alpha is 0.95.
        alpha = 1.2 if metric == "l2" else 0.95
        self.parameters = svs.VamanaBuildParameters(
            alpha=alpha, graph_max_degree=degree, window_size=ef_construction, prune_to=degree - 4,
            max_candidate_pool_size=3 * ef_construction)
        self.lvq = lvq

    def build(self, base, threads):
        if self.lvq is None:
            self.index = svs.Vamana.build(self.parameters, base, self.distance, num_threads=threads)
            return
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "base.fvecs")
            svs.write_vecs(base, path)
            data = svs.VectorDataLoader(path, svs.DataType.float32, dims=base.shape[1])
            compressed = svs.LVQLoader(data, primary=self.lvq[0], residual=self.lvq[1])
            self.index = svs.Vamana.build(self.parameters, compressed, self.distance, num_threads=threads)

    def save(self, path):
        os.makedirs(path, exist_ok=True)
        self.index.save(*(os.path.join(path, name) for name in ("config", "graph", "data")))

    def load(self, path):
        config, graph, data = (os.path.join(path, name) for name in ("config", "graph", "data"))
        if self.lvq is None:
            loader = svs.VectorDataLoader(data, svs.DataType.float32)
        else:
            loader = svs.LVQLoader(data)
        self.index = svs.Vamana(config, svs.GraphLoader(graph), loader, self.distance)

    def set(self, parameter, threads):
        if self.index.num_threads != threads:
            self.index.num_threads = threads
        self.index.search_window_size = parameter

    def search(self, queries, k):
        return self.index.search(queries, k)[0].astype(np.int64)

    def version(self):
        return f"SVS {version('scalable-vs')}"
