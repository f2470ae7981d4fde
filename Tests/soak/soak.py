"""The phases of a soak test; run it with scripts/soak."""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from processes import Sampler, Server, Usage
from scales import SCALES, Scale
from verdict import compare

# Limits of the growth of resident memory, in KiB. The first allows for memory that the allocator keeps after the peak;
# the second, from one half of the load to the other, reveals a leak.
GROWTH_SINCE_START = 160 << 10
GROWTH_IN_SECOND_HALF = 32 << 10
# Bytes for an idle stream: two sockets with their handlers, a request, the data captured so far.
LARGEST_STREAM = 64 << 10


@dataclass
class Client:
    """A running `verbatim-load client`."""

    name: str
    log: Path
    process: subprocess.Popen[str]


class Soak:
    """One soak test: its processes, the turns of its agents, and the failures found."""

    def __init__(self, scale: Scale, agents: int, seed: int, binaries: Path, folder: Path) -> None:
        self.scale, self.agents, self.seed = scale, agents, seed
        self.verbatim, self.tool = binaries / "verbatim", binaries / "verbatim-load"
        self.folder = folder
        self.trace = folder / "trace.jsonl"
        self.failures: list[str] = []
        self.turns: list[dict[str, Any]] = []
        self.phase = 0

    def check(self, holds: bool, failure: str) -> None:
        if not holds:
            self.failures.append(failure)

    def say(self, name: str, text: str) -> None:
        print(f"{name:<22}{text}", flush=True)

    # Agents

    def client(self, name: str, port: int | None = None, **options: object) -> Client:
        """Starts agents; options become flags of `verbatim-load client`."""
        self.phase += 1
        log = self.folder / f"{self.phase}-{name}.jsonl"
        defaults = {
            "port": port or self.proxy.port,
            "agents": self.agents,
            "name": name.replace(" ", "-"),
            "seed": self.seed + self.phase,
            "first_id": self.phase * 200_000_000,
            "log": log,
            "ramp": 1,
            "turn_limit": 90,
        }
        flags = [f"--{key.replace('_', '-')}={value}" for key, value in (defaults | options).items()]
        errors = (self.folder / f"{self.phase}-{name}.txt").open("w")
        command: list[str | Path] = [self.tool, "client", *flags]
        return Client(name, log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True))

    def finish(self, client: Client, counts: bool = True, is_stopped: bool = False) -> dict[str, Any]:
        """Waits for agents and returns their report.

        `counts` is false for agents without a proxy, whose turns are not in the trace. `is_stopped` is true if the
        proxy stops during the turns, and may refuse some.
        """
        name = client.name
        output, _ = client.process.communicate(timeout=900)
        self.check(
            client.process.returncode == 0, f"{name}: agents received something that the engine did not send, or failed"
        )
        report = json.loads(output)
        for mismatch in report["mismatches"]:
            self.check(False, f"{name}: {mismatch}")
        for end in ("hung", "mismatch") if is_stopped else ("refused", "hung", "mismatch"):
            self.check(report["turns"][end] == 0, f"{name}: {report['turns'][end]} turns {end}")
        if counts:
            self.turns += (
                json.loads(line) | {"is_stopped": is_stopped} for line in client.log.read_text().splitlines()
            )
        turns = ", ".join(f"{count} {end}" for end, count in report["turns"].items() if count)
        megabytes = report["bytes"] / 1e6
        self.say(name, f"{turns}; {report['events']} events, {megabytes:.0f} MB in {report['seconds']:.0f} s")
        return report

    def delays(self, report: dict[str, Any]) -> None:
        for name, key in (
            ("added delay", "delay_us"),
            ("/healthz", "health_us"),
            ("the machine's own", "lateness_us"),
            ("first event", "first_event_us"),
        ):
            if times := report[key]:
                values = "  ".join(
                    f"{label} {times[share] / 1000:.2f}"
                    for label, share in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999"), ("max", "max"))
                )
                if times["count"]:
                    self.say(f"  {name}", f"{values} ms")

    # Phases

    def run(self) -> None:
        self.engine = Server([self.tool, "engine"], self.folder / "engine.txt")
        try:
            self.run_with_engine()
        finally:
            self.engine.kill()

    def run_with_engine(self) -> None:
        if seconds := self.scale.direct:
            report = self.finish(
                self.client("direct", port=self.engine.port, seconds=seconds, asking=100, **self.paced), counts=False
            )
            self.delays(report)
            self.direct_requests = sum(report["turns"].values())
        else:
            self.direct_requests = 0
        self.proxy = Server(
            [
                self.verbatim,
                "serve",
                "--port=0",
                f"--upstream-url=http://127.0.0.1:{self.engine.port}",
                f"--trace={self.trace}",
                f"--idle-timeout={self.scale.idle_timeout}",
                f"--shutdown-grace={self.scale.grace}",
                "--log-level=warning",
            ],
            self.folder / "proxy.txt",
        )
        try:
            self.usage = Usage(self.proxy.process.pid)
            if not self.usage.is_known:
                print("there is no /proc: memory and file descriptors are not checked")
            self.load()
            self.drain()
        finally:
            self.proxy.kill()
        self.read_trace()

    @property
    def is_timed(self) -> bool:
        """True if the load lasts long enough for figures of time and memory."""
        return self.scale.half > 0

    @property
    def paced(self) -> dict[str, int]:
        return {"min_events": 20, "max_events": 60, "interval": 100}

    hostile: ClassVar = {"pauses": 10, "leaves": 30, "faults": 5, "unary": 10}

    def load(self) -> None:
        start = {"descriptors": self.usage.descriptors()} if self.usage.is_known else {}
        self.finish(self.client("first turn", agents=1, turns=1, min_events=5))
        start = self.settle("after a first turn", start)
        if not self.is_timed:
            faulty = self.hostile | {"faults": 20}
            self.finish(self.client("mixed", turns=2, min_events=5, max_events=20, interval=50, **faulty))
            self.settle("after the load", start)
            return
        if self.usage.is_known:
            self.idle_streams(start)
            start = self.settle("after idle streams", start) | {"rss": start["rss"]}
        with Sampler(self.usage) as sampler:
            report = self.finish(self.client("patient", seconds=self.scale.patient, probes=4, **self.paced))
        self.delays(report)
        self.say("  processor", f"{sampler.cores:.2f} cores used, {sampler.waiting:.2f} waited for")
        rests = []
        for half in ("first half", "second half"):
            with Sampler(self.usage) as sampler:
                report = self.finish(self.client(half, seconds=self.scale.half, probes=4, **self.paced, **self.hostile))
            self.delays(report)
            self.say("  processor", f"{sampler.cores:.2f} cores used, {sampler.waiting:.2f} waited for")
            self.say(
                "  largest",
                f"{sampler.largest('rss') / 1024:.0f} MiB, {sampler.largest('descriptors')} file "
                f"descriptors, {sampler.largest('threads')} threads",
            )
            rests.append(self.settle(f"after the {half}", start))
        if self.usage.is_known:
            growth = rests[1]["rss"] - rests[0]["rss"]
            self.check(growth < GROWTH_IN_SECOND_HALF, f"memory grew by {growth} KiB in the second half")
            growth = rests[1]["rss"] - start["rss"]
            self.check(growth < GROWTH_SINCE_START, f"memory grew by {growth} KiB since the start")

    def settle(self, name: str, start: dict[str, int]) -> dict[str, int]:
        """Waits until unused connections are closed, and returns the usage of the proxy then."""
        if not self.usage.is_known:
            return {}
        wanted = start["descriptors"]
        count = self.usage.wait_for_descriptors(lambda count: count <= wanted, limit=30)
        self.check(count <= wanted, f"{name}: {count} file descriptors; {wanted} at the start")
        rest = self.usage.status() | {"descriptors": self.usage.descriptors()}
        memory = rest["rss"] / 1024
        self.say(name, f"{memory:.1f} MiB, {rest['descriptors']} file descriptors, {rest['threads']} threads")
        return rest

    def idle_streams(self, start: dict[str, int]) -> None:
        """Measures the memory of an open stream that waits for its next event."""
        client = self.client("idle streams", turns=1, min_events=3, interval=4000)
        wanted = start["descriptors"] + 2 * self.agents
        count = self.usage.wait_for_descriptors(lambda count: count >= wanted, limit=10)
        self.check(count >= wanted, f"idle streams: {count} file descriptors; expected {wanted}")
        time.sleep(1)
        status = self.usage.status()
        stream = (status["rss"] - start["rss"]) * 1024 / self.agents
        self.finish(client)
        self.say("  each", f"{stream / 1024:.1f} KiB of {status['rss'] / 1024:.1f} MiB, {status['threads']} threads")
        self.check(stream < LARGEST_STREAM, f"an idle stream takes {stream:.0f} bytes")

    def drain(self) -> None:
        """Sends SIGTERM during streams. Those that end within the grace period end normally; the others are cut."""
        shortest, longest = self.scale.drain_events
        streams = self.scale.drain
        before = self.usage.descriptors() if self.usage.is_known else 0
        client = self.client(
            "drain",
            agents=streams,
            turns=1,
            min_events=shortest,
            max_events=longest,
            interval=self.scale.drain_interval,
            ramp=0.1,
        )
        if self.usage.is_known:
            wanted = before + 2 * streams
            count = self.usage.wait_for_descriptors(lambda count: count >= wanted, limit=3)
            self.say("  streams", f"{(count - before) // 2} open at SIGTERM")
        else:
            time.sleep(1)
        began = time.monotonic()
        self.proxy.process.terminate()
        self.check(self.is_refused(limit=10), "drain: connections are still accepted 10 s after SIGTERM")
        self.say("  refused", f"from {time.monotonic() - began:.2f} s on")
        report = self.finish(client, is_stopped=True)
        code, _ = self.proxy.wait(limit=30)
        self.say("  stopped", f"after {time.monotonic() - began:.1f} s with exit code {code}")
        self.check(code == 0, f"drain: exit code {code}")
        ends = report["turns"]
        if self.is_timed:
            self.check(ends["whole"] > 0 and ends["cut"] > 0, f"drain: {ends}")
        log = (self.folder / "proxy.txt").read_text()
        self.check("lost" not in log, f"drain: {log[-300:]}")

    def is_refused(self, limit: float) -> bool:
        """Waits at most `limit` seconds until connections are refused; returns whether they are."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            with socket.socket() as late:
                if late.connect_ex(("127.0.0.1", self.proxy.port)) != 0:
                    return True
            time.sleep(0.05)
        return False

    def read_trace(self) -> None:
        verdict = compare(self.trace, self.turns)
        self.failures += verdict.failures[:50]
        if len(verdict.failures) > 50:
            self.failures.append(f"… and {len(verdict.failures) - 50} more in the trace")
        records = sum(verdict.outcomes.values())
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in verdict.outcomes.most_common())
        self.say(
            "trace",
            f"{records} records of {len(self.turns)} requests, {verdict.tokens} tokens, "
            f"{self.trace.stat().st_size / 1e6:.0f} MB",
        )
        self.say("  outcomes", outcomes)
        checked = subprocess.run([self.verbatim, "trace", "check", self.trace], capture_output=True, text=True)
        self.check(checked.returncode == 0, f"trace check: {checked.stdout[-500:]}")
        _, output = self.engine.stop(limit=10)
        counters = json.loads(output)
        # The proxy repeats a request once if the engine resets the connection before the first byte of its reply.
        repeated = counters["requests"] - self.direct_requests - records
        resets = sum(turn["fault"] == "reset_at" for turn in self.turns)
        # The engine does not count a request that it had not read when the proxy stopped.
        unread = sum(turn["is_stopped"] and turn["status"] != 200 for turn in self.turns)
        self.say(
            "engine",
            f"{counters['requests'] - self.direct_requests} requests, {max(0, repeated)} of them repeated; "
            f"{counters['events']} events",
        )
        self.check(-unread <= repeated <= resets, f"engine: {repeated} more requests than records")
        self.check(counters["unknown"] == 0, f"engine: {counters}")
        over = counters["completed"] + counters["broken"] + counters["left"]
        self.check(over == counters["requests"], f"engine: a reply has not ended: {counters}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/soak")
    for name in ("quick", "long", "ci"):
        parser.add_argument(f"--{name}", dest="scale", action="store_const", const=name, default="normal")
    parser.add_argument("--agents", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the trace and the logs, which are removed otherwise")
    parser.add_argument("--binaries", type=Path, required=True)
    arguments = parser.parse_args()
    scale = SCALES[arguments.scale]
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    soak = Soak(scale, arguments.agents or scale.agents, arguments.seed, arguments.binaries, folder)
    try:
        soak.run()
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)
    for failure in soak.failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    result = f"{len(soak.failures)} failures" if soak.failures else "all checks hold"
    print(f"{result} ({time.monotonic() - began:.0f} s)")
    sys.exit(bool(soak.failures))


main()
