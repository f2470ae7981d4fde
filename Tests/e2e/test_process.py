"""The process: signals, limits, and a standard error that is not read."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

import upstreams
from harness import SECONDS, environment, eventually

REQUEST = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def start(upstream: str, trace: Path, **streams: Any) -> tuple[subprocess.Popen[bytes], str]:
    command = [os.environ["VERBATIM"], "serve", "--upstream-url", upstream, "--trace", str(trace), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(), **streams)
    return process, json.loads(process.stdout.readline())["url"]


def test_no_more_file_descriptors(tmp_path: Path) -> None:
    """The listener logs the shortage at a limited rate, waits, and accepts again once there are free descriptors."""
    log = tmp_path / "log"
    with upstreams.serve(upstreams.Answer()) as (upstream, _), log.open("wb") as errors:
        limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))}
        began = time.monotonic()
        process, url = start(upstream, tmp_path / "trace.jsonl", stderr=errors, **limit)
        try:
            eventually(lambda: "limit of open files is too low" in log.read_text(), "the proxy warns of the limit")
            address = ("127.0.0.1", int(url.rsplit(":", 1)[1].removesuffix("/v1")))
            connections = [socket.create_connection(address, timeout=SECONDS) for _ in range(100)]
            eventually(lambda: log.read_text().count("cannot accept connections") > 1, "the proxy says what it lacks")
            # It retries four times a second; without pauses it would not serve its open connections.
            times = re.findall(r"cannot accept connections.* times=(\d+)", log.read_text())
            assert sum(map(int, times)) <= (time.monotonic() - began) * 4 + 1
            for connection in connections:
                connection.close()
            health = url.removesuffix("/v1") + "/healthz"
            assert httpx.get(health, timeout=SECONDS).json() == {"status": "ok"}
            assert httpx.post(f"{url}/chat/completions", json=REQUEST, timeout=SECONDS).status_code == 200
            assert log.read_text().count("cannot accept connections") < 5
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0
        finally:
            process.kill()


def test_unread_standard_error_does_not_block(tmp_path: Path) -> None:
    """The pipe fills up after some hundred turns; the proxy continues and still stops on SIGTERM."""
    with upstreams.serve(upstreams.Answer()) as (upstream, _):
        process, url = start(upstream, tmp_path / "trace.jsonl", stderr=subprocess.PIPE)
        try:
            with httpx.Client(timeout=SECONDS) as client:
                for _ in range(800):
                    assert client.post(f"{url}/chat/completions", json=REQUEST).status_code == 200
                assert client.get(url.removesuffix("/v1") + "/healthz").json() == {"status": "ok"}
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0
        finally:
            process.kill()
    assert len((tmp_path / "trace.jsonl").read_text().splitlines()) == 800


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_right_after_the_ready_line(tmp_path: Path, signal_number: int) -> None:
    for attempt in range(10):
        process, _ = start("http://127.0.0.1:1", tmp_path / f"{attempt}.jsonl", stderr=subprocess.DEVNULL)
        process.send_signal(signal_number)
        assert process.wait(SECONDS) == 0
