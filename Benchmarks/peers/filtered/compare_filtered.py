#!/usr/bin/env python3
"""Measures filtered search of Needletail and of the field's libraries on one set of vectors with its metadata, in one run.

    compare --family filtered SET [--metric l2|cosine] [--k 10] [--recall 0.95] [--threads 1,2] [--rounds 3] [--seconds 0.5]
            [--m 16] [--ef-construction 200] [--predicates NAME,...] [--only NAME,...] [--skip NAME,...]
            [--rebuild NAME,...] [--build-only] [--out FOLDER] [--tool NEEDLETAIL] [--python PYTHON]

SET is a folder with base, query (.fvecs, .bvecs or .npy) and base.jsonl, as make_minilm.py makes it; the filters are those of
predicates.py. Every library builds once, and once walks the ladders of its settings for every filter, into FOLDER. Then rounds go
over all contenders in turn, each with the settings that reached the recall, and Needletail with nothing but the recall as its
target. Printed are the medians of the rounds; FOLDER receives table.txt and points.jsonl.
"""

import argparse
import json
import os
import shutil
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "ann"))
import compare
import filtered_tables
import vectorset
from contenders import Failed, answers_of
from filtered_needletail import Needletail
from predicates import PREDICATES, sql
from rows import make_truths

# Library, what of it, module, what sets this variant apart. A library's figure is that of its best variant.
PEERS = [
    ("Faiss", "flat", "filter_faiss", {"form": "flat"}),
    ("Faiss", "flat SQ8", "filter_faiss", {"form": "flat SQ8"}),
    ("Faiss", "IVF", "filter_faiss", {"form": "IVF"}),
    ("Faiss", "IVF SQ8", "filter_faiss", {"form": "IVF SQ8"}),
    ("Faiss", "HNSW", "filter_faiss", {"form": "HNSW"}),
    ("Qdrant Edge", "", "filter_qdrant", {}),
    ("Zvec", "f32", "filter_zvec", {"form": "f32"}),
    ("Zvec", "int8", "filter_zvec", {"form": "int8"}),
    ("LanceDB", "IVF-PQ", "filter_lancedb", {"form": "IVF-PQ"}),
    ("LanceDB", "HNSW-SQ", "filter_lancedb", {"form": "HNSW-SQ"}),
    ("Chroma", "", "filter_chroma", {}),
]
# Settings are measured whose rate is at least this share of the library's best: while they are found, and after the first round.
NEAR, NEARER = 0.5, 0.8


class Peer:
    def __init__(self, library, what, module, variant, options):
        self.library, self.module, self.variant, self.options = library, module, variant, options
        self.name = f"{library} {what}".strip()
        self.ours = False
        shape = f"m{options.m}-efc{options.ef_construction}"
        self.folder = os.path.join(options.out, "indexes", self.name.lower().replace(" ", "-"), shape)
        self.path = os.path.join(self.folder, "index")

    def ask(self, do, **more):
        options = self.options
        request = {
            "do": do, "module": self.module, "variant": self.variant, "set": options.set, "metric": options.metric, "k": options.k,
            "shape": {"m": options.m, "ef_construction": options.ef_construction}, "path": self.path, "threads": 1,
            "truths": options.truths, "recall": options.recall, **more,
        }
        log = os.path.join(options.out, f"{self.name.lower().replace(' ', '-')}.log")
        return answers_of(os.path.join(HERE, "filtered_worker.py"), request, log)

    def prepare(self, afresh):
        """Builds, and finds the settings, unless both are there from before."""
        built = os.path.join(self.folder, "build.json")
        if afresh or not os.path.exists(built):
            shutil.rmtree(self.folder, ignore_errors=True)
            os.makedirs(self.folder)
            compare.say(f"{self.name}: building")
            _write_json(built, self.ask("build")[0])
        with open(built) as file:
            self.build = json.load(file)
        # What was found stays true as long as index, k, recall and the filters do.
        path = os.path.join(self.folder, f"settings-k{self.options.k}-recall{self.options.recall:g}.json")
        self.settings = []
        if os.path.exists(path):
            with open(path) as file:
                self.settings = [line for line in json.load(file) if line.get("condition") == sql(PREDICATES[line["predicate"]])]
        known = {line["predicate"] for line in self.settings}
        missing = [name for name in self.options.predicates if name not in known]
        # Each filter's are kept once they are found: a slow peer takes minutes for one, and a run may end in between.
        for name in missing:
            compare.say(f"{self.name}: finding its settings, {name}")
            self.settings += self.ask("tune", predicates=[name])
            _write_json(path, self.settings)

    def measure(self, points):
        """A line for every filter, setting and number of threads."""
        options = self.options
        lines = self.ask("search", points=points, thread_counts=options.threads, seconds=options.seconds)
        found = {(line["predicate"], line["strategy"]): line for line in self.settings}
        return [{**found[line["predicate"], line["strategy"]], **line} for line in lines]


def _write_json(path, value):
    with open(path + ".part", "w") as file:
        json.dump(value, file)
    os.replace(path + ".part", path)


def worth_measuring(lines, recall, share):
    """For each variant's name the points to measure: of a library's lines that reach the recall, those with at least that share of
    the rate of the fastest; where none reaches it, none."""
    fastest, points = {}, {}
    reaching = [line for line in lines if line["recall"] >= recall]
    for line in reaching:
        group = line["library"], line["predicate"]
        fastest[group] = max(line["qps"], fastest.get(group, 0))
    for line in reaching:
        if line["qps"] >= share * fastest[line["library"], line["predicate"]]:
            points.setdefault(line["name"], []).append([line["predicate"], line["strategy"], line["parameter"]])
    return points


def parse_arguments():
    arguments = argparse.ArgumentParser(prog="compare", usage=__doc__.split("\n\n")[1].strip(), description=__doc__.split("\n\n")[2])
    arguments.add_argument("set")
    arguments.add_argument("--family", choices=("filtered",), default="filtered")
    arguments.add_argument("--metric", choices=vectorset.METRICS)
    arguments.add_argument("-k", "--k", type=int, default=10)
    arguments.add_argument("--recall", type=float, default=0.95)
    arguments.add_argument("--threads", type=compare.numbers(int), default=[1, 2])
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=0.5, help="how long a point is measured in a round")
    arguments.add_argument("--m", type=int, default=16)
    arguments.add_argument("--ef-construction", type=int, default=200)
    arguments.add_argument("--predicates", default=",".join(PREDICATES), help="names in predicates.py")
    arguments.add_argument("--only", default="", help="parts of names, any case; =NAME is exactly that one")
    arguments.add_argument("--skip", default="")
    arguments.add_argument("--rebuild", default="", help="whose indexes are made again, as after a change of the code")
    arguments.add_argument("--build-only", action="store_true", help="build and find the settings, measure nothing")
    arguments.add_argument("--out")
    arguments.add_argument("--tool", default="needletail")
    options = arguments.parse_args()
    options.set = os.path.abspath(options.set)
    options.metric = options.metric or compare.metric_of(options.set)
    name = os.path.basename(options.set)
    options.out = os.path.abspath(options.out or os.path.join(HERE, "..", "..", "results", f"compare-filtered-{name}"))
    options.truths = os.path.join(options.out, f"truth-k{options.k}")
    options.predicates = options.predicates.split(",")
    unknown = [name for name in options.predicates if name not in PREDICATES]
    if unknown:
        arguments.error(f"no predicate is named {unknown[0]}; there are {', '.join(PREDICATES)}")
    return options


def measure(field, points, failures, options):
    """The lines of all rounds. Who fails in a round is left out of the later ones; those repeat what the first showed to be fast."""
    lines = []
    for number in range(options.rounds):
        for one in field:
            if one.name in failures or not (one.ours or one.name in points):
                continue
            start = time.monotonic()
            try:
                measured = one.measure(points.get(one.name))
            except Failed as failure:
                failures[one.name] = str(failure)
                compare.say(f"{one.name}: left out: {failure}")
                continue
            lines += [{"name": one.name, "library": one.library, "ours": one.ours, "round": number, **line} for line in measured]
            compare.say(f"round {number + 1}, {one.name}: {len(measured)} points, {time.monotonic() - start:.0f} s")
        if number == 0:
            peers = [line for line in lines if not line["ours"] and line["threads"] == options.threads[0]]
            points = worth_measuring(peers, options.recall, NEARER)
    return lines


def main():
    options = parse_arguments()
    everyone = [Peer(*peer, options) for peer in PEERS] + [Needletail(options)]
    field = [one for one in everyone if (not options.only or compare.named(options.only)(one)) and not compare.named(options.skip)(one)]
    if not field:
        sys.exit(f"compare: nobody is named so; there are {', '.join(one.name for one in everyone)}")
    options.count, dimension = vectorset.shape(vectorset.find(options.set, "base"))
    options.raw_bytes = 4 * options.count * dimension
    compare.claim_folder(options)
    matches = make_truths(options.truths, options.set, options.metric, options.k)

    failures, again = {}, compare.named(options.rebuild)
    for one in field:
        try:
            one.prepare(again(one))
        except Failed as failure:
            failures[one.name] = str(failure)
            compare.say(f"{one.name}: left out: {failure}")
    if options.build_only:
        return
    settings = [{"name": one.name, "library": one.library, **line} for one in field if one.name not in failures for line in one.settings]
    settings = [line for line in settings if line["predicate"] in options.predicates]
    points = worth_measuring(settings, options.recall, NEAR)
    lines = measure(field, points, failures, options)
    compare.write_lines(os.path.join(options.out, "points.jsonl"), lines)
    builds = {one.name: one.build for one in field if one.name not in failures}
    print(filtered_tables.write(options, matches, settings, lines, builds, failures))


if __name__ == "__main__":
    main()
