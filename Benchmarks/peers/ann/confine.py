"""Keeps this process to a number of CPUs, for libraries that cannot be told how many threads to use."""

import os


def to(count):
    """All threads there are run on `count` CPUs from now on, and so do those that they start. Nothing happens where the system
    knows no such thing (macOS)."""
    if not hasattr(os, "sched_setaffinity"):
        return
    # The CPUs this process was given at first: a later call may want more than an earlier one left.
    wanted = _CPUS[:count]
    for thread in map(int, os.listdir("/proc/self/task")):
        try:
            os.sched_setaffinity(thread, wanted)
        except ProcessLookupError:
            pass  # ended since


_CPUS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
