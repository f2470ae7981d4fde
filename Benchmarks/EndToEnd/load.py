"""Runs engine and agents, and the rounds of a workload."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from figures import Results, of_run
from machine import Cores
from peers import Kind, Proxy, pinned
from processes import Server
from workloads import Case, Workload

# A turn with any other end fails the benchmark.
GOOD = ("whole",)


class Load:
    """Starts engines when they are needed, and agents. They run on the cores that the proxy does not use."""

    def __init__(self, tool: Path, folder: Path, cores: Cores) -> None:
        self.tool, self.folder, self.cores = tool, folder, cores
        self.engines: dict[tuple[int, int], Server] = {}
        self.failures: list[str] = []

    def engine(self, burst: int, threads: int = 1) -> int:
        """Returns the port of an engine that sends this many events in one write."""
        if (burst, threads) not in self.engines:
            with pinned(self.cores.load):
                self.engines[burst, threads] = Server(
                    [self.tool, "engine", f"--burst={burst}", f"--threads={threads}", "--tick=100"],
                    self.folder / f"engine-{burst}-{threads}.txt",
                )
        return self.engines[burst, threads].port

    def stop(self) -> None:
        for engine in self.engines.values():
            engine.kill()

    def agents(self, name: str, port: int, flags: dict[str, Any]) -> dict[str, Any]:
        """Runs agents to their end and returns their report. Notes a failure for each turn that went wrong."""
        defaults = {
            "name": "".join(letter if letter.isalnum() else "-" for letter in name),
            "turn_limit": 100,
            "ramp": 0.02,
        }
        arguments = [
            f"--{key.replace('_', '-')}" if value is True else f"--{key.replace('_', '-')}={value}"
            for key, value in (defaults | flags).items()
        ]
        with pinned(self.cores.load):
            done = subprocess.run(
                [self.tool, "client", f"--port={port}", *arguments], capture_output=True, text=True, timeout=590
            )
        if not done.stdout:
            raise SystemExit(f"error: {name}: agents failed: {done.stderr[-1000:]}")
        report = json.loads(done.stdout)
        for mismatch in report["mismatches"][:3]:
            self.failures.append(f"{name}: {mismatch}")
        for end, count in report["turns"].items():
            if count and end not in GOOD:
                self.failures.append(f"{name}: {count} turns {end}")
        return report


class Rounds:
    """Runs the rounds of a workload. A round runs all cases one after the other."""

    def __init__(self, load: Load, kinds: dict[str, Kind], cores: Cores) -> None:
        self.load, self.kinds, self.cores = load, kinds, cores

    def run(self, workload: Workload, rounds: int, seconds: float, is_quick: bool) -> Results:
        cases = [case for case in workload.cases if case.proxy == "direct" or case.proxy in self.kinds]
        results = Results(workload, cases)
        self.flags = workload.flags | (workload.quick if is_quick else {})
        if self.flags.get("turns") != 1:
            self.flags["seconds"] = seconds
        engine = self.load.engine(workload.burst, workload.threads)
        proxies = {}
        try:
            for case in cases:
                if case.proxy != "direct" and case.proxy not in proxies:
                    cores = self.cores.both if case.proxy == "two loops" else self.cores.proxy
                    proxies[case.proxy] = Proxy(self.kinds[case.proxy], engine, self.load.folder, cores)
            for case in cases:
                self.measure(workload, case, engine, proxies.get(case.proxy), self.warm_up)
            for _ in range(max(1, round(rounds * workload.rounds))):
                for case in cases:
                    results.note(case, self.measure(workload, case, engine, proxies.get(case.proxy), {}))
        finally:
            for proxy in proxies.values():
                proxy.remove()
        return results

    @property
    def warm_up(self) -> dict[str, Any]:
        if "seconds" in self.flags:
            return {"seconds": min(0.3, self.flags["seconds"])}
        return {"interval": 0, "min_events": 16, "ramp": 0.1}

    def measure(
        self, workload: Workload, case: Case, engine: int, proxy: Proxy | None, more: dict[str, Any]
    ) -> dict[str, Any]:
        flags = self.flags | case.flags | more
        if workload.threads > 1:
            flags["threads"] = workload.threads
        if proxy and proxy.kind.changes_headers:
            flags["any_headers"] = True
        name = f"{workload.name}, {case.name}"
        start = proxy.processor() if proxy else None
        report = self.load.agents(name, proxy.port if proxy else engine, flags)
        ran = waited = None
        if proxy and start:
            ran, waited = (end - start for end, start in zip(proxy.processor(), start, strict=True))
        units = case.units or (flags["min_events"] if workload.unit == "event" else 1)
        figures = of_run(report, units, ran, waited)
        if proxy and proxy.kind.captures:
            records, complete, size = proxy.take_records()
            requests = sum(report["turns"].values())
            if not records == complete == requests:
                self.load.failures.append(f"{name}: {requests} requests, {records} records, {complete} complete")
            figures["trace_bytes"] = size
            figures["record_bytes"] = size / records if records else None
        return figures
