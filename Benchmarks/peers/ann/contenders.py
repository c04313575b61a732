"""Who is compared, and how a peer's process is asked. Needletail itself is in needletail.py."""

import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

# For each family: name, module, what sets this variant apart. Every graph gets the same M (degree 2·M where there is one level)
# and efConstruction; all inverted lists the same nlist and size of codes.
GRAPHS = [
    ("hnswlib", "peer_hnswlib", {}),
    ("Faiss HNSW", "peer_faiss", {"kind": "f32"}),
    ("Faiss HNSW SQ8", "peer_faiss", {"kind": "sq8"}),
    ("Faiss IVF-PQ batch", "peer_faiss", {"kind": "ivfpq"}),
    ("usearch", "peer_usearch", {"element": "f32"}),
    ("usearch i8", "peer_usearch", {"element": "i8"}),
    ("SVS Vamana", "peer_svs", {}),
    ("SVS Vamana LVQ8", "peer_svs", {"lvq": [8, 0]}),
    ("Zvec", "peer_zvec", {}),
    ("Zvec int8", "peer_zvec", {"kind": "int8"}),
    ("Zvec uniform uint8", "peer_zvec", {"kind": "uniform_uint8"}),
    ("Zvec RaBitQ", "peer_zvec", {"kind": "rabitq"}),
    ("SymphonyQG", "peer_rabitqlib", {"kind": "symphonyqg"}),
    ("RaBitQ HNSW", "peer_rabitqlib", {"kind": "hnsw", "bits": 8}),
]
INVERTED_LISTS = [
    ("Faiss fast-scan", "peer_faiss_ivfpq", {}),
    ("Faiss fast-scan (HNSW lists)", "peer_faiss_ivfpq", {"coarse": "_HNSW32"}),
    ("Faiss IVF-PQ 8-bit", "peer_faiss_ivfpq", {"form": "8-bit"}),
    ("LanceDB 4-bit", "peer_lancedb", {"bits": 4}),
    ("LanceDB 8-bit", "peer_lancedb", {"bits": 8}),
]


class Failed(Exception):
    """A contender that cannot be built or searched here, with the reason in a line."""


class Contender:
    """What peers and Needletail have in common: a place for the built index, and a record of how it was built."""

    def __init__(self, name, options):
        self.name, self.options = name, options
        self.slug = name.lower().replace("(", "").replace(")", "").replace(" ", "-")
        self.ours = False

    def folder(self, threads):
        return os.path.join(self.options.out, "indexes", self.slug, f"{self.options.shape_name}-threads{threads}")

    def path(self, threads):
        return os.path.join(self.folder(threads), "index")

    def record(self, threads):
        """How the index was built, or None where it was not yet or is gone."""
        if threads == self.options.build_threads[0] and not os.path.exists(self.path(threads)):
            return None
        try:
            with open(os.path.join(self.folder(threads), "build.json")) as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    def build(self, threads):
        """Builds afresh. The index of any but the first number of threads serves its recall only and goes again."""
        folder = self.folder(threads)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        record = self.make(threads)
        if threads != self.options.build_threads[0]:
            record["recalls"] = self.recalls(threads)
            for name in os.listdir(folder):
                path = os.path.join(folder, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
        # Last, and at once: a build that was interrupted leaves no record and is made again.
        with open(os.path.join(folder, "build.json.part"), "w") as file:
            json.dump(record, file)
        os.replace(os.path.join(folder, "build.json.part"), os.path.join(folder, "build.json"))
        return record


class Peer(Contender):
    def __init__(self, name, module, variant, options):
        super().__init__(name, options)
        self.module, self.variant = module, variant

    def ask(self, do, threads, **more):
        """The answers of one process that does one thing."""
        options = self.options
        request = {
            "do": do, "module": self.module, "variant": self.variant, "set": options.set, "metric": options.metric, "k": options.k,
            "shape": options.shape, "path": self.path(threads), "threads": threads, "ladder": options.ladder, **more,
        }
        return answers_of(os.path.join(HERE, "worker.py"), request, os.path.join(options.out, f"{self.slug}.log"))

    def make(self, threads):
        return self.ask("build", threads)[0]

    def recalls(self, threads):
        return [[line["parameter"], line["recall"]] for line in self.ask("recalls", threads)[1:]]

    def search(self, points):
        """A line for every point and number of threads, and the memory that the index takes."""
        options = self.options
        if points is not None and options.batches != [None]:
            points = [(point, self.recalls_found[str(point)]) for point in points]
        first, *lines = self.ask(
            "search", options.build_threads[0], points=points, thread_counts=options.threads,
            batches=options.batches, seconds=options.seconds, enough=options.enough, lowest=min(options.recalls))
        self.recalls_found = {str(line["parameter"]): line["recall"] for line in lines}
        return lines, first["memory_bytes"]


def answers_of(program, request, log):
    """The lines that a worker answers with, in a process of its own whose errors go to the log."""
    with open(log, "w") as errors:
        process = subprocess.run([sys.executable, program, json.dumps(request)], stdout=subprocess.PIPE, stderr=errors, text=True)
    answers = [json.loads(line) for line in process.stdout.splitlines()]
    if process.returncode != 0 or not answers:
        raise Failed(last_line(log) or f"ended with status {process.returncode}")
    return answers


def last_line(path):
    with open(path, errors="replace") as log:
        lines = [line.strip() for line in log if line.strip()]
    # Above a traceback a library may have said more plainly what is the matter.
    for line in lines:
        if "not supported" in line:
            return line
    return lines[-1][:200] if lines else None
