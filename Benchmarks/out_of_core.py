#!/usr/bin/env python3
"""Measures IVF-PQ search in a file several times larger than the memory it may use, and what a query reads.

    Benchmarks/data/venv/bin/python Benchmarks/out_of_core.py [--data data/out/sift-1m] [--share 4] [--nprobe 8,16,32,64] [--refine 8]
        [--tool ../.build/release/needletail] [--database results/out-of-core.ntl] [--subspaces 32] [--seconds 8]

Loads and indexes the data set if the database is not there yet, drops the file from the page cache, and runs `needletail bench`
in a memory control group of its own (version 1 or 2; it must be possible to make one inside the caller's), which counts mapped
pages of the file too. While queries run, the faults that had to read (`majflt` of /proc/PID/stat) and the bytes read
(/proc/PID/io) are sampled; their rates over the rate of queries are what a query reads. Then the same once more without a
limit, with the file in memory. Prints JSON lines.

A query must read at most the codes of the lists it visits and a page or two of each vector it compares in full precision; the
line says both. Linux only; it needs the right to make control groups.
"""

import argparse
import contextlib
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PAGE = resource.getpagesize()
COLLECTION = "vectors"


class MemoryGroup:
    """A memory control group inside that of this process."""

    def __init__(self, limit):
        groups = dict(line.strip().split(":", 2)[1:] for line in open("/proc/self/cgroup"))
        if "memory" in groups:
            parent, name = pathlib.Path("/sys/fs/cgroup/memory" + groups["memory"]), "memory.limit_in_bytes"
            self.peak_name = "memory.max_usage_in_bytes"
        else:
            parent, name = pathlib.Path("/sys/fs/cgroup" + groups.get("", "/")), "memory.max"
            self.peak_name = "memory.peak"
        self.path = parent / f"needletail-{os.getpid()}"
        self.path.mkdir()
        try:
            (self.path / name).write_text(str(limit))
        except OSError:
            self.close()
            raise

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def peak(self):
        path = self.path / self.peak_name
        return int(path.read_text()) if path.exists() else None

    def close(self):
        # The kernel lets go of the last process a little after its end.
        for _ in range(100):
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.05)


def run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def drop_from_cache(path):
    os.sync()
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_whole(path):
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 22):
            pass


def counters(process):
    """Bytes read from the disk and faults that had to read, so far; None when the process has ended."""
    try:
        values = dict(line.split(": ") for line in open(f"/proc/{process}/io"))
        faults = int(open(f"/proc/{process}/stat").read().rsplit(")", 1)[1].split()[9])
        return int(values["read_bytes"]), faults
    except (OSError, KeyError, ValueError):
        return None


def measure(tool, database, data, nprobe, refine, seconds, group):
    """The line of `needletail bench` for one nprobe, with what a query read."""
    command = [tool, "bench", database, COLLECTION, "--queries", data / "query.fvecs", "--truth", data / "truth.ivecs", "-k", "10",
               "--nprobe", nprobe, "--refine", refine, "--seconds", seconds, "--threads", "1", "--json"]
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True, preexec_fn=group.enter if group else None)
    samples = []
    while process.poll() is None:
        now = counters(process.pid)
        if now:
            samples.append((time.monotonic(), *now))
        time.sleep(0.1)
    output = process.stdout.read()
    if process.returncode:
        sys.exit(f"out_of_core.py: needletail bench ended with status {process.returncode}")
    line = json.loads(output.splitlines()[-1])
    # The measured phase is the last so many seconds; its first tenth and last moments are left out.
    end = samples[-1][0]
    inside = [sample for sample in samples if end - 0.9 * seconds <= sample[0] <= end - 0.2]
    if len(inside) < 2:
        sys.exit("out_of_core.py: too few samples: raise --seconds")
    span = inside[-1][0] - inside[0][0]
    queries = span * line["qps"]
    return line | {"read_bytes_per_query": round((inside[-1][1] - inside[0][1]) / queries), "faults_per_query": round((inside[-1][2] - inside[0][2]) / queries, 2)}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=pathlib.Path, default=HERE / "data/out/sift-1m")
    arguments.add_argument("--tool", type=pathlib.Path, default=HERE.parent / ".build/release/needletail")
    arguments.add_argument("--database", type=pathlib.Path, default=HERE / "results/out-of-core.ntl")
    arguments.add_argument("--share", type=float, default=4, help="how many times the file is larger than the memory allowed")
    arguments.add_argument("--nprobe", default="8,16,32,64")
    arguments.add_argument("--refine", type=int, default=8, help="vectors compared in full precision for each of the ten")
    arguments.add_argument("--subspaces", type=int, default=32)
    arguments.add_argument("--seconds", type=float, default=8)
    options = arguments.parse_args()
    if not sys.platform.startswith("linux"):
        sys.exit("out_of_core.py: control groups are Linux's")
    base = options.data / "base.fvecs"
    if not base.exists():
        sys.exit(f"out_of_core.py: {base} is missing: Benchmarks/data/make_sift.py makes it")

    if not options.database.exists():
        options.database.parent.mkdir(parents=True, exist_ok=True)
        run(options.tool, "load", options.database, COLLECTION, base, "--metric", "l2")
        run(options.tool, "index", options.database, COLLECTION, "--type", "ivfpq", "--pq-subspaces", options.subspaces)
    size = options.database.stat().st_size
    limit = int(size / options.share) // PAGE * PAGE
    rows = base.stat().st_size // (4 + 4 * int.from_bytes(base.open("rb").read(4), "little"))

    for limited in (True, False):
        try:
            group = MemoryGroup(limit) if limited else None
        except (OSError, PermissionError) as error:
            sys.exit(f"out_of_core.py: no control group can be made here: {error}")
        try:
            if limited:
                drop_from_cache(options.database)
            else:
                read_whole(options.database)
            for nprobe in options.nprobe.split(","):
                line = measure(options.tool, options.database, options.data, nprobe, options.refine, options.seconds, group)
                line |= {"figure": "out of core", "memory_bytes": limit if limited else None, "file_bytes": size, "rows": rows}
                if group:
                    line["peak_bytes"] = group.peak
                print(json.dumps(line), flush=True)
        finally:
            if group:
                group.close()


if __name__ == "__main__":
    main()
