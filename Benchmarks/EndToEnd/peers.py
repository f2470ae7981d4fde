"""The proxies that are compared: none, nginx, HAProxy, Verbatim, and any other proxy."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from processes import Usage, family

NGINX = """\
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    client_max_body_size 64m;
    upstream engine {{ server 127.0.0.1:{engine}; keepalive 2048; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://engine;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_pass_header Server;
            proxy_pass_header Date;
            proxy_read_timeout 600s;
        }}
    }}
}}
"""

HAPROXY = """\
global
    nbthread 1
    maxconn 8000
defaults
    mode http
    timeout connect 10s
    timeout client 600s
    timeout server 600s
    option http-keep-alive
    option http-no-delay
    http-reuse always
frontend agents
    bind 127.0.0.1:{port} backlog 4096
    default_backend engine
backend engine
    server engine 127.0.0.1:{engine}
"""


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Processes that are started in this context run on these cores."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port: int) -> bool:
    """Returns whether a request reaches the engine and is answered."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            words = connection.makefile("rb").readline().split()
            return len(words) > 1 and words[0].startswith(b"HTTP/1") and int(words[1]) < 500
    except (OSError, ValueError):
        return False


@dataclass
class Kind:
    """A proxy that can be started: `command` takes {engine}, {upstream}, {port}, {folder} and {trace}."""

    name: str
    command: list
    configuration: str = ""
    changes_headers: bool = False
    captures: bool = False


class Proxy:
    """A running proxy that has forwarded its first reply."""

    def __init__(self, kind: Kind, engine: int, folder: Path, cores: set[int]) -> None:
        self.kind, self.port = kind, free_port()
        self.folder = folder / f"{kind.name.replace(' ', '-')}-{self.port}"
        self.folder.mkdir(parents=True)
        self.trace = self.folder / "trace.jsonl"
        places = {
            "engine": engine,
            "upstream": f"http://127.0.0.1:{engine}",
            "port": self.port,
            "folder": self.folder,
            "trace": self.trace,
        }
        (self.folder / "configuration").write_text(kind.configuration.format(**places) if kind.configuration else "")
        command = [replace(str(part), places) for part in kind.command]
        self.log = self.folder / "log.txt"
        with pinned(cores), self.log.open("w") as log:
            began = time.monotonic()
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        while not answers(self.port):
            if self.process.poll() is not None or time.monotonic() - began > 60:
                self.stop()
                raise SystemExit(f"error: {kind.name} did not start: {shlex.join(command)}\n{self.tail()}")
            time.sleep(0.0005)
        self.first_answer = time.monotonic() - began

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-1000:]

    def usages(self) -> list[Usage]:
        return [Usage(pid) for pid in family(self.process.pid)]

    def processor(self) -> tuple[float, float]:
        """Returns the seconds that it and its children ran, and the seconds that they were ready but waited."""
        times = [usage.processor() for usage in self.usages()]
        return sum(ran for ran, _ in times), sum(waited for _, waited in times)

    def memory(self) -> tuple[int, int]:
        """Returns resident memory and its peak, in bytes."""
        states = [usage.status() for usage in self.usages()]
        return sum(state["rss"] for state in states) * 1024, sum(state["peak"] for state in states) * 1024

    def forget_peak(self) -> None:
        for usage in self.usages():
            (usage.folder / "clear_refs").write_text("5")

    def take_records(self) -> tuple[int, int, int]:
        """Closes and removes the trace file. Returns its number of records, of complete records, and of bytes."""
        full = self.trace.with_suffix(".full")
        self.trace.rename(full)
        self.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 30
        while not self.trace.exists():
            if time.monotonic() > end:
                raise SystemExit(f"error: {self.kind.name} did not open a new trace after SIGHUP\n{self.tail()}")
            time.sleep(0.002)
        records = complete = 0
        with full.open("rb") as lines:
            for line in lines:
                records += 1
                complete += b'"capture":{"level":"tokens","complete":true' in line
        size = full.stat().st_size
        full.unlink()
        return records, complete, size

    def stop(self) -> None:
        """Stops it and the processes that it started, which are in its process group."""
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(15)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def replace(text: str, places: dict[str, object]) -> str:
    for name, value in places.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def installed(name: str) -> str | None:
    """Returns the path of a daemon. Distributions install daemons in folders that PATH may not contain."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")


def floors() -> tuple[list[Kind], list[str]]:
    """Returns the reverse proxies that are installed, and a message for each one that is not."""
    kinds, missing = [], []
    for name, configuration, arguments, package in (
        ("nginx", NGINX, ["-p", "{folder}", "-c", "{folder}/configuration"], "nginx-light"),
        ("haproxy", HAPROXY, ["-f", "{folder}/configuration"], "haproxy"),
    ):
        if path := installed(name):
            kinds.append(Kind(name, [path, *arguments], configuration))
        else:
            missing.append(f"{name} is not installed, so nothing is compared with it: apt-get install {package}")
    return kinds, missing


def verbatim(binary: Path, name: str, *flags: str, threads: int = 1, captures: bool = True) -> Kind:
    return Kind(
        name,
        [
            binary,
            "serve",
            "--upstream-url={upstream}",
            "--port={port}",
            "--trace={trace}",
            f"--threads={threads}",
            "--log-level=warning",
            *flags,
        ],
        captures=captures,
    )


def verbatims(binary: Path) -> list[Kind]:
    """The measured configurations of Verbatim, with one event loop unless the name says otherwise."""
    on = ("--capture=tokens", "--trace-detail=entries", "--trace-sync=write")
    return [
        verbatim(binary, "off", "--capture=off", captures=False),
        verbatim(binary, "on", *on),
        verbatim(binary, "disk", *on[:2], "--trace-sync=disk"),
        verbatim(binary, "full", "--capture=tokens", "--trace-detail=full", "--trace-sync=write"),
        verbatim(binary, "compact", "--capture=tokens", "--trace-detail=compact", "--trace-sync=write"),
        verbatim(binary, "two loops", *on, threads=2),
    ]


def other(text: str) -> Kind:
    """A proxy given as NAME=COMMAND LINE."""
    name, _, command = text.partition("=")
    if not name or "{port}" not in command or "{upstream}" not in command:
        raise SystemExit(f"error: --against {text}: expected NAME='command line with {{upstream}} and {{port}}'")
    return Kind(name, shlex.split(command), changes_headers=True)
