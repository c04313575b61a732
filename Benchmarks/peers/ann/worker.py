#!/usr/bin/env python3
"""One peer in a process of its own: builds its index, or loads it and searches. `compare.py` starts it.

    worker.py '{"do": "build", "module": "peer_hnswlib", ...}'

Answers with JSON lines on standard output. A peer is a module with a class `Peer`:

    Peer(dimension, metric, **shape, **variant)    the metric is "l2" or "cosine"; for the latter rows have unit length; the shape
                             is what all contenders of the family share: m and ef_construction, or nlist and code_bytes
    prepare(base, path)      optional: takes the rows in where that is apart from building, as databases do
    build(base, threads)     builds; wall and CPU time of this are the build's
    save(path), load(path)   a file or a folder
    set(parameter, threads)  what the next searches use: an element of `ladder()`, a number of threads
    search(queries, k)       rows of the k nearest, in whatever way is fastest for the library when every query is one by itself
    search_one(query, k)     one query, for latencies; by default search() with one row
    ladder(default)          optional: values in place of the command's ladder of efSearch or nprobe
    index_bytes(path)        optional: what of the saved bytes is index, apart from the rows themselves
    confine(threads)         optional: keeps a library to so many threads that set() cannot tell
    version()                a line that says what is measured
"""

import importlib
import itertools
import json
import os
import resource
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import curves
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
        self.peer = module.Peer(dimension, self.metric, **request["shape"], **request["variant"])

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
        line["bytes"] = byte_count(path)
        if hasattr(self.peer, "index_bytes"):
            line["index_bytes"] = self.peer.index_bytes(path)
        self.answer(line)

    def recalls(self):
        """Recall along the ladder without the clock: what a build with more threads is compared by."""
        self.load()
        for parameter in self.ladder():
            self.use(parameter, 1)
            found = self.peer.search(self.queries, self.request["k"])
            self.answer({"parameter": parameter, "recall": round(vectorset.recall(found, self.truth), 5)})

    def load(self):
        self.read_queries()
        self.make_peer(self.queries.shape[1])
        before = _private_bytes()
        self.peer.load(self.request["path"])
        self.use(self.ladder()[0], 1)
        self.peer.search(self.queries, self.request["k"])
        self.answer({"version": self.peer.version(), "memory_bytes": _private_bytes() - before})

    def search(self):
        self.load()
        if self.request["batches"] != [None]:
            return self.search_in_batches()
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

    def search_in_batches(self):
        """Finds recall along the ladder first, which is the same however many queries are asked at once; then takes the time of the
        points that may matter."""
        request, wanted = self.request, self.request["points"]
        for parameter, recall in self.found_recalls() if wanted is None else wanted:
            for batch in request["batches"]:
                for threads in request["thread_counts"]:
                    self.answer(self.point_of_batches(parameter, threads, batch) | {"recall": recall})

    def found_recalls(self):
        request, recalls = self.request, []
        for parameter in self.ladder():
            self.use(parameter, max(request["thread_counts"]))
            found = np.asarray(self.peer.search(self.queries, request["k"]))
            recalls.append((parameter, round(vectorset.recall(found, self.truth), 5)))
            if recalls[-1][1] >= request["enough"]:
                break
        return curves.worth_timing(recalls, request["lowest"], request["enough"])

    def use(self, parameter, threads):
        if hasattr(self.peer, "confine"):
            self.peer.confine(threads)
        self.peer.set(parameter, threads)

    def point_of_batches(self, parameter, threads, batch):
        """Queries asked one after another by each thread (a batch of 1), or many at a time by one call that has all threads.

        A slow library is not asked all queries over and over: the clock ends a point in the middle of a pass.
        """
        self.use(parameter, threads)
        cpu = _cpu_seconds()
        if batch == 1:
            asked, seconds, latencies = self.alone(parameter, threads)
        else:
            asked, seconds, latencies = *self.together(batch), None
        line = {"parameter": parameter, "k": self.request["k"], "threads": threads, "batch": batch, "queries": len(self.queries)}
        line["qps"] = round(asked / seconds, 1)
        line["cpu_us"] = round((_cpu_seconds() - cpu) / asked * 1e6, 2)
        if threads == 1 and latencies:
            p50, p99 = np.percentile(np.array(latencies) / 1000, [50, 99])
            line |= {"p50_us": round(float(p50), 1), "p99_us": round(float(p99), 1)}
        return line

    def together(self, batch):
        """How many queries were asked in batches, and in how many seconds."""
        batches = [self.queries[start : start + batch] for start in range(0, len(self.queries), batch)]
        asked, spent = 0, 0.0
        while spent < self.request["seconds"]:
            for queries in batches:
                start = time.perf_counter()
                self.peer.search(queries, self.request["k"])
                spent += time.perf_counter() - start
                asked += len(queries)
        return asked, spent

    def alone(self, parameter, threads):
        search = getattr(self.peer, "search_one", None) or (lambda query, k: self.peer.search(query[None, :], k))
        # A library may keep the number of threads per thread, as OpenMP does.
        prepare = lambda: self.peer.set(parameter, 1)
        return asked_one_by_one(search, prepare, self.queries, self.request["k"], threads, self.request["seconds"])

    def latencies(self):
        """Microseconds of queries issued one by one, with what the call from Python costs."""
        one = getattr(self.peer, "search_one", None) or (lambda query, k: self.peer.search(query[None, :], k))
        clock, k, times = time.perf_counter_ns, self.request["k"], []
        for query in self.queries:
            start = clock()
            one(query, k)
            times.append(clock() - start)
        return np.array(times) / 1000


def asked_one_by_one(search, prepare, queries, k, threads, seconds):
    """How many queries were asked by threads that each ask one after another, in how many seconds, and the nanoseconds of each.

    `prepare` is called in each thread first. A slow library is not made to answer all queries: the clock ends it.
    """
    clock, together = time.perf_counter_ns, threading.Barrier(threads)

    def ask(share, nanoseconds):
        try:
            prepare()
        except BaseException:
            together.abort()  # nobody waits for a thread that will not come
            raise
        together.wait()
        times, start = [], clock()
        before = start
        for query in itertools.cycle(share):
            search(query, k)
            now = clock()
            times.append(now - before)
            before = now
            if now - start >= nanoseconds:
                return times, start, now

    shares = [queries[first::threads] for first in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        # The first time warms up what each thread keeps.
        list(pool.map(lambda share: ask(share, 0.1e9 * seconds), shares))
        parts = list(pool.map(lambda share: ask(share, 1e9 * seconds), shares))
    times = [time for part in parts for time in part[0]]
    return len(times), (max(part[2] for part in parts) - min(part[1] for part in parts)) / 1e9, times


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


def byte_count(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


def serve(kind):
    """Does what this process was told to, with the method of a worker that has its name."""
    request = json.loads(sys.argv[1])
    # Some libraries print to standard output from C++: answers leave through a descriptor of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    getattr(kind(request, answers), request["do"])()
    answers.flush()
    os._exit(0)  # the answers are out; some libraries crash when their threads are torn down


if __name__ == "__main__":
    serve(Worker)
