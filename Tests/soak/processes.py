"""The processes of a soak or benchmark, and what Linux tells of one of them."""

import json
import signal
import subprocess
import threading
import time
from pathlib import Path


class Server:
    """A process whose first line of output says where it listens."""

    def __init__(self, command, log):
        self.log = log
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log.open("w"), text=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"error: {command[0]} did not start: {log.read_text()[-500:]}")
        self.port = json.loads(line)["port"]

    def stop(self, limit):
        """Sends SIGTERM; answers the exit code and what was printed at the end."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(limit)

    def wait(self, limit):
        try:
            output, _ = self.process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return None, ""
        return self.process.returncode, output

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


class Usage:
    """Memory, file descriptors and threads of a process; empty where there is no /proc."""

    def __init__(self, pid):
        self.folder = Path(f"/proc/{pid}")

    @property
    def is_known(self):
        return self.folder.exists()

    def status(self):
        """Resident memory in KiB, its peak, and threads."""
        lines = (self.folder / "status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        return {
            "rss": int(fields["VmRSS"].split()[0]),
            "peak": int(fields["VmHWM"].split()[0]),
            "threads": int(fields["Threads"]),
        }

    def descriptors(self):
        return len(list((self.folder / "fd").iterdir()))

    def processor(self):
        """Seconds that its threads ran, and that they were ready and waited for a core."""
        ran = waited = 0
        for task in (self.folder / "task").iterdir():
            try:
                numbers = (task / "schedstat").read_text().split()
            except OSError:
                continue
            ran += int(numbers[0])
            waited += int(numbers[1])
        return ran / 1e9, waited / 1e9

    def wait_for_descriptors(self, holds, limit):
        """Waits until the number of file descriptors is as wanted; answers the last number."""
        end = time.monotonic() + limit
        while not holds(count := self.descriptors()) and time.monotonic() < end:
            time.sleep(0.1)
        return count


def family(pid):
    """A process and all that descend from it."""
    children = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The name, in parentheses, may hold anything.
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


class Sampler:
    """Looks at a process each second."""

    def __init__(self, usage):
        self.usage = usage
        self.samples = []
        self.is_done = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.start = self.usage.processor()
        self.began = time.monotonic()
        self.thread.start()
        return self

    def run(self):
        while not self.is_done.wait(1):
            try:
                self.samples.append(self.usage.status() | {"descriptors": self.usage.descriptors()})
            except (OSError, KeyError):
                return

    def __exit__(self, *_):
        self.is_done.set()
        self.thread.join()
        seconds = time.monotonic() - self.began
        ran, waited = (end - start for end, start in zip(self.usage.processor(), self.start))
        self.cores, self.waiting = ran / seconds, waited / seconds

    def largest(self, name):
        return max((sample[name] for sample in self.samples), default=0)
