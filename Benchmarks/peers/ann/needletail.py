"""Needletail beside its peers: loaded, indexed and measured with its own command-line tool, searched in the opened file."""

import json
import os
import resource
import subprocess
import time

import vectorset
from contenders import Contender, Failed

_COLLECTION = "vectors"


class Needletail(Contender):
    def __init__(self, quantization, options):
        super().__init__(f"needletail ({quantization})" if quantization else "needletail", options)
        self.quantization = quantization
        self.ours = True

    def path(self, threads):
        return super().path(threads) + ".ntl"

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

    def make(self, threads):
        options, path = self.options, self.path(threads)
        base = vectorset.find(options.set, "base")
        _, loaded, _ = self.run("load", path, _COLLECTION, base, "--metric", options.metric)
        before = os.path.getsize(path)
        shape = ["--m", str(options.m), "--ef-construction", str(options.ef_construction), "--threads", str(threads)]
        chosen = ["--quantization", self.quantization] if self.quantization else []
        _, wall, cpu = self.run("index", path, _COLLECTION, "--type", "hnsw", *shape, *chosen)
        return {
            "threads": threads, "wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "prepare_s": round(loaded, 2),
            "version": self.run("--version")[0].strip() or "needletail", "bytes": os.path.getsize(path), "bytes_without_index": before,
        }

    def bench(self, build_threads, threads, ladder, seconds):
        """Lines of the tool's own bench: a pass that warms up and finds the recall, then passes for so many seconds, as for peers."""
        folder = self.options.set
        out, _, _ = self.run(
            "bench", self.path(build_threads), _COLLECTION, "--queries", vectorset.find(folder, "query"),
            "--truth", os.path.join(folder, "truth.ivecs"), "-k", str(self.options.k), "--ef", ",".join(map(str, ladder)),
            "--threads", str(threads), "--seconds", str(seconds), "--json")
        lines = [json.loads(text) for text in out.splitlines()]
        if not lines:
            raise Failed("needletail bench printed nothing")
        for line in lines:
            line["parameter"] = _number(line["parameter"])
        return lines

    def recalls(self, threads):
        return [[line["parameter"], line["recall"]] for line in self.bench(threads, 1, self.options.ef, 0.01)]

    def search(self, points):
        ladder = self.options.ef if points is None else points
        built = self.options.build_threads[0]
        return [line for threads in self.options.threads for line in self.bench(built, threads, ladder, self.options.seconds)], None


def _number(parameter):
    """The value of efSearch, whether the tool prints 64, "64" or "ef=64"."""
    return parameter if isinstance(parameter, int) else int("".join(c for c in str(parameter) if c.isdigit()))


def _children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
