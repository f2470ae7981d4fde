"""The trace: the fields that readers of the Python proxy rely on, and those that Verbatim adds."""

import json
import re
import time
from pathlib import Path

import httpx
import pytest

from harness import GREETING, MODEL, SECONDS, TOOL_CALL, TOOLS, Engine, Proxy, StartProxy, ask, chat, post
from replies import entries, units

ADDED = {
    "schema", "session_id", "parent_session_id", "dialect", "path", "stream", "outcome", "status", "client_fields",
    "prompt_token_ids", "usage", "model", "response_id", "engine", "ttft_s", "capture",
}  # fmt: skip


DETAILS = {"default": [], "entries": ["--trace-detail", "entries"], "full": ["--trace-detail", "full"]}


@pytest.fixture(params=DETAILS)
def trace(request: pytest.FixtureRequest, engine: Engine, start_proxy: StartProxy) -> Path:
    """A trace with a unary turn, a stream, a tool call and a refusal."""
    proxy = start_proxy(engine.origin, *DETAILS[request.param])
    with proxy.client() as agent:
        ask(agent, GREETING)
        list(ask(agent, TOOL_CALL, stream=True))
        ask(agent, TOOL_CALL, tools=TOOLS)
    post(proxy.url, chat(GREETING, temperature="warm"))
    return proxy.trace


def test_reader_of_the_python_proxy_works_unchanged(trace: Path) -> None:
    began = time.time()
    text = trace.read_text()
    assert text.endswith("\n")
    turns = [json.loads(line) for line in text.splitlines()]

    assert [turn["turn"] for turn in turns] == [1, 2, 3, 4]
    for turn in turns[:3]:
        assert turn["request"]["messages"][-1]["role"] == "user"
        message = turn["response"]["choices"][0]["message"]
        assert message["role"] == "assistant"
        assert message["content"] or message["tool_calls"]
        assert all(isinstance(id, int) for id in turn["completion_token_ids"])
        assert all(isinstance(logp, float) and logp <= 0 for logp in turn["per_token_logps"])
        assert len(turn["completion_token_ids"]) == len(turn["per_token_logps"]) > 0
        assert [entry["id"] for entry in turn["logprobs"]] == turn["completion_token_ids"]
    assert [turn["finish_reason"] for turn in turns] == ["stop", "stop", "tool_calls", None]
    for turn in turns:
        assert 0 < turn["latency_s"] < 60
        assert abs(turn["timestamp"] - began) < 60
    failure = turns[3]
    assert failure["response"]["upstream_status"] == 400
    assert "temperature" in json.dumps(failure["response"]["upstream_error"])
    assert (failure["response"]["choices"], failure["response"]["usage"]) == ([], None)


def test_what_verbatim_adds(trace: Path) -> None:
    turns = [json.loads(line) for line in trace.read_text().splitlines()]

    for turn in turns:
        assert turn.keys() >= ADDED, f"missing: {ADDED - turn.keys()}"
        assert (turn["schema"], turn["dialect"], turn["path"]) == (
            "verbatim.turn/1", "chat.completions", "/v1/chat/completions",
        )  # fmt: skip
        assert (turn["session_id"], turn["parent_session_id"]) == ("default", None)
    for turn in turns[:3]:
        assert (turn["model"], turn["engine"]) == (MODEL, "llamacpp")
        assert turn["client_fields"]["logprobs"] == turn["client_fields"]["top_logprobs"] == {"absent": True}
        assert (turn["request"]["logprobs"], turn["request"]["top_logprobs"]) == (True, 5)
        assert not turn.get("choices")  # only in requests with n > 1
    assert [turn["stream"] for turn in turns] == [False, True, False, False]
    assert [turn["outcome"] for turn in turns] == ["completed"] * 3 + ["upstream_error"]
    assert 0 < turns[1]["ttft_s"] <= turns[1]["latency_s"]


@pytest.mark.parametrize("detail", DETAILS)
def test_response_is_the_engines_own(engine: Engine, start_proxy: StartProxy, detail: str) -> None:
    """A unary response is recorded as the engine sent it, with injected data and all digits."""
    body = chat(TOOL_CALL)
    proxy = start_proxy(engine.origin, *DETAILS[detail])
    post(proxy.url, body)
    expected = units(post(engine.url, body | {"logprobs": True, "top_logprobs": 5}), parse_float=str)[0]

    record = proxy.record(parse_float=str)
    assert record["logprobs"] == expected["choices"][0]["logprobs"]["content"]
    if detail != "full":
        expected["choices"][0]["logprobs"] = None
    assert record["response"]["choices"] == expected["choices"]
    assert record["usage"] == record["response"]["usage"] == expected["usage"]


def test_separators_that_readers_split_lines_at(proxy: Proxy) -> None:
    """U+2028, U+2029 and U+0085 in a request do not split a line for `splitlines()`."""
    prompt = "a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg ☃ 😀"
    raw = json.dumps(chat(prompt), ensure_ascii=False).encode()
    headers = {"content-type": "application/json"}
    reply = httpx.post(f"{proxy.url}/chat/completions", content=raw, headers=headers, timeout=SECONDS)

    assert reply.status_code == 200
    assert proxy.record()["request"]["messages"][0]["content"] == prompt


def test_compact_trace(engine: Engine, start_proxy: StartProxy) -> None:
    proxy = start_proxy(engine.origin, "--trace-detail", "compact")
    for stream in (False, True):
        post(proxy.url, chat(TOOL_CALL, stream=stream))

    expected = entries(post(engine.url, chat(TOOL_CALL, logprobs=True, top_logprobs=5)), parse_float=str)
    assert not re.search(r'"top_logprobs": *\[', proxy.trace.read_text())
    for record in proxy.records(parse_float=str):
        assert not record.get("logprobs")
        assert not record["response"]["choices"][0].get("logprobs")
        count = len(record["completion_token_ids"])
        pairs = list(zip(record["completion_token_ids"], record["per_token_logps"], strict=True))
        assert pairs == [(entry["id"], entry["logprob"]) for entry in expected][:count]
        assert count >= len(expected) - 1  # all except the end of turn in the stream
