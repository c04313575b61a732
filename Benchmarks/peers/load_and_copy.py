#!/usr/bin/env python3
"""`cp` plus `sync` of a file beside `needletail load` of it, in turns; and the memory that the loader takes beyond the map.

    load_and_copy.py NEEDLETAIL BASE.fvecs DATABASE

Leaves DATABASE with the collection `sift` for the figures that follow.
"""

import json
import os
import statistics
import subprocess
import sys
import time

ROUNDS = 5


def remove(path):
    for name in (path, path + "-lock"):
        if os.path.exists(name):
            os.remove(name)


def copy(source, destination):
    start = time.perf_counter()
    subprocess.run(["cp", source, destination], check=True)
    subprocess.run(["sync", destination], check=True)
    return time.perf_counter() - start


def load(tool, source, database):
    """Seconds, and the most anonymous and shared memory seen (the map's own pages are file pages, which these leave out)."""
    start = time.perf_counter()
    process = subprocess.Popen([tool, "load", database, "sift", source, "--metric", "l2"], stdout=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as status:
                facts = dict(line.split(":", 1) for line in status)
            most = max(most, sum(int(facts[name].split()[0]) for name in ("RssAnon", "RssShmem") if name in facts))
        except (FileNotFoundError, ProcessLookupError):
            pass
        time.sleep(0.01)
    seconds = time.perf_counter() - start
    if process.returncode != 0:
        sys.exit(f"load_and_copy.py: needletail load ended with status {process.returncode}")
    return seconds, most / 1024


def report(variant, unit, runs, note=None):
    line = {"figure": "load", "variant": variant, "unit": unit, "median": statistics.median(runs), "runs": runs}
    print(json.dumps(line | ({"note": note} if note else {})), flush=True)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    tool, source, database = sys.argv[1:]
    with open(source, "rb") as file:  # both read it from memory
        while file.read(1 << 24):
            pass
    copies, loads, memory = [], [], []
    copied = database + ".copy"
    for _ in range(ROUNDS):
        remove(copied)
        copies.append(round(copy(source, copied), 3))
        remove(copied)
        remove(database)
        seconds, mebibytes = load(tool, source, database)
        loads.append(round(seconds, 3))
        memory.append(round(mebibytes, 1))
    report("cp + sync", "s", copies, f"{os.path.getsize(source) / 1e6:.0f} MB")
    report("needletail load", "s", loads, f"file {os.path.getsize(database) / 1e6:.0f} MB")
    report("memory of load beyond the map", "MiB", memory)


if __name__ == "__main__":
    main()
