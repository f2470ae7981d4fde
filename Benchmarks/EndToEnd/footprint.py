"""Measures what a proxy needs besides CPU time: memory for streams, time to start, size on disk."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figures import spread
from load import Load
from machine import Cores
from peers import Kind, Proxy, verbatim

STREAMS, TOKENS, INTERVAL = 1000, 512, 70


def of_streams(load: Load, kind: Kind, cores: Cores, streams: int = STREAMS, tokens: int = TOKENS) -> dict[str, Any]:
    """Measures peak memory above idle memory with many paced streams, and the size of their records."""
    engine = load.engine(1)
    proxy = Proxy(kind, engine, load.folder, cores.proxy)
    try:
        name = f"memory, {kind.name}"
        flags = {"min_events": tokens, "turns": 1, "asking": 0, "prompt_bytes": 760}
        load.agents(name, proxy.port, flags | {"agents": 1})
        proxy.take_records()
        idle, _ = proxy.memory()
        proxy.forget_peak()
        load.agents(name, proxy.port, flags | {"agents": streams, "interval": INTERVAL, "ramp": 3})
        _, peak = proxy.memory()
        records, complete, size = proxy.take_records()
        if not records == complete == streams:
            load.failures.append(f"{name}: {streams} requests, {records} records, {complete} complete")
    finally:
        proxy.remove()
    return {
        "streams": streams,
        "tokens": tokens,
        "idle": idle,
        "peak": peak,
        "per_stream": (peak - idle) / streams,
        "trace_per_stream": size / streams,
        "ratio": (peak - idle) / size,
    }


def of_start(load: Load, kind: Kind, cores: Cores, times: int) -> dict[str, Any]:
    """Measures the seconds from the start of the process to the first reply through it, and memory a moment later."""
    engine = load.engine(1)
    seconds, resident = [], []
    for _ in range(times):
        proxy = Proxy(kind, engine, load.folder, cores.proxy)
        try:
            seconds.append(proxy.first_answer)
            time.sleep(0.2)
            resident.append(proxy.memory()[0])
        finally:
            proxy.remove()
    return {"seconds": seconds, "resident": resident}


def stripped(binary: Path, folder: Path) -> int:
    """Returns the size of a program without its symbols."""
    copy = folder / "stripped"
    shutil.copyfile(binary, copy)
    subprocess.run(["strip", copy], check=True)
    size = copy.stat().st_size
    copy.unlink()
    return size


class Footprint:
    """All measurements, in the order in which they are shown."""

    def __init__(self, load: Load, kinds: dict[str, Kind], cores: Cores, binary: Path, static: Path | None) -> None:
        self.load, self.kinds, self.cores = load, kinds, cores
        self.binary, self.static = binary, static
        self.start: dict[str, dict[str, Any]] = {}
        self.memory: dict[str, dict[str, Any]] = {}
        self.sizes: dict[str, int] = {}

    def measure_start(self, names: list[str], times: int) -> None:
        kinds = [self.kinds[name] for name in names if name in self.kinds]
        if self.static:
            kinds.append(verbatim(self.static, "on, static"))
        for kind in kinds:
            self.start[kind.name] = of_start(self.load, kind, self.cores, times)
        self.sizes["dynamic"] = stripped(self.binary, self.load.folder)
        if self.static:
            self.sizes["static"] = stripped(self.static, self.load.folder)

    def measure_memory(self) -> None:
        for title, name in (("entries", "on"), ("full", "full"), ("compact", "compact")):
            self.memory[title] = of_streams(self.load, self.kinds[name], self.cores)

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Yields name, figure and target."""
        for name, found in self.start.items():
            seconds, resident = spread(found["seconds"]), spread(found["resident"])
            isours = name == ("on, static" if self.static else "on")
            yield (
                f"start to first answer, {name}",
                f"{seconds.middle * 1e3:.0f} ms ({seconds.least * 1e3:.0f}–{seconds.most * 1e3:.0f})",
                "≤ 25 ms" if isours else "",
            )
            yield f"resident after start, {name}", f"{resident.middle / 1e6:.1f} MB", "≤ 15 MB" if isours else ""
        for name, size in self.sizes.items():
            yield f"stripped binary, {name}", f"{size / 1e6:.1f} MB", "≤ 16 MB" if name == "static" else ""
        for name, found in self.memory.items():
            title = f"{found['streams']} streams of {found['tokens']} tokens, {name}"
            each, record = found["per_stream"] / 1024, found["trace_per_stream"] / 1024
            yield f"{title}: memory over idle", f"{each:.0f} KiB a stream", "≤ 40 KB" if name == "compact" else ""
            yield f"{title}: record", f"{record:.0f} KiB a stream", ""
            yield f"{title}: memory ÷ record", f"{found['ratio']:.2f}", "≤ 1.2" if name == "full" else ""

    def json(self) -> dict[str, Any]:
        return {"start": self.start, "memory": self.memory, "sizes": self.sizes}
