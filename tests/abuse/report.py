#!/usr/bin/env python3
"""All attacks at full size, and those of slowhttptest itself: a Markdown table.

    tests/abuse/run.sh [--only TEXT] [--size N] [--seconds S]

Each attack has a server of its own, with a bystander that fetches pages beside it. `--size` bounds the
connections (10,000, or what the descriptors of a process allow), `--seconds` is how long slowhttptest
goes on in each mode (60). Exit code: 0 if the bystander got right bytes, was never refused, and memory
stayed below its bound in every attack; 1 otherwise. Times are for information.
"""
import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path
from shutil import which

sys.path.insert(0, str(Path(__file__).resolve().parent))
import attacks
import stage as stages
from stage import cairn

SPARE_DESCRIPTORS = 500


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="attacks whose name has this in it")
    parser.add_argument("--size", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--json", type=Path, help="a file for the results")
    return parser.parse_args()


def perform(attack, size, seconds):
    """The result; what fails on the way is one of its problems."""
    with stages.Stage(cairn.BIN, size, attack.options, attack.descriptors, attack.control,
                      seconds=seconds) as stage:
        return stage.run(attack)


def is_good(result):
    return not result.problems and result.wrong + result.refused == 0 and \
        result.peak_bytes <= result.bound_bytes


def mib(count):
    return f"{count / (1 << 20):.1f}"


def print_row(result):
    print(f"| {result.name} | {result.connections:,} | {result.requests:,} | "
          f"{mib(result.rest_bytes)} | {mib(result.peak_bytes)} | {mib(result.bound_bytes)} | "
          f"{result.answers:,} | {result.wrong} | {result.refused} | {result.reopened} | "
          f"{result.p99_ms:.1f} | {'yes' if is_good(result) else 'NO'} |", flush=True)
    for problem in result.problems:
        print(f"{result.name}: {problem}", file=sys.stderr, flush=True)


def main():
    settings = arguments()
    most = min(settings.size, stages.raise_descriptors() - SPARE_DESCRIPTORS)
    chosen = list(attacks.ATTACKS)
    if which("slowhttptest"):
        chosen += attacks.SLOWHTTPTEST
    else:
        print("slowhttptest is not installed (Debian package of that name): left out",
              file=sys.stderr)
    print("| attack | connections | requests | MiB at rest | MiB at most | bound | bystander's answers "
          "| wrong | refused | reopened | p99 ms | holds |\n" + "|---" * 12 + "|", flush=True)
    results = []
    for attack in chosen:
        if settings.only in attack.name:
            size = min(attack.full_size, most)
            try:
                result = perform(attack, size, settings.seconds)
            except AssertionError as problem:
                result = stages.Result(attack.name, problems=[str(problem)])
            results.append(result)
            print_row(result)
    if settings.json is not None:
        settings.json.write_text(json.dumps([dataclasses.asdict(each) for each in results],
                                            indent=1) + "\n")
    print(f"\n{os.cpu_count()} processors; {sum(map(is_good, results))} of {len(results)} attacks hold")
    return 0 if results and all(map(is_good, results)) else 1


if __name__ == "__main__":
    sys.exit(main())
