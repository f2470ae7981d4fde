"""The end-to-end benchmark, run by scripts/bench."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import machine
import table
from figures import Results
from footprint import Footprint
from load import Load, Rounds
from peers import floors, other, verbatims
from workloads import workloads

ROOT = Path(__file__).resolve().parents[2]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, about a minute and a half")
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="NAME='COMMAND LINE'",
        help="another proxy; {upstream} is the engine's URL, {port} the port to listen on",
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="WORKLOAD,…",
        help="run these workloads only; 'start' and 'memory' are workloads too",
    )
    parser.add_argument("--rounds", type=int, help="rounds of each workload (5, with --quick 2)")
    parser.add_argument("--seconds", type=float, help="length of an unpaced run (1.2, with --quick 0.5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure of every round to this file")
    parser.add_argument("--write-docs", action="store_true", help="replace the tables of docs/performance.md")
    parser.add_argument(
        "--folder", type=Path, help="folder for traces while they are needed (default: a temporary one)"
    )
    parser.add_argument("--binaries", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--static", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


class Bench:
    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.cores = machine.cores()
        binary = options.binaries / "verbatim"
        floor, missing = floors()
        others = [other(text) for text in options.against]
        for text in missing:
            print(text)
        kinds = floor + others + verbatims(binary)
        self.kinds = {kind.name: kind for kind in kinds}
        if len(self.kinds) < len(kinds):
            raise SystemExit(f"error: --against needs a name other than {', '.join(self.kinds)}")
        self.load = Load(options.binaries / "verbatim-load", folder, self.cores)
        self.names = [kind.name for kind in floor + others]
        self.workloads = workloads(floor, others, self.cores.rich)
        self.footprint = Footprint(self.load, self.kinds, self.cores, binary, options.static)
        self.rounds = options.rounds or (2 if options.quick else 5)
        self.seconds = options.seconds or (0.5 if options.quick else 1.2)
        self.only = set(filter(None, options.only.split(",")))
        unknown = self.only - {workload.name for workload in self.workloads} - {"start", "memory"}
        if unknown:
            known = ", ".join([workload.name for workload in self.workloads] + ["start", "memory"])
            raise SystemExit(f"error: unknown workload {', '.join(sorted(unknown))}; there are {known}")
        self.results: list[Results] = []

    def is_wanted(self, name: str, is_quick: bool) -> bool:
        return name in self.only if self.only else is_quick or not self.options.quick

    def run(self) -> None:
        print(self.cores.text, flush=True)
        rounds = Rounds(self.load, self.kinds, self.cores)
        try:
            for workload in self.workloads:
                if self.is_wanted(workload.name, workload.is_quick):
                    self.results.append(rounds.run(workload, self.rounds, self.seconds, self.options.quick))
                    print(table.block(self.results[-1]), flush=True)
            if self.is_wanted("start", True):
                self.footprint.measure_start([*self.names, "off", "on"], 3 if self.options.quick else 9)
            if self.is_wanted("memory", False):
                self.footprint.measure_memory()
        finally:
            self.load.stop()
        if rows := [list(row) for row in self.footprint.rows()]:
            print("\nfootprint")
            print("\n".join(table.grid([[name, text, wanted and f"wanted {wanted}"] for name, text, wanted in rows])))

    def write(self, is_good: bool) -> None:
        described = machine.description(ROOT)
        command = shlex.join(["scripts/bench", *given(sys.argv[1:])])
        date = time.strftime("%Y-%m-%d", time.gmtime())
        if self.options.json:
            self.options.json.write_text(
                json.dumps(
                    {
                        "machine": described | {"cores": self.cores.text},
                        "command": command,
                        "date": date,
                        "workloads": {results.workload.name: results.json() for results in self.results},
                        "footprint": self.footprint.json(),
                        "failures": self.load.failures,
                    },
                    indent=1,
                    ensure_ascii=False,
                ),
                encoding="utf-8",
            )
        if self.options.write_docs and is_good:
            text = table.document(described, self.cores, command, date, self.results, self.footprint)
            table.write_document(ROOT / "docs" / "performance.md", text)


def given(words: Iterable[str]) -> Iterator[str]:
    """Returns the user's arguments, without those that scripts/bench added and those that name files."""
    words = iter(words)
    for word in words:
        if word in ("--binaries", "--static", "--json", "--folder"):
            next(words, None)
        elif word != "--write-docs":
            yield word


def main() -> None:
    options = arguments()
    # Exit normally, so that all child processes are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=options.folder))
    bench = Bench(options, folder)
    try:
        bench.run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    failures = bench.load.failures
    bench.write(is_good=not failures)
    for failure in failures[:50]:
        print(f"FAILED: {failure}", file=sys.stderr)
    result = f"{len(failures)} failures" if failures else "every byte and every record is correct"
    print(f"\n{result} ({time.monotonic() - began:.0f} s)")
    sys.exit(bool(failures))


main()
