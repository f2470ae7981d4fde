"""Routes that are not captured pass unchanged in both directions."""

from typing import Any

import httpx
import openai
import pytest

from harness import GREETING, SECONDS, Engine, Proxy, StartProxy, chat, free_port, post
from replies import assert_same, masked, units

ELSEWHERE = [
    ("GET", "/v1/models", None),
    ("GET", "/health", None),
    ("HEAD", "/health", None),
    ("GET", "/props", None),
    ("POST", "/tokenize", {"content": "héllo ☃"}),
    ("POST", "/detokenize", {"tokens": [1, 2, 3]}),
    ("POST", "/apply-template", {"messages": [{"role": "user", "content": GREETING}]}),
    ("OPTIONS", "/v1/models", None),
    ("DELETE", "/v1/models", None),
    ("GET", "/v1/nowhere?a=1&a=%20", None),
    ("POST", "/v1/embeddings", {"input": "no such thing here"}),
    ("GET", "/v1/chat/completions", None),
]


@pytest.mark.parametrize("method, path, body", ELSEWHERE, ids=lambda value: value if isinstance(value, str) else "")
def test_other_routes(engine: Engine, proxy: Proxy, method: str, path: str, body: dict[str, Any]) -> None:
    expected = httpx.request(method, engine.origin + path, json=body, timeout=SECONDS)
    reply = httpx.request(method, proxy.origin + path, json=body, timeout=SECONDS)

    assert_same(expected, reply)
    assert reply.headers.get("content-length") == expected.headers.get("content-length")
    assert proxy.records() == []


def test_models_through_the_official_client(direct: openai.OpenAI, agent: openai.OpenAI) -> None:
    assert [model.id for model in agent.models.list()] == [model.id for model in direct.models.list()]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions", "/v1/chat/completions/"])
def test_every_spelling_of_the_captured_route(engine: Engine, proxy: Proxy, path: str) -> None:
    body = chat(GREETING)
    reply = httpx.post(proxy.origin + path, json=body, timeout=SECONDS)

    assert_same(post(engine.url, body), reply)
    record = proxy.record()
    assert record["path"] == path
    assert record["completion_token_ids"]


def test_upstream_url_may_have_the_base_path(engine: Engine, start_proxy: StartProxy) -> None:
    proxy = start_proxy(engine.url)
    body = chat(GREETING)

    assert_same(post(engine.url, body), post(proxy.url, body))
    assert httpx.get(f"{proxy.url}/models").json()["data"][0]["owned_by"] == "llamacpp"
    assert httpx.get(f"{proxy.origin}/health").json() == {"status": "ok"}


def test_healthz_needs_no_engine(start_proxy: StartProxy) -> None:
    proxy = start_proxy(f"http://127.0.0.1:{free_port()}")

    reply = httpx.get(f"{proxy.origin}/healthz")
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})
    reply = httpx.head(f"{proxy.origin}/healthz")
    assert (reply.status_code, reply.content) == (200, b"")


def test_capture_off_only_forwards(engine: Engine, start_proxy: StartProxy) -> None:
    proxy = start_proxy(engine.origin, "--capture", "off")
    body = chat(GREETING, stream=True)

    assert_same(post(engine.url, body), post(proxy.url, body))
    assert proxy.records() == []


def test_capture_text_adds_nothing_to_the_request(engine: Engine, start_proxy: StartProxy) -> None:
    proxy = start_proxy(engine.origin, "--capture", "text")
    body = chat(GREETING)
    expected = post(engine.url, body)
    reply = post(proxy.url, body)

    assert_same(expected, reply)
    record = proxy.record()
    assert record["request"] == body
    assert (record["capture"]["level"], record["completion_token_ids"]) == ("text", [])
    assert record["response"]["choices"] == units(reply)[0]["choices"]
    assert masked(reply.content) == masked(expected.content)
