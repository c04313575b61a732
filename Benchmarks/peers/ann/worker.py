#!/usr/bin/env python3
"""One peer in a process of its own: builds its index, or loads it and searches. `compare.py` starts it.

    worker.py '{"do": "build", "module": "peer_hnswlib", ...}'

Answers with JSON lines on standard output. A peer is a module with a class `Peer`:

    Peer(dimension, metric, m, ef_construction, **variant)    the metric is "l2" or "cosine"; for the latter rows have unit length
    prepare(base, path)      optional: takes the rows in where that is apart from building, as databases do
    build(base, threads)     builds; wall and CPU time of this are the build's
    save(path), load(path)   a file or a folder
    set(parameter, threads)  what the next searches use: an element of `ladder()`, a number of threads
    search(queries, k)       rows of the k nearest, in whatever way is fastest for the library when every query is one by itself
    search_one(query, k)     one query, for latencies; by default search() with one row
    ladder(default)          optional: values in place of the command's ladder of efSearch
    version()                a line that says what is measured
"""

import importlib
import json
import os
import resource
import sys
import time

import numpy as np

import vectorset


class Worker:
    def __init__(self, request, answers):
        self.request = request
        self.answers = answers
        self.metric = request["metric"]
        self.peer = None

    def answer(self, line):
        self.answers.write(json.dumps(line) + "\n")
        self.answers.flush()

    def make_peer(self, dimension):
        request = self.request
        module = importlib.import_module(request["module"])
        self.peer = module.Peer(dimension, self.metric, request["m"], request["ef_construction"], **request["variant"])

    def read_queries(self):
        self.queries = vectorset.read(vectorset.find(self.request["set"], "query"), self.metric)
        self.truth = vectorset.read_truth(self.request["set"], self.request["k"])

    def ladder(self):
        default = self.request["ladder"]
        return self.peer.ladder(default) if hasattr(self.peer, "ladder") else default

    def build(self):
        base = vectorset.read(vectorset.find(self.request["set"], "base"), self.metric)
        self.make_peer(base.shape[1])
        self.read_queries()
        threads, path = self.request["threads"], self.request["path"]
        taken_in = 0
        if hasattr(self.peer, "prepare"):
            start = time.perf_counter()
            self.peer.prepare(base, path)
            taken_in = time.perf_counter() - start
        cpu, start = _cpu_seconds(), time.perf_counter()
        self.peer.build(base, threads)
        wall, cpu = time.perf_counter() - start, _cpu_seconds() - cpu
        line = {"threads": threads, "wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "prepare_s": round(taken_in, 2)}
        line["version"] = self.peer.version()
        self.peer.save(path)
        line["bytes"] = _byte_count(path)
        self.answer(line)

    def recalls(self):
        """Recall along the ladder without the clock: what a build with more threads is compared by."""
        self.load()
        for parameter in self.ladder():
            self.peer.set(parameter, 1)
            found = self.peer.search(self.queries, self.request["k"])
            self.answer({"parameter": parameter, "recall": round(vectorset.recall(found, self.truth), 5)})

    def load(self):
        self.read_queries()
        self.make_peer(self.queries.shape[1])
        before = _private_bytes()
        self.peer.load(self.request["path"])
        self.peer.set(self.ladder()[0], 1)
        self.peer.search(self.queries, self.request["k"])
        self.answer({"version": self.peer.version(), "memory_bytes": _private_bytes() - before})

    def search(self):
        self.load()
        wanted = self.request["points"]
        for parameter in self.ladder() if wanted is None else wanted:
            for threads in self.request["thread_counts"]:
                line = self.point(parameter, threads)
                self.answer(line)
            if wanted is None and line["recall"] >= self.request["enough"]:
                break

    def point(self, parameter, threads):
        peer, queries, k = self.peer, self.queries, self.request["k"]
        peer.set(parameter, threads)
        found = np.asarray(peer.search(queries, k))  # warms up, too
        cpu, passes = _cpu_seconds(), []
        while sum(passes) < self.request["seconds"] or len(passes) < 2:
            start = time.perf_counter()
            peer.search(queries, k)
            passes.append(time.perf_counter() - start)
        line = {"parameter": parameter, "k": k, "threads": threads, "queries": len(queries)}
        line["qps"] = round(len(passes) * len(queries) / sum(passes), 1)
        line["cpu_us"] = round((_cpu_seconds() - cpu) / len(passes) / len(queries) * 1e6, 2)
        line["recall"] = round(vectorset.recall(found, self.truth), 5)
        if threads == 1:
            p50, p99 = np.percentile(self.latencies(), [50, 99])
            line |= {"p50_us": round(float(p50), 1), "p99_us": round(float(p99), 1)}
        return line

    def latencies(self):
        """Microseconds of queries issued one by one, with what the call from Python costs."""
        one = getattr(self.peer, "search_one", None) or (lambda query, k: self.peer.search(query[None, :], k))
        clock, k, times = time.perf_counter_ns, self.request["k"], []
        for query in self.queries:
            start = clock()
            one(query, k)
            times.append(clock() - start)
        return np.array(times) / 1000


def _cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _private_bytes():
    """Resident memory that belongs to no file; 0 where the system does not tell."""
    try:
        with open("/proc/self/status") as status:
            return sum(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon:"))
    except FileNotFoundError:
        return 0


def _byte_count(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


def main():
    request = json.loads(sys.argv[1])
    # Some libraries print to standard output from C++: answers leave through a descriptor of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(request, answers)
    {"build": worker.build, "recalls": worker.recalls, "search": worker.search}[request["do"]]()
    answers.flush()
    os._exit(0)  # the answers are out; some libraries crash when their threads are torn down


if __name__ == "__main__":
    main()
