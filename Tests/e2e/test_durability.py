"""Durability of the trace: restarts, torn tails, full disks, and kill -9 when the agent receives the end."""

import contextlib
import json
import os
import resource
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

import upstreams
from harness import GREETING, SECONDS, Engine, Proxy, StartProxy, ask, chat, eventually, post, read_trace, verbatim


def turns(path: Path) -> list[int]:
    return [record["turn"] for record in read_trace(path)]


def test_numbering_goes_on_after_a_restart(engine: Engine, start_proxy: StartProxy) -> None:
    for restart in range(3):
        proxy = start_proxy(engine.origin)
        with proxy.client() as client:
            ask(client, GREETING)
            list(ask(client, GREETING, stream=True))
        assert proxy.stop() == 0
        assert sorted(turns(proxy.trace)) == list(range(1, 2 * restart + 3))
    assert verbatim("trace", "check", proxy.trace).returncode == 0


@pytest.mark.parametrize("tail", [b'{"turn": 2, "request": {"mess', b"\x00\xff garbage"])
def test_torn_tail_is_set_aside(engine: Engine, start_proxy: StartProxy, tail: bytes) -> None:
    first = start_proxy(engine.origin)
    with first.client() as client:
        ask(client, GREETING)
    assert first.stop() == 0
    kept = first.trace.read_bytes()
    with first.trace.open("ab") as trace:
        trace.write(tail)
    assert verbatim("trace", "check", first.trace).returncode == 65

    second = start_proxy(engine.origin)
    with second.client() as client:
        ask(client, GREETING)
    assert second.stop() == 0
    assert second.trace.read_bytes().startswith(kept)
    assert turns(second.trace) == [1, 2]
    assert verbatim("trace", "check", second.trace).returncode == 0
    others = [path for path in second.trace.parent.glob("trace.jsonl*") if path != second.trace and path.is_file()]
    assert any(tail in path.read_bytes() for path in others), f"the torn tail is in none of {others}"


@pytest.mark.parametrize("stream", [True, False], ids=["at [DONE]", "at the last byte"])
def test_killed_when_the_agent_sees_the_end(
    engine: Engine, start_proxy: StartProxy, tmp_path: Path, stream: bool
) -> None:
    """Twenty proxies are killed the moment that the end arrives; no finished turn is lost."""
    for turn in range(1, 21):
        proxy = start_proxy(engine.origin)
        body = chat(f"{turn}: {GREETING}", stream=stream)
        read_to_the_end_then(proxy.process.kill, proxy, body)
        proxy.process.wait(SECONDS)

        last = read_trace(proxy.trace)[-1]
        assert last["turn"] == turn
        assert last["request"]["messages"] == body["messages"]
        assert (last["outcome"], last["finish_reason"]) == ("completed", "stop")
        assert last["completion_token_ids"]
    assert turns(tmp_path / "trace.jsonl") == list(range(1, 21))
    assert verbatim("trace", "check", tmp_path / "trace.jsonl").returncode == 0


def read_to_the_end_then(act: Callable[[], object], proxy: Proxy, body: dict[str, Any]) -> None:
    """Reads without buffering, and calls `act` as soon as the last byte of the reply has arrived."""
    content = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: e2e\r\nContent-Length: {len(content)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=SECONDS) as connection:
        connection.sendall(head.encode() + content)
        reply = b""
        while not is_over(reply):
            received = connection.recv(65536)
            assert received, f"the connection closed early: {reply!r}"
            reply += received
        act()


def is_over(reply: bytes) -> bool:
    head, separator, body = reply.partition(b"\r\n\r\n")
    if b"text/event-stream" in head:
        return b"data: [DONE]" in body
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(separator) and len(body) == int(lengths[0])


def test_second_proxy_on_the_same_trace_is_refused(engine: Engine, proxy: Proxy, agent: openai.OpenAI) -> None:
    """The error names the owner of the trace, and the first proxy continues."""
    arguments = ["serve", "--upstream-url", engine.origin, "--trace", proxy.trace, "--port", 0]
    for turn in (1, 2):
        refused = verbatim(*arguments)

        assert refused.returncode == 73
        assert refused.stdout == ""
        assert f"error: another proxy (pid {proxy.process.pid}) writes to the trace '{proxy.trace}'" in refused.stderr
        ask(agent, GREETING)
        assert turns(proxy.trace) == list(range(1, turn + 1))


def test_trace_is_private_and_its_folder_is_made(engine: Engine, start_proxy: StartProxy, tmp_path: Path) -> None:
    proxy = start_proxy(engine.origin, trace=tmp_path / "new" / "run" / "trace.jsonl")
    with proxy.client() as client:
        ask(client, GREETING)
    assert proxy.trace.stat().st_mode & 0o777 == 0o600
    assert turns(proxy.trace) == [1]


def test_trace_on_disk_before_the_end(engine: Engine, start_proxy: StartProxy) -> None:
    proxy = start_proxy(engine.origin, "--trace-sync", "disk")
    with proxy.client() as client:
        for turn in (1, 3):
            ask(client, GREETING)
            assert len(turns(proxy.trace)) == turn
            list(ask(client, GREETING, stream=True))
            assert len(turns(proxy.trace)) == turn + 1


def test_full_device_refuses_turns_and_nothing_else(engine: Engine, start_proxy: StartProxy) -> None:
    proxy = start_proxy(engine.origin, trace=Path("/dev/full"))
    for stream in (False, True, False):
        assert_refused(proxy, stream)
    assert httpx.get(f"{proxy.url}/models").status_code == 200
    assert_unavailable(proxy, "No space left on device")


def test_file_size_limit(start_proxy: StartProxy) -> None:
    """`ulimit -f` does not end the process. A partial record is removed, and written when the limit is lifted."""
    with upstreams.echoing() as upstream:
        proxy = start_proxy(upstream)
        assert post(proxy.url, echo("first")).status_code == 200
        size = proxy.trace.stat().st_size
        resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (size + size // 2, resource.RLIM_INFINITY))

        assert_refused(proxy, stream=False, content="second")
        for stream in (False, True):
            assert_refused(proxy, stream)
        assert_unavailable(proxy, "File too large")
        assert proxy.trace.stat().st_size == size

        resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert_resumed(proxy, asked=["first", "second", "third"], late=["second"])


def test_full_disk(start_proxy: StartProxy, tmp_path: Path) -> None:
    """A disk fills up under load and is freed, twice: no line is ever incomplete, and no record is lost."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr.decode()}")
    try:
        with upstreams.echoing() as upstream:
            proxy = start_proxy(upstream, trace=disk / "trace.jsonl")
            for spare in (0, 40960):  # room for a few more records and part of another
                fill(disk / "filler")
                os.truncate(disk / "filler", (disk / "filler").stat().st_size - spare)
                refused = 0
                for number in range(40):
                    reply = post(proxy.url, echo(f"{number} " + "x" * 5000, stream=number % 2 == 1))
                    text = proxy.trace.read_text()
                    assert not text or text.endswith("\n")
                    assert all(json.loads(line)["turn"] for line in text.splitlines())
                    refused += reply.status_code == 503
                assert refused
                assert_unavailable(proxy, "No space left on device")
                (disk / "filler").unlink()
                eventually(lambda: health(proxy).status_code == 200, "the trace can be written again")
            assert post(proxy.url, echo("last")).status_code == 200
            assert proxy.stop() == 0
            assert proxy.stderr.count("captured routes respond with 503") == 2
            assert proxy.stderr.count("the trace can be written again") == 2
            checked = verbatim("trace", "check", proxy.trace)
            assert checked.returncode == 0, checked.stdout
            assert any("trace_write_failed" in record["capture"]["problems"] for record in proxy.records())
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def fill(path: Path) -> None:
    """Fills the disk to its last byte."""
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)


def echo(content: str, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": content}], **fields}


def health(proxy: Proxy) -> httpx.Response:
    return httpx.get(f"{proxy.origin}/healthz", timeout=SECONDS)


def assert_refused(proxy: Proxy, stream: bool, content: str = GREETING) -> None:
    reply = post(proxy.url, chat(content, stream=stream))
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "trace_unavailable"


def assert_unavailable(proxy: Proxy, reason: str) -> None:
    reply = health(proxy)
    assert (reply.status_code, reply.json()["status"]) == (503, "unavailable")
    assert reason in reply.json()["reason"]


def assert_resumed(proxy: Proxy, asked: list[str], late: list[str]) -> None:
    """The proxy recovers by itself; records that could not be written in time are written later and marked."""
    eventually(lambda: health(proxy).status_code == 200, "the trace can be written again")
    assert health(proxy).json() == {"status": "ok"}
    assert post(proxy.url, echo(asked[-1])).status_code == 200
    records = proxy.records()
    assert [record["request"]["messages"][0]["content"] for record in records] == asked
    assert [record["turn"] for record in records] == list(range(1, len(asked) + 1))
    for record, content in zip(records, asked, strict=True):
        is_late = content in late
        assert record["status"] == (503 if is_late else 200)
        assert ("trace_write_failed" in record["capture"]["problems"]) == is_late
    assert verbatim("trace", "check", proxy.trace).returncode == 0
