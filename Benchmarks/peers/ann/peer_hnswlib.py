"""hnswlib: knn_query over the whole array of queries with a fixed number of threads, its own example's way."""

import shutil
import subprocess
from importlib.metadata import version

import hnswlib


class Peer:
    def __init__(self, dimension, metric, m, ef_construction):
        self.index = hnswlib.Index(space="l2" if metric == "l2" else "ip", dim=dimension)
        self.m, self.ef_construction = m, ef_construction

    def build(self, base, threads):
        self.index.init_index(max_elements=len(base), M=self.m, ef_construction=self.ef_construction, random_seed=100)
        self.index.add_items(base, num_threads=threads)

    def save(self, path):
        self.index.save_index(path)

    def load(self, path):
        self.index.load_index(path)

    def set(self, parameter, threads):
        self.index.set_ef(parameter)
        self.threads = threads

    def search(self, queries, k):
        return self.index.knn_query(queries, k=k, num_threads=self.threads)[0]

    def version(self):
        return f"hnswlib {version('hnswlib')}, {_instructions()}"


def _instructions():
    """pip compiles hnswlib here with -march=native; whether that brought AVX-512 shows in the binary."""
    if not shutil.which("objdump"):
        return "compiled on this machine"
    with subprocess.Popen(["objdump", "-d", hnswlib.__file__], stdout=subprocess.PIPE, text=True) as listing:
        registers = {name for line in listing.stdout for name in ("zmm", "ymm") if "%" + name in line}
    return "AVX-512 code" if "zmm" in registers else "AVX code" if "ymm" in registers else "no AVX code"
