"""Needletail with a filter and a recall as its target: the planner chooses everything else."""

import json
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ann"))
import needletail
import vectorset
from contenders import Failed
from predicates import FIELDS, PREDICATES, sql
from rows import read_truth

_CHECKED = 20  # queries whose rows are compared with the truth that is computed here


class Needletail(needletail.Tool):
    def __init__(self, options):
        self.options, self.name, self.library, self.slug, self.ours = options, "needletail", "needletail", "needletail", True
        self.settings = []
        self.folder = os.path.join(options.out, "indexes", "needletail", f"m{options.m}-efc{options.ef_construction}")
        self.path = os.path.join(self.folder, "index.ntl")

    def prepare(self, afresh):
        built = os.path.join(self.folder, "build.json")
        if afresh or not os.path.exists(built):
            self.make(built)
        with open(built) as file:
            self.build = json.load(file)
        self.checked = {name: self.check(name) for name in self.options.predicates} if not self.options.build_only else {}

    def make(self, built):
        options = self.options
        os.makedirs(self.folder, exist_ok=True)
        for path in (self.path, self.path + "-lock"):
            if os.path.exists(path):
                os.remove(path)
        types = {str: "string", int: "int"}
        fields = [word for name, kind in FIELDS.items() for word in ("--field", f"{name}:{types[kind]}:indexed")]
        metadata = os.path.join(options.set, "base.jsonl")
        base = vectorset.find(options.set, "base")
        _, loaded, loaded_cpu = self.run(
            "load", self.path, "rows", base, "--metadata", metadata, "--metric", options.metric, *fields)
        _, wall, cpu = self.run(
            "index", self.path, "rows", "--type", "hnsw", "--m", str(options.m), "--ef-construction", str(options.ef_construction),
            "--threads", "1")
        with open(built, "w") as file:
            json.dump({
                "threads": 1, "wall_s": round(loaded + wall, 2), "cpu_s": round(loaded_cpu + cpu, 2), "bytes": os.path.getsize(self.path),
                "version": self.run("--version")[0].strip() or "needletail",
            }, file)

    def check(self, name):
        """Rows that single searches return, and their recall by the truth of this program, not the tool's own."""
        options = self.options
        queries = vectorset.read(vectorset.find(options.set, "query"), options.metric)[:_CHECKED]
        truth = read_truth(options.truths, name)
        counts, hits = [], 0
        for query, true in zip(queries, truth):
            out, _, _ = self.run(
                "search", self.path, "rows", "--vector", json.dumps([float(value) for value in query]), "-k", str(options.k),
                "--where", sql(PREDICATES[name]), "--recall", str(options.recall), "--json")
            found = [int(json.loads(line)["id"]) for line in out.splitlines()]
            counts.append(len(found))
            hits += len(np.intersect1d(found, true[true >= 0]))
        wanted = (truth[: len(queries)] >= 0).sum(axis=1)
        return {
            "least_rows": min(counts), "mean_rows": sum(counts) / len(counts), "short": int((np.array(counts) < wanted).sum()),
            "checked_recall": hits / max(1, int(wanted.sum())),
        }

    def measure(self, points):
        options, lines = self.options, []
        for name in options.predicates:
            for threads in options.threads:
                out, _, _ = self.run(
                    "bench", self.path, "rows", "--queries", vectorset.find(options.set, "query"), "-k", str(options.k),
                    "--where", sql(PREDICATES[name]), "--recall", str(options.recall), "--threads", str(threads),
                    "--seconds", str(options.seconds), "--json")
                line = json.loads(out.splitlines()[0])
                lines.append({
                    "predicate": name, "strategy": line["index"], "parameter": line["parameter"], "threads": threads, "qps": line["qps"],
                    "recall": line["recall"], "p50_us": line["p50_us"], "p99_us": line["p99_us"], **self.checked[name],
                })
        return lines
