"""The trace outlives the proxy: restarts, torn tails, and kill -9 at the very moment the agent sees the end."""

import json
import socket
from pathlib import Path

import httpx
import pytest

from harness import GREETING, SECONDS, ask, chat, post, read_trace, verbatim


def turns(path):
    return [record["turn"] for record in read_trace(path)]


def test_numbering_goes_on_after_a_restart(engine, start_proxy):
    for restart in range(3):
        proxy = start_proxy(engine.origin)
        with proxy.client() as client:
            ask(client, GREETING)
            list(ask(client, GREETING, stream=True))
        assert proxy.stop() == 0
        assert sorted(turns(proxy.trace)) == list(range(1, 2 * restart + 3))
    assert verbatim("trace", "check", proxy.trace).returncode == 0


@pytest.mark.parametrize("tail", [b'{"turn": 2, "request": {"mess', b"\x00\xff garbage"])
def test_torn_tail_is_set_aside(engine, start_proxy, tail):
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
def test_killed_when_the_agent_sees_the_end(engine, start_proxy, tmp_path, stream):
    """Twenty proxies die without warning the instant the end arrives; not one finished turn is lost."""
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


def read_to_the_end_then(act, proxy, body):
    """A client without any buffering of its own, which acts on the byte that tells it that the reply is over."""
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


def is_over(reply):
    head, separator, body = reply.partition(b"\r\n\r\n")
    if b"text/event-stream" in head:
        return b"data: [DONE]" in body
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(separator) and len(body) == int(lengths[0])


def test_second_proxy_on_the_same_trace_is_refused(engine, proxy, agent):
    arguments = ["serve", "--upstream-url", engine.origin, "--trace", proxy.trace, "--port", 0]
    refused = verbatim(*arguments)

    assert refused.returncode == 73
    assert refused.stdout == ""
    assert str(proxy.trace) in refused.stderr
    ask(agent, GREETING)
    assert turns(proxy.trace) == [1]


def test_trace_is_private_and_its_folder_is_made(engine, start_proxy, tmp_path):
    proxy = start_proxy(engine.origin, trace=tmp_path / "new" / "run" / "trace.jsonl")
    with proxy.client() as client:
        ask(client, GREETING)
    assert proxy.trace.stat().st_mode & 0o777 == 0o600
    assert turns(proxy.trace) == [1]


def test_trace_on_disk_before_the_end(engine, start_proxy):
    proxy = start_proxy(engine.origin, "--trace-sync", "disk")
    with proxy.client() as client:
        for turn in (1, 3):
            ask(client, GREETING)
            assert len(turns(proxy.trace)) == turn
            list(ask(client, GREETING, stream=True))
            assert len(turns(proxy.trace)) == turn + 1


def test_full_disk_refuses_turns_and_nothing_else(engine, start_proxy):
    proxy = start_proxy(engine.origin, trace=Path("/dev/full"))
    for stream in (False, True, False):
        reply = post(proxy.url, chat(GREETING, stream=stream))
        assert reply.status_code == 503
        assert reply.json()["error"]["message"]
    assert httpx.get(f"{proxy.url}/models").status_code == 200
    assert httpx.get(f"{proxy.origin}/healthz").status_code == 200
