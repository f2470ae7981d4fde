"""Anthropic's API through its official client. No engine returns token data there, so text is recorded."""

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import pytest

from harness import GREETING, MODEL, SECONDS, TOOL_CALL, Engine, Proxy, StartProxy
from replies import assert_same
from upstreams import Answer, serve

TOOLS = [
    {
        "name": "bash",
        "description": "Runs a command",
        "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
    }
]
CASES = [
    (GREETING, {}, "end_turn"),
    (TOOL_CALL, {"tools": TOOLS}, "tool_use"),
    (GREETING, {"max_tokens": 8}, "max_tokens"),
]
NAMES = ["greeting", "tool call", "cut off"]
KEY = "sk-ant-e2e-5b2f"
MESSAGE = (
    b'{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":"Hi"}],"model":"m",'
    b'"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}'
)


def body(prompt: str, **fields: Any) -> dict[str, Any]:
    fixed = {"model": MODEL, "max_tokens": 100, "temperature": 0, "seed": 7}
    return fixed | {"messages": [{"role": "user", "content": prompt}]} | fields


def client_of(origin: str, **options: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=origin, api_key=KEY, max_retries=0, timeout=SECONDS, **options)


@pytest.fixture
def direct(engine: Engine) -> Iterator[anthropic.Anthropic]:
    """The official client, connected to the engine directly."""
    with client_of(engine.origin) as client:
        yield client


@pytest.fixture
def agent(proxy: Proxy) -> Iterator[anthropic.Anthropic]:
    with client_of(proxy.origin) as client:
        yield client


def ask(client: anthropic.Anthropic, prompt: str, **fields: Any) -> Any:
    request = body(prompt, **fields)
    extra = {name: request.pop(name) for name in ("temperature", "seed")}
    return client.messages.create(**request, extra_body=extra)


def stable(value: Any) -> Any:
    """Returns a value without ids and without the counts that depend on the engine's prompt cache."""
    if isinstance(value, dict):
        unlike = {"id", "input_tokens", "cache_read_input_tokens"}
        return {name: stable(part) for name, part in value.items() if name not in unlike}
    return [stable(part) for part in value] if isinstance(value, list) else value


def assert_text_level(record: dict[str, Any], stop_reason: str) -> None:
    assert (record["dialect"], record["outcome"], record["status"]) == ("messages", "completed", 200)
    assert record["capture"] == {"level": "text", "complete": False, "problems": ["no_token_data"]}
    assert record["completion_tokens"] == record["completion_token_ids"] == record["per_token_logps"] == []
    assert record["client_fields"] == {}
    assert record["finish_reason"] == stop_reason


@pytest.mark.parametrize("prompt, fields, stop_reason", CASES, ids=NAMES)
def test_unary_answer_is_the_same(
    direct: anthropic.Anthropic,
    proxy: Proxy,
    agent: anthropic.Anthropic,
    prompt: str,
    fields: dict[str, Any],
    stop_reason: str,
) -> None:
    expected = ask(direct, prompt, **fields)
    answer = ask(agent, prompt, **fields)

    assert stable(answer.to_dict()) == stable(expected.to_dict())
    record = proxy.record()
    assert_text_level(record, stop_reason)
    assert record["request"] == body(prompt, **fields)
    assert record["response"] == answer.to_dict()
    assert record["usage"] == answer.usage.to_dict()
    assert record["response_id"] == answer.id


@pytest.mark.parametrize("prompt, fields, stop_reason", CASES, ids=NAMES)
def test_streamed_events_are_the_same(
    direct: anthropic.Anthropic,
    proxy: Proxy,
    agent: anthropic.Anthropic,
    prompt: str,
    fields: dict[str, Any],
    stop_reason: str,
) -> None:
    expected = [event.to_dict() for event in ask(direct, prompt, stream=True, **fields)]
    events = [event.to_dict() for event in ask(agent, prompt, stream=True, **fields)]

    assert stable(events) == stable(expected)
    record = proxy.record()
    assert_text_level(record, stop_reason)
    assert record["stream"] is True
    assert record["ttft_s"] is not None
    assert record["response_id"] == events[0]["message"]["id"]
    assert record["usage"]["output_tokens"] == events[-2]["usage"]["output_tokens"]
    assert record["usage"]["input_tokens"] == events[0]["message"]["usage"]["input_tokens"]


def test_stream_is_recorded_as_the_message_that_the_client_makes_of_it(
    proxy: Proxy, agent: anthropic.Anthropic
) -> None:
    with agent.messages.stream(
        model=MODEL, max_tokens=100, messages=body(TOOL_CALL)["messages"], tools=TOOLS, extra_body={"temperature": 0}
    ) as stream:
        message = stream.get_final_message()

    made = message.to_dict()
    content = proxy.record()["response"]["content"]
    assert [block["type"] for block in content] == ["text", "tool_use"]
    assert content[1]["input"] == {"command": "echo step-one"}
    assert content == made["content"]
    assert proxy.record()["finish_reason"] == made["stop_reason"] == "tool_use"


@pytest.mark.parametrize("stream", [False, True])
def test_bytes_are_the_same(engine: Engine, proxy: Proxy, stream: bool) -> None:
    request = body(TOOL_CALL, stream=stream, tools=TOOLS)
    replies = [
        httpx.post(f"{origin}/v1/messages?beta=true", json=request) for origin in [engine.origin] * 2 + [proxy.origin]
    ]
    assert_same(*replies[1:])  # the first request fills the engine's cache
    assert proxy.record()["path"].startswith("/v1/messages")


def test_counting_tokens_is_forwarded_and_leaves_no_record(
    direct: anthropic.Anthropic, proxy: Proxy, agent: anthropic.Anthropic
) -> None:
    question = {"model": MODEL, "messages": body(GREETING)["messages"]}
    assert agent.messages.count_tokens(**question) == direct.messages.count_tokens(**question)
    assert proxy.records() == []


def test_query_and_headers_reach_the_engine_unchanged(start_proxy: StartProxy) -> None:
    sent = {"anthropic-beta": "one-2026,two-2026", "anthropic-version": "2023-06-01", "anthropic-test": "kept"}
    sent |= {"x-api-key": KEY, "x-claude-code-session-id": "c-1"}
    with serve(Answer(body=MESSAGE)) as (upstream, seen):
        proxy = start_proxy(upstream)
        for origin in (upstream, proxy.origin):
            with client_of(origin, default_headers=sent, default_query={"beta": "true"}) as client:
                ask(client, GREETING)
    direct, proxied = [request for request in seen if request.method == "POST"]
    assert direct.path == "/v1/messages?beta=true"
    assert (proxied.path, proxied.body) == (direct.path, direct.body)
    headers = {name.lower(): value for name, value in proxied.headers}
    assert {name: headers[name] for name in sent} == sent
    ours = {"host", "accept-encoding", "connection"}
    assert without(ours, proxied.headers) == without(ours, direct.headers)
    assert KEY not in proxy.trace.read_text() + proxy.stderr


def without(names: set[str], headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in headers if name.lower() not in names)


@pytest.mark.parametrize("name, value", [("x-api-key", KEY), ("authorization", f"Bearer {KEY}")], ids=["key", "bearer"])
def test_configured_key_goes_into_the_header_that_the_client_used(
    start_proxy: StartProxy, name: str, value: str
) -> None:
    with serve(Answer(body=MESSAGE)) as (upstream, seen):
        proxy = start_proxy(upstream, env={"VERBATIM_UPSTREAM_API_KEY": "sk-ours-77"})
        reply = httpx.post(f"{proxy.origin}/v1/messages", json=body(GREETING), headers={name: value})
        assert reply.content == MESSAGE
    headers = {name.lower(): value for name, value in next(r for r in seen if r.method == "POST").headers}
    assert headers[name] == value.replace(KEY, "sk-ours-77")
    assert len({"x-api-key", "authorization"} & headers.keys()) == 1
    assert proxy.stop() == 0
    for secret in (KEY, "sk-ours-77"):
        assert secret not in proxy.trace.read_text() + proxy.stderr


@pytest.mark.parametrize("stream", [False, True])
def test_unreachable_engine(start_proxy: StartProxy, stream: bool) -> None:
    proxy = start_proxy("http://127.0.0.1:1")
    with client_of(proxy.origin) as client, pytest.raises(anthropic.InternalServerError) as caught:
        ask(client, GREETING, stream=stream)
    assert caught.value.status_code == 502
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["type"] == "api_error"
    assert caught.value.body["error"]["message"]
    record = proxy.record()
    assert (record["dialect"], record["outcome"], record["status"]) == ("messages", "upstream_error", 502)


def test_engines_refusal_is_passed_on(engine: Engine, proxy: Proxy) -> None:
    request = body(GREETING, temperature="warm")
    expected, reply = [httpx.post(f"{origin}/v1/messages", json=request) for origin in (engine.origin, proxy.origin)]

    assert expected.status_code == 400
    assert_same(expected, reply)
    assert proxy.record()["response"]["upstream_error"] == expected.json()


def test_capture_text_is_complete(engine: Engine, start_proxy: StartProxy) -> None:
    proxy = start_proxy(engine.origin, "--capture", "text")
    with client_of(proxy.origin) as client:
        ask(client, GREETING)
        list(ask(client, GREETING, stream=True))
    assert [record["capture"] for record in proxy.records()] == [
        {"level": "text", "complete": True, "problems": []}
    ] * 2


CLAUDE = {"X-Claude-Code-Session-Id": "c-1"}
UUID = "5a4b6c1e-1d2f-4e3a-9b8c-7d6e5f4a3b2c"
USER = '{"device_id":"d","session_id":"c-2"}'


@pytest.mark.parametrize(
    "headers, fields, session, parent",
    [
        (CLAUDE, {}, "c-1", None),
        (CLAUDE | {"x-claude-code-agent-id": "a-1"}, {}, "c-1:a-1", "c-1"),
        (CLAUDE | {"x-claude-code-agent-id": "a-2", "x-claude-code-parent-agent-id": "a-1"}, {}, "c-1:a-2", "c-1:a-1"),
        ({}, {"metadata": {"user_id": USER}}, "c-2", None),
        ({}, {"metadata": {"user_id": f"user_0a_account_1b_session_{UUID}"}}, UUID, None),
    ],
    ids=["header", "sub-agent", "sub-agent of a sub-agent", "user id", "older user id"],
)
def test_session_of_claude_code(
    proxy: Proxy,
    agent: anthropic.Anthropic,
    headers: dict[str, str],
    fields: dict[str, Any],
    session: str,
    parent: str | None,
) -> None:
    ask(agent.with_options(default_headers=headers), GREETING, max_tokens=4, **fields)
    record = proxy.record()
    assert (record["session_id"], record["parent_session_id"], record["turn"]) == (session, parent, 1)
