"""Sessions by path, by header, and by what agents send; numbering across restarts; retries."""

from typing import Any

import httpx
import openai
import pytest

from harness import GREETING, Engine, Proxy, StartProxy, ask, chat, post, verbatim
from replies import assert_same
from upstreams import Answer, serve

SHORT = {"max_tokens": 3}
BROKEN = Answer(500, b'{"error":{"message":"broken"}}')
BUSY = Answer(429, b'{"error":{"message":"busy"}}', {"Content-Type": "application/json", "retry-after-ms": "1"})


def named(proxy: Proxy) -> list[tuple[str, int]]:
    return [(record["session_id"], record["turn"]) for record in proxy.records()]


def test_session_in_the_path(engine: Engine, proxy: Proxy) -> None:
    """Only the base URL of the client changes, and the engine receives no part of it."""
    url = f"{proxy.origin}/sessions/rollout-17/v1"
    with proxy.client(base_url=url) as client:
        ask(client, GREETING, **SHORT)
        list(ask(client, GREETING, stream=True, **SHORT))
        assert [model.id for model in client.models.list()]
    assert named(proxy) == [("rollout-17", 1), ("rollout-17", 2)]
    assert_same(post(engine.url, chat(GREETING)), post(url, chat(GREETING)))


def test_path_is_not_forwarded(start_proxy: StartProxy) -> None:
    with serve(Answer()) as (upstream, seen):
        proxy = start_proxy(upstream)
        post(f"{proxy.origin}/sessions/a%40b/v1", chat(GREETING), headers={"X-Verbatim-Session": "other"})
    turn = next(request for request in seen if request.method == "POST")
    assert turn.path == "/v1/chat/completions"
    assert "x-verbatim-session" not in {name.lower() for name, _ in turn.headers}
    assert named(proxy) == [("a@b", 1)]
    assert proxy.record()["path"] == "/sessions/a%40b/v1/chat/completions"


@pytest.mark.parametrize(
    "headers, fields, session, parent",
    [
        ({"X-Verbatim-Session": "ours", "X-Session-Id": "theirs"}, {}, "ours", None),
        ({"X-Session-Id": "opencode-1"}, {}, "opencode-1", None),
        ({"X-Session-Id": "child", "x-parent-session-id": "opencode-1"}, {}, "child", "opencode-1"),
        ({"x-litellm-session-id": "openhands-1"}, {}, "openhands-1", None),
        ({}, {"prompt_cache_key": "kimi-1"}, "kimi-1", None),
        ({}, {"metadata": {"session_id": "vibe-2", "parent_session_id": "vibe-1"}}, "vibe-2", "vibe-1"),
        ({}, {}, "default", None),
    ],
    ids=["ours", "OpenCode", "its sub-agent", "OpenHands", "kimi-cli", "Mistral Vibe's sub-agent", "none"],
)
def test_session_that_the_client_sends(
    proxy: Proxy,
    agent: openai.OpenAI,
    headers: dict[str, str],
    fields: dict[str, Any],
    session: str,
    parent: str | None,
) -> None:
    ask(agent.with_options(default_headers=headers), GREETING, **SHORT, **fields)
    record = proxy.record()
    assert (record["session_id"], record["parent_session_id"], record["turn"]) == (session, parent, 1)


def test_every_session_is_numbered_by_itself_and_across_restarts(engine: Engine, start_proxy: StartProxy) -> None:
    for _ in range(2):
        proxy = start_proxy(engine.origin)
        for session in ("a", "b", "a"):
            reply = post(f"{proxy.origin}/sessions/{session}/v1", chat(GREETING, **SHORT))
            assert reply.status_code == 200
        post(proxy.url, chat(GREETING, **SHORT))
        assert proxy.stop() == 0
    expected = [("a", 1), ("b", 1), ("a", 2), ("default", 1), ("a", 3), ("b", 2), ("a", 4), ("default", 2)]
    assert named(proxy) == expected
    assert verbatim("trace", "check", proxy.trace).returncode == 0


@pytest.mark.parametrize("where", ["path", "header"])
def test_unusable_name_is_refused_and_takes_no_number(proxy: Proxy, where: str) -> None:
    bad = "x" * 201
    url, headers = (
        (f"{proxy.origin}/sessions/{bad}/v1", {}) if where == "path" else (proxy.url, {"X-Verbatim-Session": bad})
    )
    reply = post(url, chat(GREETING), headers=headers)

    assert reply.status_code == 400
    assert reply.json()["error"]["message"]
    assert proxy.records() == []
    post(proxy.url, chat(GREETING, **SHORT), headers={"X-Session-Id": bad})
    record = proxy.record()
    assert (record["session_id"], record["turn"]) == ("default", 1)
    assert record["capture"]["problems"] == ["session_id_unusable"]


# A 500 is repeated by the proxy itself, without what it added.
@pytest.mark.parametrize("failures", [[BUSY], [BUSY, BUSY]], ids=["429", "429 twice"])
def test_retries_of_the_official_client_name_the_first_attempt(start_proxy: StartProxy, failures: list[Answer]) -> None:
    with serve(*failures, Answer()) as (upstream, seen):
        proxy = start_proxy(upstream)
        with proxy.client(max_retries=2) as client:
            ask(client, "another question")
        records = proxy.records()
    attempts = len(failures) + 1
    assert len([request for request in seen if request.method == "POST"]) == attempts
    assert [record["turn"] for record in records] == list(range(1, attempts + 1))
    assert [record["retry_of"] for record in records] == [None] + [1] * len(failures)
    assert [record["status"] for record in records] == [failure.status for failure in failures] + [200]
    assert [record["outcome"] for record in records] == ["upstream_error"] * len(failures) + ["completed"]


def test_same_question_asked_again_is_no_retry(start_proxy: StartProxy) -> None:
    with serve(Answer(), BROKEN, Answer()) as (upstream, _):
        proxy = start_proxy(upstream)
        with proxy.client(max_retries=1) as client:
            ask(client, GREETING)
            ask(client, GREETING + "?")
            ask(client, GREETING)
        assert [(record["turn"], record["retry_of"]) for record in proxy.records()] == [
            (1, None), (2, None), (3, 2), (4, None),
        ]  # fmt: skip


def test_retry_belongs_to_its_session(start_proxy: StartProxy) -> None:
    with serve(BROKEN, Answer()) as (upstream, _):
        proxy = start_proxy(upstream)
        post(f"{proxy.origin}/sessions/a/v1", chat(GREETING))
        post(f"{proxy.origin}/sessions/b/v1", chat(GREETING), headers={"x-stainless-retry-count": "1"})
        post(f"{proxy.origin}/sessions/a/v1", chat(GREETING), headers={"x-stainless-retry-count": "1"})
    assert [(record["session_id"], record["retry_of"]) for record in proxy.records()] == [
        ("a", None), ("b", None), ("a", 1),
    ]  # fmt: skip


def test_other_routes_may_have_a_session_too(engine: Engine, proxy: Proxy) -> None:
    def models(origin: str) -> list[dict[str, Any]]:
        found = httpx.get(f"{origin}/models").json()
        return [{**model, "created": None} for model in found["data"]]  # llama.cpp returns the current time

    assert models(f"{proxy.origin}/sessions/a/v1") == models(engine.url)
    assert proxy.records() == []
