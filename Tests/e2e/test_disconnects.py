"""Disconnects and timeouts: the other side is closed at once, and the tokens until then are recorded."""

import json
import signal
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import openai
import pytest

from harness import GREETING, LONG, SECONDS, Engine, Proxy, StartProxy, ask, chat, eventually, post
from replies import assert_aligned, oracle

STOPS = 15  # seconds until the engine must have stopped; otherwise LONG takes a minute


@contextmanager
def stream(proxy: Proxy, **fields: Any) -> Iterator[Iterator[bytes]]:
    """Yields the pieces of a streamed reply as they arrive; closes the connection at the end of the context."""
    body = chat(GREETING, stream=True, **fields)
    with httpx.stream("POST", f"{proxy.url}/chat/completions", json=body, timeout=SECONDS) as reply:
        yield reply.iter_raw()


def read_events(pieces: Iterable[bytes], count: int = 10) -> bytes:
    """Reads until `count` events have arrived and returns their bytes."""
    text = b""
    for piece in pieces:
        text += piece
        if text.count(b"\n\n") >= count:
            return text
    raise AssertionError(f"the stream ended early: {text!r}")


def read_until_cut(pieces: Iterable[bytes]) -> bytes:
    """Reads until the connection is cut, and returns the bytes before that."""
    text = b""
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):  # noqa: PT012  (not a clean end)
        for piece in pieces:
            text += piece
    return text


def assert_tokens_kept(record: dict[str, Any], engine: Engine, outcome: str) -> None:
    assert record["outcome"] == outcome
    assert_aligned(record)
    assert not record["capture"]["complete"]
    expected = [id for id, _ in oracle(engine, chat(GREETING, ignore_eos=True, max_tokens=30))]
    count = min(len(expected), len(record["completion_token_ids"]))
    assert count > 0
    assert record["completion_token_ids"][:count] == expected[:count]
    assert record["finish_reason"] is None


def test_agent_leaves_a_stream(engine: Engine, proxy: Proxy, agent: openai.OpenAI) -> None:
    with stream(proxy, **LONG) as pieces:
        read_events(pieces)
    eventually(engine.idle, "the engine stops when the agent has gone", within=STOPS)

    record = eventually(proxy.records, "a record of the turn")[0]
    assert_tokens_kept(record, engine, "client_disconnected")
    assert len(record["completion_token_ids"]) < LONG["max_tokens"]
    assert ask(agent, GREETING).choices[0].finish_reason == "stop"
    assert [record["turn"] for record in proxy.records()] == [1, 2]


@pytest.mark.parametrize("resets", [False, True], ids=["close", "reset"])
def test_many_agents_leave_each_at_another_point(engine: Engine, proxy: Proxy, resets: bool) -> None:
    """Agents may disconnect at any point: the proxy continues and has one record of each turn."""
    agents = 60
    content = json.dumps(chat(GREETING, stream=True, ignore_eos=True, max_tokens=200)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: e2e\r\nContent-Length: {len(content)}\r\n\r\n"
    for number in range(agents):
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=SECONDS) as connection:
            connection.sendall(head.encode() + content)
            received = 0
            while received < number * 500:
                piece = connection.recv(500)
                assert piece, f"the reply ended early for agent {number}"
                received += len(piece)
            if resets:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert proxy.process.poll() is None, f"the proxy died of agent {number}: {proxy.stderr[-2000:]}"

    eventually(lambda: len(proxy.records()) == agents, "a record of every turn")
    assert {record["outcome"] for record in proxy.records()} <= {"client_disconnected", "completed"}
    assert sorted(record["turn"] for record in proxy.records()) == list(range(1, agents + 1))
    eventually(engine.idle, "the engine stops when the agents have gone", within=STOPS)
    assert post(proxy.url, chat(GREETING)).status_code == 200


def test_agent_leaves_before_the_head(own_engine: Engine, start_proxy: StartProxy) -> None:
    """The engine does not notice during a unary reply; the proxy has its record at once."""
    proxy = start_proxy(own_engine.origin)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{proxy.url}/chat/completions", json=chat(GREETING, **LONG), timeout=0.5)

    record = eventually(proxy.records, "a record of the turn", within=STOPS)[0]
    assert (record["outcome"], record["stream"]) == ("client_disconnected", False)
    assert record["completion_token_ids"] == []
    assert post(proxy.url, chat(GREETING)).status_code == 200


def test_engine_dies_in_mid_stream(engine: Engine, own_engine: Engine, start_proxy: StartProxy) -> None:
    proxy = start_proxy(own_engine.origin)
    with stream(proxy, **LONG) as pieces:
        read_events(pieces)
        own_engine.kill()
        rest = read_until_cut(pieces)

    assert b"[DONE]" not in rest
    assert_tokens_kept(proxy.record(), engine, "upstream_disconnected")
    assert post(proxy.url, chat(GREETING)).status_code == 502
    assert httpx.get(f"{proxy.origin}/healthz").status_code == 200
    assert [record["outcome"] for record in proxy.records()] == ["upstream_disconnected", "upstream_error"]


def test_timeout_in_mid_stream(engine: Engine, start_proxy: StartProxy) -> None:
    proxy = start_proxy(engine.origin, "--request-timeout", 1)
    with stream(proxy, **LONG) as pieces:
        read_until_cut(pieces)

    assert_tokens_kept(proxy.record(), engine, "timeout")
    eventually(engine.idle, "the engine stops when time is up", within=STOPS)


def test_timeout_before_the_head(own_engine: Engine, start_proxy: StartProxy) -> None:
    proxy = start_proxy(own_engine.origin, "--request-timeout", 1)
    reply = post(proxy.url, chat(GREETING, **LONG))

    assert reply.status_code == 504
    assert reply.json()["error"]["message"]
    record = proxy.record()
    assert (record["outcome"], record["status"]) == ("timeout", 504)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_shutdown_lets_a_turn_finish(engine: Engine, start_proxy: StartProxy, how: signal.Signals) -> None:
    proxy = start_proxy(engine.origin, "--shutdown-grace", SECONDS)
    with stream(proxy, ignore_eos=True, max_tokens=500) as pieces:
        text = read_events(pieces)
        proxy.process.send_signal(how)
        text += b"".join(pieces)

    assert text.endswith(b"data: [DONE]\n\n")
    assert proxy.process.wait(SECONDS) == 0
    record = proxy.record()
    assert (record["outcome"], record["finish_reason"]) == ("completed", "length")


def test_shutdown_cuts_a_turn_off_after_its_grace(engine: Engine, start_proxy: StartProxy) -> None:
    proxy = start_proxy(engine.origin, "--shutdown-grace", 1)
    with stream(proxy, **LONG) as pieces:
        read_events(pieces)
        proxy.process.send_signal(signal.SIGTERM)
        read_until_cut(pieces)

    assert proxy.process.wait(SECONDS) == 0
    assert_tokens_kept(proxy.record(), engine, "shutdown")
    eventually(engine.idle, "the engine stops with the proxy", within=STOPS)


def test_second_signal_exits_at_once(engine: Engine, start_proxy: StartProxy) -> None:
    proxy = start_proxy(engine.origin, "--shutdown-grace", 600)
    with stream(proxy, **LONG) as pieces:
        read_events(pieces)
        proxy.process.send_signal(signal.SIGTERM)
        eventually(lambda: not accepts(proxy), "the proxy stops accepting")
        proxy.process.send_signal(signal.SIGTERM)
        proxy.process.wait(5)
    eventually(engine.idle, "the engine stops with the proxy", within=STOPS)


def accepts(proxy: Proxy) -> bool:
    try:
        return httpx.get(f"{proxy.origin}/healthz").status_code == 200
    except httpx.TransportError:
        return False
