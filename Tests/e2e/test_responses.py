"""The Responses API. This engine returns no token data there, so text is recorded and marked as such."""

from typing import Any

import openai
import pytest

from harness import GREETING, MODEL, TOOL_CALL, Engine, Proxy, StartProxy, post
from replies import assert_same

ROUTE = "responses"
TOOLS = [
    {
        "type": "function",
        "name": "bash",
        "description": "Runs a command",
        "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
    }
]
CASES = [(GREETING, {}), (TOOL_CALL, {"tools": TOOLS}), (GREETING, {"max_output_tokens": 8})]
NAMES = ["greeting", "tool call", "cut off"]
VOLATILE = {"id", "item_id", "call_id", "created_at", "completed_at", "timings"}


def respond(client: openai.OpenAI, prompt: Any, **fields: Any) -> Any:
    engine_fields = {"cache_prompt": False, "seed": 7}
    return client.responses.create(model=MODEL, input=prompt, temperature=0, extra_body=engine_fields, **fields)


def body(prompt: str, **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "input": prompt, "temperature": 0, "seed": 7, "cache_prompt": False, **fields}


def stable(value: Any) -> Any:
    """Returns a reply of the official client without values that differ between replies."""
    if isinstance(value, dict):
        return {name: stable(part) for name, part in value.items() if name not in VOLATILE}
    return [stable(part) for part in value] if isinstance(value, list) else value


def assert_text_level(record: dict[str, Any]) -> None:
    assert (record["dialect"], record["path"]) == ("responses", "/v1/responses")
    assert (record["outcome"], record["status"]) == ("completed", 200)
    assert record["capture"] == {"level": "text", "complete": False, "problems": ["no_token_data"]}
    assert record["completion_tokens"] == record["completion_token_ids"] == record["per_token_logps"] == []
    assert not record["logprobs"]
    assert record["prompt_token_ids"] is None


@pytest.mark.parametrize("prompt, fields", CASES, ids=NAMES)
def test_unary_answer_is_the_same(
    direct: openai.OpenAI, proxy: Proxy, agent: openai.OpenAI, prompt: str, fields: dict[str, Any]
) -> None:
    expected = respond(direct, prompt, **fields)
    answer = respond(agent, prompt, **fields)

    assert answer.output
    assert stable(answer.model_dump()) == stable(expected.model_dump())
    record = proxy.record()
    assert_text_level(record)
    assert record["stream"] is False
    assert record["response"]["output"] == answer.to_dict(mode="json")["output"]
    assert record["response_id"] == answer.id
    assert record["usage"]["output_tokens"] == answer.usage.output_tokens


@pytest.mark.parametrize("prompt, fields", CASES, ids=NAMES)
def test_streamed_events_are_the_same(
    direct: openai.OpenAI, proxy: Proxy, agent: openai.OpenAI, prompt: str, fields: dict[str, Any]
) -> None:
    expected = list(respond(direct, prompt, stream=True, **fields))
    events = list(respond(agent, prompt, stream=True, **fields))

    assert [stable(event.model_dump()) for event in events] == [stable(event.model_dump()) for event in expected]
    last = events[-1]
    assert last.type == "response.completed"
    record = proxy.record()
    assert_text_level(record)
    assert record["stream"] is True
    assert stable(record["response"]["output"]) == stable(last.response.to_dict(mode="json")["output"])
    assert record["response_id"] == last.response.id
    assert record["usage"]["output_tokens"] == last.response.usage.output_tokens
    assert record["ttft_s"] is not None


@pytest.mark.parametrize("stream", [False, True])
def test_bytes_are_the_same(engine: Engine, proxy: Proxy, stream: bool) -> None:
    request = body(TOOL_CALL, stream=stream, tools=TOOLS)
    assert_same(post(engine.url, request, ROUTE), post(proxy.url, request, ROUTE))


@pytest.mark.parametrize(
    "fields", [{"input": 7}, {"temperature": "warm"}, {"previous_response_id": "resp_1"}], ids=" ".join
)
def test_engines_refusal_is_passed_on(engine: Engine, proxy: Proxy, fields: dict[str, Any]) -> None:
    expected = post(engine.url, body(GREETING) | fields, ROUTE)
    reply = post(proxy.url, body(GREETING) | fields, ROUTE)

    assert expected.status_code == 400
    assert_same(expected, reply)
    record = proxy.record()
    assert (record["dialect"], record["outcome"], record["status"]) == ("responses", "upstream_error", 400)
    assert record["response"]["upstream_error"] == expected.json()


def test_second_turn_with_the_first_ones_output(direct: openai.OpenAI, proxy: Proxy, agent: openai.OpenAI) -> None:
    history = [{"role": "user", "content": TOOL_CALL}]
    for turn in (1, 2):
        expected = respond(direct, history, tools=TOOLS)
        answer = respond(agent, history, tools=TOOLS)
        assert stable(answer.to_dict()) == stable(expected.to_dict())
        record = proxy.records()[-1]
        assert (record["turn"], record["request"]["input"]) == (turn, history)
        call = next((item for item in answer.output if item.type == "function_call"), None)
        if call:
            history += [item.to_dict() for item in answer.output]
            history += [{"type": "function_call_output", "call_id": call.call_id, "output": "step-one\n"}]


def test_unreachable_engine(start_proxy: StartProxy) -> None:
    proxy = start_proxy("http://127.0.0.1:1")
    with proxy.client() as client, pytest.raises(openai.InternalServerError) as caught:
        respond(client, GREETING)
    assert caught.value.status_code == 502
    assert caught.value.body["message"]
    assert (proxy.record()["dialect"], proxy.record()["outcome"]) == ("responses", "upstream_error")
