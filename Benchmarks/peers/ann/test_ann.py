"""Tests of the comparison itself, without any peer: python3 -m unittest discover Benchmarks/peers/ann"""

import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import xml.dom.minidom

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..")]
import curves
import plot
import vectorset
import worker
from vectorfiles import write_vectors


def points(*pairs, threads=1):
    return [{"name": "x", "parameter": i, "threads": threads, "recall": r, "qps": q, "ours": False} for i, (r, q) in enumerate(pairs)]


class CurveTests(unittest.TestCase):
    def test_between_two_points_the_logarithm_of_qps_is_linear(self):
        value, mark = curves.at_recall(points((0.9, 10_000), (1.0, 1_000)), 0.95)
        self.assertAlmostEqual(value, 10_000 / 10**0.5)
        self.assertEqual(mark, "")

    def test_a_beaten_point_does_not_count(self):
        value, _ = curves.at_recall(points((0.9, 10_000), (0.95, 500), (1.0, 1_000)), 0.95)
        self.assertAlmostEqual(value, 10_000 / 10**0.5)

    def test_nothing_is_made_up_beyond_the_points(self):
        self.assertIsNone(curves.at_recall(points((0.9, 10_000), (0.94, 1_000)), 0.95))
        self.assertEqual(curves.at_recall(points((0.9, 10_000), (0.94, 1_000)), 0.8), (10_000, "+"))

    def test_rounds_become_their_median(self):
        lines = [dict(point, qps=qps) for qps in (3, 1, 2) for point in points((0.9, 0))]
        self.assertEqual([point["qps"] for point in curves.medians(lines)], [2])

    def test_time_is_taken_where_recall_may_matter(self):
        recalls = [((4, 4), 0.7), ((8, 4), 0.85), ((8, 10), 0.8505), ((8, 25), 0.86), ((16, 4), 0.93), ((16, 10), 0.95)]
        self.assertEqual([point for point, _ in curves.worth_timing(recalls, 0.9)], [(8, 4), (8, 25), (16, 4), (16, 10)])
        self.assertEqual(curves.worth_timing(recalls[:1], 0.9), recalls[:1])

    def test_later_rounds_leave_out_what_no_figure_rests_on(self):
        ladder = points((0.5, 9_000), (0.7, 8_000), (0.9, 4_000), (0.85, 1_000), (0.995, 900), (0.9995, 500), (0.9999, 200))
        self.assertEqual(curves.worth_repeating(ladder, [0.8, 0.99], 0.999), [1, 2, 4, 5])


class VectorSetTests(unittest.TestCase):
    def test_formats_agree_and_cosine_has_unit_length(self):
        rows = np.arange(1, 13, dtype=np.uint8).reshape(3, 4)
        with tempfile.TemporaryDirectory() as folder:
            for ending in (".bvecs", ".fvecs"):
                write_vectors(os.path.join(folder, "base" + ending), rows)
            np.save(os.path.join(folder, "base.npy"), rows.astype(np.float16))
            for ending in (".bvecs", ".fvecs", ".npy"):
                path = os.path.join(folder, "base" + ending)
                np.testing.assert_array_equal(vectorset.read(path, "l2"), rows)
                self.assertEqual(vectorset.shape(path), (3, 4))
                np.testing.assert_allclose(np.linalg.norm(vectorset.read(path, "cosine"), axis=1), 1, rtol=1e-6)

    def test_recall_counts_rows_whatever_their_order(self):
        self.assertEqual(vectorset.recall(np.array([[3, 1], [5, 6]]), np.array([[1, 3], [5, 7]])), 0.75)


class SharedClockTests(unittest.TestCase):
    def test_every_thread_asks_its_own_share_and_the_clock_ends_a_slow_one(self):
        asked = []

        def search(query, k):
            asked.append((threading.get_ident(), int(query[0])))
            time.sleep(0.01)

        queries = np.arange(200, dtype=np.float32).reshape(100, 2)
        count, seconds, times = worker.asked_one_by_one(search, lambda: None, queries, 10, 2, 0.2)
        self.assertLess(count, 100)
        self.assertEqual(count, len(times))
        self.assertAlmostEqual(seconds, 0.2, delta=0.1)
        self.assertEqual(len({thread for thread, _ in asked}), 2)
        self.assertLessEqual({0, 2}, {place for _, place in asked})


TOOL = """#!/usr/bin/env python3
import json, sys
words = sys.argv[1:]
after = lambda name: words[words.index(name) + 1]
if words[0] == "load":
    open(words[1], "w").write("vectors")
elif words[0] == "index":
    if "rabitq" in words:
        sys.exit("Error: no such quantization")
    open(words[1], "a").write("graph")
elif words[0] == "bench" and "--nprobe" in words:
    batch = int(after("--batch")) if "--batch" in words else 1
    for nprobe in map(int, after("--nprobe").split(",")):
        print(json.dumps({"index": "ivfpq", "parameter": f"nprobe={nprobe},refine={after('--refine')}", "k": 10, "threads": int(after("--threads")),
                          "queries": 4, "recall": 1 - 1 / nprobe, "qps": (1e5 + batch) / nprobe, "p50_us": nprobe, "p99_us": nprobe}))
elif words[0] == "bench":
    for ef in map(int, after("--ef").split(",")):
        print(json.dumps({"index": "hnsw", "parameter": ef, "k": 10, "threads": int(after("--threads")), "queries": 4,
                          "recall": 1 - 1 / ef, "qps": 1e5 / ef, "p50_us": ef, "p99_us": 2 * ef}))
"""


def small_set(folder):
    """A set of a few rows, a stand-in for the tool, and the words of a command that measures one with the other."""
    tool = os.path.join(folder, "needletail")
    with open(tool, "w") as file:
        file.write(TOOL)
    os.chmod(tool, stat.S_IRWXU)
    rows = np.arange(64, dtype=np.float32).reshape(16, 4)
    write_vectors(os.path.join(folder, "base.fvecs"), rows)
    write_vectors(os.path.join(folder, "query.fvecs"), rows[:2])
    write_vectors(os.path.join(folder, "truth.ivecs"), np.tile(np.arange(10, dtype=np.int32), (2, 1)))
    out = os.path.join(folder, "out")
    return out, [sys.executable, os.path.join(HERE, "compare.py"), folder, "--only", "needletail", "--out", out, "--tool", tool]


class CommandTests(unittest.TestCase):
    def test_inverted_lists_are_measured_alone_and_in_batches(self):
        with tempfile.TemporaryDirectory() as folder:
            out, command = small_set(folder)
            words = ["--family", "ivfpq", "--nlist", "16", "--nprobe", "4,8,16,32", "--batches", "1,1000", "--recalls", "0.8,0.9"]
            run = subprocess.run(command + words, capture_output=True, text=True)
            self.assertEqual(run.returncode, 0, run.stderr)
            with open(os.path.join(out, "points.jsonl")) as file:
                lines = [json.loads(line) for line in file]
            self.assertEqual({(line["threads"], line["batch"]) for line in lines}, {(1, 1), (2, 1), (1, 1000), (2, 1000)})
            # More lists than there are is not asked for, nor is time taken of rescoring that brings nothing.
            self.assertEqual({tuple(line["parameter"]) for line in lines}, {(4, 4), (8, 4), (16, 4)})
            self.assertIn("QPS, 2 threads, batches of 1,000", run.stdout)
            self.assertIn("index: bytes a vector", run.stdout)
            self.assertTrue(os.path.exists(os.path.join(out, "recall-qps-1-thread-batch-1000.svg")))

    def test_the_command_measures_needletail_through_its_tool_and_reports_who_fails(self):
        with tempfile.TemporaryDirectory() as folder:
            out, command = small_set(folder)
            first = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(first.returncode, 0, first.stderr)
            self.assertIn("needletail (rabitq): not built with one thread: needletail index ended with status 1: Error: no such quantization", first.stdout)
            self.assertIn("needletail (sq8)", first.stdout)
            with open(os.path.join(out, "points.jsonl")) as file:
                lines = [json.loads(line) for line in file]
            self.assertEqual({line["round"] for line in lines}, {0, 1, 2})
            self.assertEqual({line["threads"] for line in lines}, {1, 2})
            second = subprocess.run(command, capture_output=True, text=True)
            self.assertNotIn("needletail (sq8): building", second.stderr)
            for threads in ("1-thread", "2-threads"):
                drawn = xml.dom.minidom.parse(os.path.join(out, f"recall-qps-{threads}.svg"))
                self.assertEqual(len(drawn.getElementsByTagName("polyline")), 6)


class PlotTests(unittest.TestCase):
    def test_names_are_escaped_and_no_curve_leaves_the_frame(self):
        text = plot.drawing("a < b", {"<x>": points((0.8, 5), (1.0, 4))}, 0.8)
        xml.dom.minidom.parseString(text)
        self.assertIn("&lt;x&gt;", text)


if __name__ == "__main__":
    unittest.main()
