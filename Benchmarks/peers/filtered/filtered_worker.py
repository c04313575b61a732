#!/usr/bin/env python3
"""One peer in a process of its own: builds, finds its settings, or is measured. `compare_filtered.py` starts it.

    filtered_worker.py '{"do": "tune", "module": "filter_faiss", ...}'

Answers with JSON lines on standard output. A peer is a module with a class `Peer`:

    Peer(dimension, metric, m, ef_construction, **variant)    the metric is "l2" or "cosine"; for the latter rows have unit length
    build(base, columns, path, threads)    takes rows and fields in, builds and saves
    load(path)
    strategies()                   ways to search, each with its ladder: values by rising effort
    filter(predicate, matching)    what the next searches are restricted to; `matching` tells each row
    set(strategy, parameter, threads)
    question(query, k)             optional: what search_one() takes in place of the query, made before the clock starts
    search_one(query, k)           rows of the k nearest among those that match; fewer, or -1, where it finds no more
    confine(threads)               optional: keeps a library to so many threads that set() cannot tell
    version()
"""

import importlib
import json
import os
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "ann"))
import vectorset
from predicates import PREDICATES, matching, sql
from rows import read_columns, read_truth
from worker import asked_one_by_one, byte_count, serve

SAMPLE = 200  # queries that tell whether a setting is worth asking all


class Worker:
    def __init__(self, request, answers):
        self.request, self.answers = request, answers
        self.k = request["k"]
        self.queries = vectorset.read(vectorset.find(request["set"], "query"), request["metric"])
        module = importlib.import_module(request["module"])
        self.peer = module.Peer(self.queries.shape[1], request["metric"], **request["shape"], **request["variant"])

    def answer(self, line):
        self.answers.write(json.dumps(line) + "\n")
        self.answers.flush()

    def build(self):
        request = self.request
        base = vectorset.read(vectorset.find(request["set"], "base"), request["metric"])
        columns = read_columns(request["set"])
        times, start = os.times(), time.perf_counter()
        self.peer.build(base, columns, request["path"], request["threads"])
        wall, after = time.perf_counter() - start, os.times()
        cpu = after.user + after.system - times.user - times.system
        self.answer({
            "threads": request["threads"], "wall_s": round(wall, 2), "cpu_s": round(cpu, 2),
            "bytes": byte_count(request["path"]), "version": self.peer.version(),
        })

    def load(self):
        self.peer.load(self.request["path"])
        self.columns = read_columns(self.request["set"])

    def restrict(self, name):
        self.peer.filter(PREDICATES[name], matching(PREDICATES[name], self.columns))
        self.truth = read_truth(self.request["truths"], name)

    def tune(self):
        """For each filter and strategy the least effort that reaches the recall, or the most there is where none does."""
        self.load()
        if hasattr(self.peer, "confine"):
            self.peer.confine(1)
        for name in self.request["predicates"]:
            self.restrict(name)
            fastest = 0
            for strategy, ladder in self.peer.strategies().items():
                found = self.least(strategy, ladder, fastest)
                if found["recall"] >= self.request["recall"]:
                    fastest = max(fastest, found["qps"])
                self.answer({"predicate": name, "condition": sql(PREDICATES[name]), "strategy": strategy, **found})

    def least(self, strategy, ladder, fastest):
        """Climbs the ladder, then halves the step that led over the recall twice."""
        best = below = None
        for parameter in ladder:
            line = self.asked(strategy, parameter)
            if best is None or line["recall"] > best["recall"]:
                best = line
            if line["recall"] >= self.request["recall"] or 4 * line["qps"] < fastest:
                break
            below = parameter
        if below is None or best["recall"] < self.request["recall"]:
            return best
        for _ in range(2):
            middle = _between(below, best["parameter"])
            if middle in (below, best["parameter"]):
                break
            line = self.asked(strategy, middle)
            if line["recall"] >= self.request["recall"]:
                best = line
            else:
                below = middle
        return best

    def asked(self, strategy, parameter):
        self.peer.set(strategy, parameter, 1)
        line = self.try_out(parameter, SAMPLE)
        # A sample has its luck; all queries decide, unless they need not be asked.
        if line["recall"] >= self.request["recall"] - 0.03 and len(self.queries) > SAMPLE:
            line = self.try_out(parameter, len(self.queries))
        return line

    def try_out(self, parameter, count):
        questions = self.questions(count)
        # CPU time: who else computes here must not choose the settings.
        start = time.process_time()
        found = [np.asarray(self.peer.search_one(question, self.k)) for question in questions]
        seconds = time.process_time() - start
        found = [rows[rows >= 0] for rows in found]
        truth = self.truth[:count]
        hits = sum(len(np.intersect1d(rows, true[true >= 0])) for rows, true in zip(found, truth))
        return {
            "parameter": parameter, "recall": round(hits / max(1, int((truth >= 0).sum())), 5),
            "least_rows": min(map(len, found)), "mean_rows": round(sum(map(len, found)) / len(found), 2), "qps": round(count / seconds, 1),
        }

    def questions(self, count):
        if not hasattr(self.peer, "question"):
            return self.queries[:count]
        return [self.peer.question(query, self.k) for query in self.queries[:count]]

    def search(self):
        """Measures the points asked for: filter, strategy, setting."""
        self.load()
        for name, strategy, parameter in self.request["points"]:
            self.restrict(name)
            for threads in self.request["thread_counts"]:
                if hasattr(self.peer, "confine"):
                    self.peer.confine(threads)
                prepare = lambda: self.peer.set(strategy, parameter, 1)
                prepare()
                questions = self.questions(len(self.queries))
                asked, seconds, times = asked_one_by_one(self.peer.search_one, prepare, questions, self.k, threads, self.request["seconds"])
                line = {"predicate": name, "strategy": strategy, "parameter": parameter, "threads": threads}
                line["qps"] = round(asked / seconds, 1)
                if threads == 1:
                    p50, p99 = np.percentile(np.array(times) / 1000, [50, 99])
                    line |= {"p50_us": round(float(p50), 1), "p99_us": round(float(p99), 1)}
                self.answer(line)


def _between(below, above):
    """The value half-way on a logarithmic scale; of a list its first, beside the rest of the one above."""
    if isinstance(above, list):
        return [_between(below[0], above[0]), *above[1:]]
    return round((below * above) ** 0.5)


if __name__ == "__main__":
    serve(Worker)
