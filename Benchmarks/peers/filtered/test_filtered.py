"""Tests of the comparison of filtered search, without any peer: python3 -m unittest discover Benchmarks/peers/filtered"""

import json
import os
import stat
import subprocess
import sys
import tempfile
import unittest

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "ann")]
import compare_filtered
import filtered_tables
import rows
from filtered_worker import Worker
from predicates import PREDICATES, Both, Either, at_least, equal, matching, sql

COLUMNS = {"section": np.array(["perl", "lisp", "perl", "games"]), "installed_size": np.array([10, 300, 300, 10_000])}


class PredicateTests(unittest.TestCase):
    def test_rows_match_as_the_condition_says(self):
        either = Either((equal("section", "games"), Both((equal("section", "perl"), at_least("installed_size", 300)))))
        self.assertEqual(sql(either), "section = 'games' OR (section = 'perl' AND installed_size >= 300)")
        self.assertEqual(matching(either, COLUMNS).tolist(), [False, False, True, True])

    def test_truth_is_of_matching_rows_only_and_says_where_there_are_too_few(self):
        base = np.array([[0, 1], [1, 0], [0.6, 0.8], [0.8, 0.6]], dtype=np.float32)
        found = rows.nearest(base, base[:1], matching(equal("section", "perl"), COLUMNS), "cosine", 3)
        self.assertEqual(found.tolist(), [[0, 2, -1]])
        found = rows.nearest(base, base[1:2], np.array([True, False, True, True]), "l2", 2)
        self.assertEqual(found.tolist(), [[3, 2]])


class SettingTests(unittest.TestCase):
    def worker(self, recall, rate):
        """One whose peer has this recall and rate at an effort."""
        worker = Worker.__new__(Worker)
        worker.request, worker.queries = {"recall": 0.95}, range(100)
        worker.peer = type("Peer", (), {"set": lambda *arguments: None})()
        worker.tried = []

        def try_out(parameter, count):
            worker.tried.append(parameter)
            return {"parameter": parameter, "recall": recall(parameter), "qps": rate(parameter)}

        worker.try_out = try_out
        return worker

    def test_the_least_effort_that_reaches_the_recall_is_found_between_the_rungs(self):
        worker = self.worker(lambda effort: 0.96 if effort >= 100 else 0.5, lambda effort: 1000 / effort)
        self.assertEqual(worker.least("HNSW", [32, 64, 128, 256], 0)["parameter"], 108)
        self.assertEqual(worker.tried, [32, 64, 128, 91, 108])

    def test_of_a_pair_the_first_is_halved(self):
        worker = self.worker(lambda pair: 0.96 if pair[0] >= 20 else 0.5, lambda pair: 1000 / pair[0])
        self.assertEqual(worker.least("int8", [[16, 1], [64, 2]], 0)["parameter"], [23, 2])

    def test_where_none_reaches_it_the_best_recall_is_told(self):
        worker = self.worker({1: 0.5, 2: 0.7, 3: 0.6}.get, lambda effort: 1)
        self.assertEqual(worker.least("HNSW", [1, 2, 3], 0)["recall"], 0.7)

    def test_a_way_that_is_far_behind_is_not_walked_to_its_end(self):
        worker = self.worker({1: 0.5, 2: 0.7, 3: 0.96}.get, {1: 900, 2: 500, 3: 100}.get)
        worker.least("HNSW", [1, 2, 3], 2500)
        self.assertEqual(worker.tried, [1, 2])

    def test_only_what_may_be_a_librarys_best_is_measured(self):
        lines = [
            {"name": "A x", "library": "A", "predicate": "p", "strategy": "s", "parameter": 1, "recall": 0.96, "qps": 100},
            {"name": "A y", "library": "A", "predicate": "p", "strategy": "s", "parameter": 2, "recall": 0.99, "qps": 60},
            {"name": "A y", "library": "A", "predicate": "p", "strategy": "t", "parameter": 3, "recall": 0.99, "qps": 10},
            {"name": "A y", "library": "A", "predicate": "p", "strategy": "u", "parameter": 4, "recall": 0.5, "qps": 900},
        ]
        self.assertEqual(
            compare_filtered.worth_measuring(lines, 0.95, 0.5), {"A x": [["p", "s", 1]], "A y": [["p", "s", 2]]})


TOOL = """#!/usr/bin/env python3
import json, sys
words = sys.argv[1:]
after = lambda name: words[words.index(name) + 1]
if words[0] == "load":
    assert "section:string:indexed" in words and after("--metadata").endswith("base.jsonl")
    open(words[1], "w").write("rows")
elif words[0] == "search":
    for rank, row in enumerate([0, 2]):
        print(json.dumps({"rank": rank + 1, "id": row, "distance": 0.5}))
elif words[0] == "bench":
    print(json.dumps({"index": "exact", "parameter": "recall=0.95", "k": 2, "threads": int(after("--threads")), "queries": 2,
                      "recall": 0.9 if "installed_size >= 221" in words else 0.97, "qps": 1234.5, "p50_us": 3, "p99_us": 4}))
elif words[0] == "--version":
    print("9.9")
"""


class CommandTests(unittest.TestCase):
    def test_the_command_measures_needletail_through_its_tool_and_checks_its_rows(self):
        with tempfile.TemporaryDirectory() as folder:
            tool = os.path.join(folder, "needletail")
            with open(tool, "w") as file:
                file.write(TOOL)
            os.chmod(tool, stat.S_IRWXU)
            base = np.random.default_rng(1).standard_normal((4, 8)).astype(np.float32)
            np.save(os.path.join(folder, "base.npy"), base)
            np.save(os.path.join(folder, "query.npy"), base[:2])
            with open(os.path.join(folder, "base.jsonl"), "w") as file:
                for section, size in zip(COLUMNS["section"], COLUMNS["installed_size"]):
                    file.write(json.dumps({"section": str(section), "installed_size": int(size)}) + "\n")
            out = os.path.join(folder, "out")
            command = [
                sys.executable, os.path.join(HERE, "compare_filtered.py"), folder, "--metric", "cosine", "-k", "2", "--only", "needletail",
                "--predicates", "half,tenth", "--out", out, "--tool", tool,
            ]
            run = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertIn("1,234 (0.900)", run.stdout)  # too little recall is told, not hidden
            with open(os.path.join(out, "points.jsonl")) as file:
                lines = [json.loads(line) for line in file]
            self.assertEqual({line["round"] for line in lines}, {0, 1, 2})
            self.assertEqual({line["checked_recall"] for line in lines if line["predicate"] == "tenth"}, {1})
            self.assertEqual({line["least_rows"] for line in lines}, {2})


class TableTests(unittest.TestCase):
    def test_a_library_stands_with_its_best_variant(self):
        points = [
            {"library": "A", "predicate": "p", "threads": 1, "qps": 10, "name": "A x"},
            {"library": "A", "predicate": "p", "threads": 1, "qps": 20, "name": "A y"},
            {"library": "A", "predicate": "p", "threads": 2, "qps": 40, "name": "A x"},
        ]
        self.assertEqual(filtered_tables.best(points, "A", "p", 1)["name"], "A y")
        self.assertIsNone(filtered_tables.best(points, "B", "p", 1))

    def test_every_predicate_reads_in_one_language(self):
        for name, predicate in PREDICATES.items():
            self.assertNotIn("Comparison", sql(predicate), name)


if __name__ == "__main__":
    unittest.main()
