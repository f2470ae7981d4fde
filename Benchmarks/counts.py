"""Counts instructions with callgrind and compares them with thresholds.tsv; scripts/bench-core runs it."""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

THRESHOLDS = Path(__file__).with_name("thresholds.tsv")

# The share by which a count may exceed its threshold.
TOLERANCE = 0.03

# A large case must not cost more per event, or per byte, than a small one of its kind. The factor leaves room for
# arrays that double as they grow, and for a table that a larger case fills.
GROWTH = [
    ("stream/4096 tokens", "stream/512 tokens", "event", 1.1),
    ("stream/32768 tokens", "stream/512 tokens", "event", 1.1),
    ("reply/4 MB", "reply/1 MB", "byte", 1.1),
    ("reply/16 MB", "reply/1 MB", "byte", 1.1),
    ("request/4 MB with images", "request/64 KB with tools", "byte", 1.1),
    ("stream/512 tokens in 100-byte pieces", "stream/512 tokens", "event", 1.5),
]

# Nothing of the caller's environment, and the same functions of libc on every processor.
ENVIRONMENT = {
    "SWIFT_DETERMINISTIC_HASHING": "1",
    "SWIFT_BACKTRACE": "enable=no",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-ERMS,-FSRM:glibc.cpu.x86_non_temporal_threshold=0x40000000",
} | {name: os.environ[name] for name in ["LD_LIBRARY_PATH"] if name in os.environ}


# The functions that allocate memory.
ALLOCATORS = {"malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign"}


class Case(NamedTuple):
    name: str
    bytes: int
    events: int
    repetitions: int


class Count(NamedTuple):
    """The cost of one operation."""

    instructions: float
    allocations: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench-core", description="Counts the instructions of the core.")
    parser.add_argument("--tool", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--update", action="store_true", help="write what was counted into the thresholds")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="a case's name or the start of it")
    options = parser.parse_args()

    known = cases(options.tool)
    chosen = [case for case in known if not options.cases or any(case.name.startswith(c) for c in options.cases)]
    if not chosen:
        print("error: no such case; there are:", *(case.name for case in known), sep="\n  ", file=sys.stderr)
        return 64
    # Long cases first, so that no core is idle at the end.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        order = sorted(chosen, key=lambda case: -case.bytes * case.repetitions)
        counted = pool.map(lambda case: count(options.tool, case), order)
        counts = {case.name: cost for case, cost in zip(order, counted, strict=True)}

    machine, thresholds = read_thresholds()
    here = f"{platform.machine()}, {compiler()}"
    if options.update:
        kept = {name: n for name, n in thresholds.items() if machine == here and name in {case.name for case in known}}
        write_thresholds(here, kept | {name: round(n.instructions) for name, n in counts.items()})
        machine, thresholds = read_thresholds()
    failures = report(chosen, counts, thresholds)
    failures += growth({case.name: case for case in chosen}, counts)
    if failures and machine != here:
        print(f"\nThe thresholds were counted on {machine}, this is {here}: the difference may come from the compiler.")
    print("\nfailed: " + "; ".join(failures) if failures else "\nno case is above its threshold")
    return 1 if failures else 0


def cases(tool: str) -> list[Case]:
    lines = subprocess.run([tool], check=True, capture_output=True, text=True).stdout.splitlines()
    fields = [line.split("\t") for line in lines]
    return [Case(name, *map(int, numbers)) for name, *numbers in fields]


def count(tool: str, case: Case) -> Count:
    """The cost of doing the case once, without its preparation."""
    with tempfile.TemporaryDirectory() as folder:
        some = collect(tool, case.name, case.repetitions, f"{folder}/some")
        none = collect(tool, case.name, 0, f"{folder}/none")
    return Count(*((one - other) / case.repetitions for one, other in zip(some, none, strict=True)))


def collect(tool: str, name: str, times: int, profile: str) -> tuple[int, int]:
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", tool, name, str(times)]
    result = subprocess.run(command, env=ENVIRONMENT | {"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"error: {name} failed under valgrind:\n{result.stderr}")
    return read_profile(Path(profile))


def read_profile(profile: Path) -> tuple[int, int]:
    """Returns the instructions and the number of calls of allocators."""
    names: dict[str, str] = {}
    callee, instructions, allocations = "", 0, 0
    with profile.open() as lines:
        for line in lines:
            # A function's name follows the first occurrence of its number.
            if found := re.match(r"c?fn=\((\d+)\)(?: (.*))?", line):
                number, name = found.groups()
                callee = names.setdefault(number, name or "")
            elif line.startswith("calls=") and callee in ALLOCATORS:
                allocations += int(line[6:].split()[0])
            elif line.startswith("totals:"):
                instructions = int(line[7:])
    return instructions, allocations


def compiler() -> str:
    version = subprocess.run(["swift", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"Swift version \S+", version)
    return found[0] if found else "unknown compiler"


def read_thresholds() -> tuple[str, dict[str, int]]:
    if not THRESHOLDS.exists():
        return "", {}
    first, *lines = THRESHOLDS.read_text().splitlines()
    fields = [line.split("\t") for line in lines]
    return first.removeprefix("# "), {name: int(number) for name, number in fields}


def write_thresholds(machine: str, thresholds: dict[str, int]) -> None:
    lines = [f"# {machine}"] + [f"{name}\t{number}" for name, number in sorted(thresholds.items())]
    THRESHOLDS.write_text("\n".join(lines) + "\n")


def report(chosen: list[Case], counts: dict[str, Count], thresholds: dict[str, int]) -> list[str]:
    failures = []
    width = max(len(case.name) for case in chosen)
    columns = f"{'threshold':>15} {'instructions':>15} {'change':>8} {'a byte':>8} {'an event':>9} {'allocations':>12}"
    print(f"\n{'one operation':<{width}} {columns}")
    for case in chosen:
        counted, threshold = counts[case.name].instructions, thresholds.get(case.name)
        change = counted / threshold - 1 if threshold else None
        if change is None:
            verdict = "  no threshold; run with --update"
        elif change > TOLERANCE:
            verdict = "  TOO DEAR"
        else:
            verdict = "  cheaper: run with --update" if change < -TOLERANCE else ""
        if change is None or change > TOLERANCE:
            failures.append(case.name)
        changed = "" if change is None else f"{change:+.1%}"
        event = f"{counted / case.events:9,.0f}" if case.events else " " * 9
        print(
            f"{case.name:<{width}} {threshold or 0:15,} {counted:15,.0f} {changed:>8}"
            f" {counted / case.bytes:8.2f} {event} {counts[case.name].allocations:12,.1f}{verdict}"
        )
    return failures


def growth(chosen: dict[str, Case], counts: dict[str, Count]) -> list[str]:
    failures = []
    for name, smaller, unit, factor in GROWTH:
        if name not in chosen or smaller not in chosen:
            continue

        one, other = (
            counts[case.name].instructions / (case.events if unit == "event" else case.bytes)
            for case in (chosen[name], chosen[smaller])
        )
        ratio = one / other
        verdict = "" if ratio <= factor else "  GROWS"
        print(f"per {unit}: {name} ÷ {smaller} = {ratio:.2f}, at most {factor}{verdict}")
        if verdict:
            failures.append(name)
    return failures


if __name__ == "__main__":
    sys.exit(main())
