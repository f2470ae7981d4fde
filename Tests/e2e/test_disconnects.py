"""One side goes away, or time runs out: the other side is told at once, and the tokens until then are kept."""

import signal

import httpx
import pytest

from harness import GREETING, LONG, SECONDS, ask, chat, eventually, post
from replies import assert_aligned, oracle


def open_stream(proxy, **fields):
    body = chat(GREETING, stream=True, **fields)
    return httpx.stream("POST", f"{proxy.url}/chat/completions", json=body, timeout=SECONDS)


def some_events(reply, count=10):
    """Reads until `count` events have arrived and returns their bytes."""
    text = b""
    for chunk in reply.iter_raw():
        text += chunk
        if text.count(b"\n\n") >= count:
            return text
    raise AssertionError(f"the stream ended early: {text!r}")


def read_on(reply):
    """Reads until the connection is cut, and returns what came until then."""
    text = b""
    with pytest.raises(httpx.RemoteProtocolError):  # and not a clean end
        for chunk in reply.iter_raw():
            text += chunk
    return text


def assert_tokens_kept(record, engine, outcome):
    assert record["outcome"] == outcome
    assert_aligned(record)
    assert not record["capture"]["complete"]
    expected = [id for id, _ in oracle(engine, chat(GREETING, ignore_eos=True, max_tokens=30))]
    count = min(len(expected), len(record["completion_token_ids"]))
    assert count > 0
    assert record["completion_token_ids"][:count] == expected[:count]
    assert record["finish_reason"] is None


def test_agent_leaves_a_stream(engine, proxy, agent):
    with open_stream(proxy, **LONG) as reply:
        some_events(reply)
    eventually(engine.idle, "the engine stops when the agent has gone", within=5)

    record = eventually(proxy.records, "a record of the turn")[0]
    assert_tokens_kept(record, engine, "client_disconnected")
    assert len(record["completion_token_ids"]) < LONG["max_tokens"]
    assert ask(agent, GREETING).choices[0].finish_reason == "stop"
    assert [record["turn"] for record in proxy.records()] == [1, 2]


def test_agent_leaves_before_the_head(engine, proxy, agent):
    """The engine itself does not notice while it works on a unary reply; the proxy has its record at once."""
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{proxy.url}/chat/completions", json=chat(GREETING, **(LONG | {"max_tokens": 3000})), timeout=0.3)

    record = eventually(proxy.records, "a record of the turn")[0]
    assert (record["outcome"], record["stream"]) == ("client_disconnected", False)
    assert record["completion_token_ids"] == []
    assert ask(agent, GREETING).choices[0].finish_reason == "stop"
    eventually(engine.idle, "the engine is done with it")


def test_engine_dies_in_mid_stream(engine, own_engine, start_proxy):
    proxy = start_proxy(own_engine.origin)
    with open_stream(proxy, **LONG) as reply:
        some_events(reply)
        own_engine.kill()
        rest = read_on(reply)

    assert b"[DONE]" not in rest
    assert_tokens_kept(proxy.record(), engine, "upstream_disconnected")
    assert post(proxy.url, chat(GREETING)).status_code == 502
    assert httpx.get(f"{proxy.origin}/healthz").status_code == 200
    assert [record["outcome"] for record in proxy.records()] == ["upstream_disconnected", "upstream_error"]


def test_timeout_in_mid_stream(engine, start_proxy):
    proxy = start_proxy(engine.origin, "--request-timeout", 1)
    with open_stream(proxy, **LONG) as reply:
        read_on(reply)

    assert_tokens_kept(proxy.record(), engine, "timeout")
    eventually(engine.idle, "the engine stops when time is up", within=5)


def test_timeout_before_the_head(engine, start_proxy):
    proxy = start_proxy(engine.origin, "--request-timeout", 1)
    reply = post(proxy.url, chat(GREETING, **(LONG | {"max_tokens": 6000})))

    assert reply.status_code == 504
    assert reply.json()["error"]["message"]
    record = proxy.record()
    assert (record["outcome"], record["status"]) == ("timeout", 504)
    eventually(engine.idle, "the engine is done with it")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_shutdown_lets_a_turn_finish(proxy, how):
    with open_stream(proxy, ignore_eos=True, max_tokens=500) as reply:
        text = some_events(reply)
        proxy.process.send_signal(how)
        text += b"".join(reply.iter_raw())

    assert text.endswith(b"data: [DONE]\n\n")
    assert proxy.process.wait(SECONDS) == 0
    record = proxy.record()
    assert (record["outcome"], record["finish_reason"]) == ("completed", "length")


def test_shutdown_cuts_a_turn_off_after_its_grace(engine, start_proxy):
    proxy = start_proxy(engine.origin, "--shutdown-grace", 1)
    with open_stream(proxy, **LONG) as reply:
        some_events(reply)
        proxy.process.send_signal(signal.SIGTERM)
        read_on(reply)

    assert proxy.process.wait(SECONDS) == 0
    assert_tokens_kept(proxy.record(), engine, "shutdown")
    eventually(engine.idle, "the engine stops with the proxy", within=5)


def test_second_signal_exits_at_once(engine, start_proxy):
    proxy = start_proxy(engine.origin, "--shutdown-grace", 600)
    with open_stream(proxy, **LONG) as reply:
        some_events(reply)
        proxy.process.send_signal(signal.SIGTERM)
        eventually(lambda: not accepts(proxy), "the proxy stops accepting")
        proxy.process.send_signal(signal.SIGTERM)
        proxy.process.wait(5)
    eventually(engine.idle, "the engine stops with the proxy", within=5)


def accepts(proxy):
    try:
        return httpx.get(f"{proxy.origin}/healthz").status_code == 200
    except httpx.TransportError:
        return False
