"""Needletail beside its peers: loaded, indexed and measured with its own command-line tool, searched in the opened file."""

import json
import os
import resource
import subprocess
import time

import curves
import vectorset
from contenders import Contender, Failed

_COLLECTION = "vectors"


class Tool:
    """Runs the command-line tool."""

    def run(self, *arguments):
        """Standard output of the tool, and the seconds, wall and CPU, that it took."""
        log = os.path.join(self.options.out, f"{self.slug}.log")
        before, start = _children_cpu(), time.perf_counter()
        try:
            with open(log, "w") as errors:
                process = subprocess.run([self.options.tool, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True)
        except OSError as error:
            raise Failed(f"{self.options.tool}: {error.strerror}") from error
        wall, cpu = time.perf_counter() - start, _children_cpu() - before
        if process.returncode != 0:
            with open(log) as errors:
                lines = [line.strip() for line in errors if line.strip()]
            said = next((line for line in lines if line.lower().startswith("error")), lines[-1] if lines else "")
            raise Failed(f"needletail {arguments[0]} ended with status {process.returncode}: {said}")
        return process.stdout, wall, cpu


class Needletail(Contender, Tool):
    def __init__(self, choice, options):
        super().__init__(f"needletail ({choice})" if choice else "needletail", options)
        self.choice = choice
        self.ours = True

    def path(self, threads):
        return super().path(threads) + ".ntl"

    def make(self, threads):
        options, path = self.options, self.path(threads)
        base = vectorset.find(options.set, "base")
        _, loaded, _ = self.run("load", path, _COLLECTION, base, "--metric", options.metric)
        before = os.path.getsize(path)
        _, wall, cpu = self.run("index", path, _COLLECTION, *self.index_words(), "--threads", str(threads))
        return {
            "threads": threads, "wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "prepare_s": round(loaded, 2),
            "version": self.run("--version")[0].strip() or "needletail", "bytes": os.path.getsize(path),
            "index_bytes": os.path.getsize(path) - before,
        }

    def bench(self, build_threads, threads, seconds, *words):
        """Lines of the tool's own bench: a pass that warms up and finds the recall, then passes for so many seconds, as for peers."""
        folder = self.options.set
        out, _, _ = self.run(
            "bench", self.path(build_threads), _COLLECTION, "--queries", vectorset.find(folder, "query"),
            "--truth", os.path.join(folder, "truth.ivecs"), "-k", str(self.options.k),
            "--threads", str(threads), "--seconds", str(seconds), "--json", *words)
        lines = [json.loads(text) for text in out.splitlines()]
        if not lines:
            raise Failed("needletail bench printed nothing")
        return lines


class Graph(Needletail):
    def index_words(self):
        options = self.options
        chosen = ["--quantization", self.choice] if self.choice else []
        return ["--type", "hnsw", "--m", str(options.m), "--ef-construction", str(options.ef_construction), *chosen]

    def recalls(self, threads):
        return [[line["parameter"], line["recall"]] for line in self.lines(threads, 1, self.options.ladder, 0.01)]

    def search(self, points):
        options, points = self.options, self.options.ladder if points is None else points
        built = options.build_threads[0]
        return [line for threads in options.threads for line in self.lines(built, threads, points, options.seconds)], None

    def lines(self, built, threads, points, seconds):
        lines = self.bench(built, threads, seconds, "--ef", _list(points))
        return [line | {"parameter": _number(line["parameter"])} for line in lines]


class InvertedLists(Needletail):
    """IVF-PQ, or RaBitQ codes of the same size. A point is nprobe and how many times k is rescored, as for peers."""

    FACTORS = (4, 10, 25)

    def index_words(self):
        options, shape = self.options, self.options.shape
        codes = ["--pq-subspaces", str(2 * shape["code_bytes"]), "--pq-bits", "4"]
        if self.choice == "rabitq":
            # Bits of a component, of which the tool knows some numbers only.
            codes = ["--code", "rabitq", "--rabitq-bits", str(8 * shape["code_bytes"] // options.dimension)]
        return ["--type", "ivfpq", "--nlist", str(shape["nlist"]), *codes]

    def recalls(self, threads):
        return [[line["parameter"], line["recall"]] for line in self.lines(threads, 1, 1, self.ladder(), 0.01)]

    def search(self, points):
        options = self.options
        built = options.build_threads[0]
        if points is None:
            recalls = {tuple(line["parameter"]): line["recall"] for line in self.lines(built, max(options.threads), 1, self.ladder(), 0.01)}
            points = [point for point, _ in curves.worth_timing(sorted(recalls.items()), min(options.recalls), options.enough)]
        modes = [(threads, batch) for batch in options.batches for threads in options.threads]
        return [line for threads, batch in modes for line in self.lines(built, threads, batch, points, options.seconds)], None

    def ladder(self):
        return [[nprobe, factor] for nprobe in self.options.ladder if nprobe <= self.options.shape["nlist"] for factor in self.FACTORS]

    def lines(self, built, threads, batch, points, seconds):
        lines = []
        for factor in self.FACTORS:
            probes = [nprobe for nprobe, other in points if other == factor]
            if not probes:
                continue
            words = ["--nprobe", _list(probes), "--refine", str(factor)] + (["--batch", str(batch)] if batch > 1 else [])
            for nprobe, line in zip(probes, self.bench(built, threads, seconds, *words)):
                lines.append(line | {"parameter": [nprobe, factor], "batch": batch})
        return lines


def _list(values):
    return ",".join(map(str, values))


def _number(parameter):
    """The value of efSearch, whether the tool prints 64, "64" or "ef=64"."""
    return parameter if isinstance(parameter, int) else int("".join(c for c in str(parameter) if c.isdigit()))


def _children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
