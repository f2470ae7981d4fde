"""Describes the machine, and assigns its cores."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers import installed


@dataclass
class Cores:
    """The cores of the proxy, of the load (engine, agents, this script), and of a proxy with two event loops."""

    proxy: set[int]
    load: set[int]
    both: set[int]
    rich: bool

    @property
    def text(self) -> str:
        if self.proxy == self.load:
            return "one core for everything: the figures mean little"

        def show(cores: set[int]) -> str:
            return ", ".join(map(str, sorted(cores)))

        return f"proxy on core {show(self.proxy)}, engine and agents on {show(self.load)}"


def cores() -> Cores:
    """Assigns the last core to the proxy: interrupts and background work tend to use the first."""
    known = sorted(os.sched_getaffinity(0))
    if len(known) == 1:
        return Cores(set(known), set(known), set(known), False)
    if len(known) < 4:
        return Cores({known[-1]}, set(known[:-1]), set(known[-2:]), False)
    return Cores({known[-1]}, set(known[:-2]), set(known[-2:]), True)


def output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip()


def first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1].strip() if found else "unknown"


def description(root: Path) -> dict[str, Any]:
    """Returns what a reader must know to judge the figures."""
    processor = first(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    hypervisor = " (virtual)" if "hypervisor" in Path("/proc/cpuinfo").read_text() else ""
    memory = int(first(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())) / (1 << 20)
    versions = {"Swift": first(r"Swift version (\S+)", output("swift", "--version"))}
    for name, flag in (("nginx", "-v"), ("haproxy", "-v")):
        if path := installed(name):
            versions[name] = first(r"(?:nginx/|version )(\d[\w.]*)", output(path, flag))
    return {
        "processor": f"{processor}, {os.cpu_count()} cores{hypervisor}",
        "memory": f"{memory:.0f} GiB",
        "kernel": f"{platform.system()} {first(r'([0-9.]*[0-9])', platform.release())}",
        "versions": versions,
        "commit": output("git", "-C", str(root), "describe", "--always", "--dirty"),
    }
