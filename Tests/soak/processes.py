"""Processes of a soak test or benchmark, and their resource usage as Linux reports it."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path


class Server:
    """A process that prints its port as JSON in its first line of output."""

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self.log = log
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log.open("w"), text=True)
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            raise SystemExit(f"error: {command[0]} did not start: {log.read_text()[-500:]}")
        self.port: int = json.loads(line)["port"]

    def stop(self, limit: float) -> tuple[int | None, str]:
        """Sends SIGTERM and waits at most `limit` seconds. Returns as `wait` does."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(limit)

    def wait(self, limit: float) -> tuple[int | None, str]:
        """Waits for the end. Returns the exit code and the rest of the output, or None if the process was killed."""
        try:
            output, _ = self.process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return None, ""
        return self.process.returncode, output

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


class Usage:
    """Memory, file descriptors and threads of a process, from /proc."""

    def __init__(self, pid: int) -> None:
        self.folder = Path(f"/proc/{pid}")

    @property
    def is_known(self) -> bool:
        """False if the system has no /proc."""
        return self.folder.exists()

    def status(self) -> dict[str, int]:
        """Returns resident memory and its peak in KiB, and the number of threads."""
        lines = (self.folder / "status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        return {
            "rss": int(fields["VmRSS"].split()[0]),
            "peak": int(fields["VmHWM"].split()[0]),
            "threads": int(fields["Threads"]),
        }

    def descriptors(self) -> int:
        return len(list((self.folder / "fd").iterdir()))

    def processor(self) -> tuple[float, float]:
        """Returns the seconds that its threads ran, and the seconds that they waited for a core."""
        ran = waited = 0
        for task in (self.folder / "task").iterdir():
            try:
                numbers = (task / "schedstat").read_text().split()
            except OSError:
                continue
            ran += int(numbers[0])
            waited += int(numbers[1])
        return ran / 1e9, waited / 1e9

    def wait_for_descriptors(self, holds: Callable[[int], bool], limit: float) -> int:
        """Waits at most `limit` seconds until the number of file descriptors satisfies `holds`. Returns that number."""
        end = time.monotonic() + limit
        while not holds(count := self.descriptors()) and time.monotonic() < end:
            time.sleep(0.1)
        return count


def family(pid: int) -> list[int]:
    """Returns a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The process name, in parentheses, can contain spaces and parentheses.
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


class Sampler:
    """Samples the usage of a process every second while it is entered."""

    def __init__(self, usage: Usage) -> None:
        self.usage = usage
        self.samples: list[dict[str, int]] = []
        self.is_done = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> Sampler:
        self.start = self.usage.processor()
        self.began = time.monotonic()
        self.thread.start()
        return self

    def run(self) -> None:
        while not self.is_done.wait(1):
            try:
                self.samples.append(self.usage.status() | {"descriptors": self.usage.descriptors()})
            except (OSError, KeyError):
                return

    def __exit__(self, *_: object) -> None:
        self.is_done.set()
        self.thread.join()
        seconds = time.monotonic() - self.began
        ran, waited = (end - start for end, start in zip(self.usage.processor(), self.start, strict=True))
        self.cores, self.waiting = ran / seconds, waited / seconds

    def largest(self, name: str) -> int:
        return max((sample[name] for sample in self.samples), default=0)
