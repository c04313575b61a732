#!/usr/bin/env python3
"""Lets several commands take turns, so that what disturbs the machine disturbs them alike.

    alternate.py --figure NAME --rounds 7 -- 'first command' 'second command' ...

Each command, given as NAME=COMMAND, prints one line when it is ready and one JSON line with "seconds" for every line it reads.
Where the answers carry "nearest", they must agree. Printed are JSON lines as the other figures print them.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys


def start(command):
    words = shlex.split(command)
    environment = dict(os.environ)
    while "=" in words[0]:
        name, value = words.pop(0).split("=", 1)
        environment[name] = value
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    return process, answer(process, command)


def answer(process, command):
    line = process.stdout.readline()
    if not line:
        sys.exit(f"alternate.py: {command} ended with status {process.wait()}")
    return json.loads(line)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--figure", required=True)
    arguments.add_argument("--unit", default="ms")
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("commands", nargs="+", metavar="NAME=COMMAND")
    options = arguments.parse_args()

    contenders = []
    for entry in options.commands:
        name, command = entry.split("=", 1)
        process, ready = start(command)
        contenders.append((name, command, process, ready.get("ready"), []))
    answers = set()
    for _ in range(options.rounds):
        for name, command, process, _, seconds in contenders:
            process.stdin.write("\n")
            process.stdin.flush()
            result = answer(process, command)
            seconds.append(result["seconds"])
            if "nearest" in result:
                answers.add(tuple(result["nearest"]))
    for name, command, process, ready, seconds in contenders:
        process.stdin.close()
        process.wait()
        runs = [round(1000 * value, 3) for value in seconds]
        line = {"figure": options.figure, "variant": name, "unit": options.unit, "median": statistics.median(runs), "runs": runs}
        print(json.dumps(line | ({"note": ready} if ready else {})), flush=True)
    if len(answers) > 1:
        sys.exit(f"alternate.py: the contenders disagree about the nearest: {sorted(answers)}")


if __name__ == "__main__":
    main()
