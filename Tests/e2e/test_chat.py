"""The same conversation, direct and through the proxy: equal for the agent, with every token in the trace."""

from typing import Any

import httpx
import openai
import pytest

from harness import GREETING, MODEL, TOOL_CALL, Engine, Proxy, ask, chat, post
from replies import END_OF_TURN, assembled, assert_captured, assert_same, entries, oracle, plain, units

USAGE = {"stream_options": {"include_usage": True}}
ASCII = {"max_tokens": 30}  # ends the greeting before its first character of several tokens


@pytest.mark.parametrize("prompt", [GREETING, TOOL_CALL])
def test_unary_answer_is_the_same(
    engine: Engine, direct: openai.OpenAI, proxy: Proxy, agent: openai.OpenAI, prompt: str
) -> None:
    expected = ask(direct, prompt)
    answer = ask(agent, prompt)

    assert plain(answer.choices[0].message) == plain(expected.choices[0].message)
    assert answer.choices[0].finish_reason == expected.choices[0].finish_reason == "stop"
    assert answer.usage == expected.usage
    record = proxy.record(parse_float=str)
    assert (record["turn"], record["stream"], record["outcome"], record["status"]) == (1, False, "completed", 200)
    assert record["response"]["choices"][0]["message"]["content"] == answer.choices[0].message.content
    assert record["usage"]["completion_tokens"] == answer.usage.completion_tokens
    assert record["response_id"] == answer.id
    assert_captured(record, engine, chat(prompt))


@pytest.mark.parametrize("prompt", [GREETING, TOOL_CALL])
def test_streamed_answer_is_the_same(
    engine: Engine, direct: openai.OpenAI, proxy: Proxy, agent: openai.OpenAI, prompt: str
) -> None:
    expected = list(ask(direct, prompt, stream=True))
    chunks = list(ask(agent, prompt, stream=True))

    unlike = {"id", "created", "timings"}
    assert [c.model_dump(exclude=unlike) for c in chunks] == [c.model_dump(exclude=unlike) for c in expected]
    record = proxy.record(parse_float=str)
    assert (record["turn"], record["stream"], record["outcome"], record["status"]) == (1, True, "completed", 200)
    content, _, finish_reason = assembled(chunks)
    assert record["response"]["choices"][0]["message"]["content"] == content
    assert record["finish_reason"] == finish_reason == "stop"
    assert record["response_id"] == chunks[0].id
    assert_captured(record, engine, chat(prompt, stream=True))


@pytest.mark.parametrize(
    "fields",
    [{}, {"stream": True}, {"stream": True, **USAGE}, {"n": 2}, {"n": 2, "stream": True, **USAGE}, {"stop": [" you"]}],
    ids=["unary", "stream", "stream with usage", "two choices", "two streamed choices", "stop string"],
)
def test_bytes_are_the_same(engine: Engine, proxy: Proxy, fields: dict[str, Any]) -> None:
    """Byte for byte, except for ids and times; so no effect of the injection remains."""
    body = chat(GREETING, **fields)
    expected = post(engine.url, body)
    reply = post(proxy.url, body)

    if fields.get("n") and fields.get("stream"):  # the engine interleaves the choices arbitrarily
        assert sorted_events(reply) == sorted_events(expected)
    else:
        assert_same(expected, reply)
    assert b"logprob" not in reply.content
    assert proxy.record()["outcome"] == "completed"


def sorted_events(reply: httpx.Response) -> list[dict[str, Any]]:
    kept = [{name: unit.get(name) for name in ("choices", "usage", "model", "object")} for unit in units(reply)]
    return sorted(kept, key=lambda unit: [choice["index"] for choice in unit["choices"]])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("prompt, fields, end", [(TOOL_CALL, {}, END_OF_TURN), (GREETING, ASCII, "")])
def test_ids_decode_to_the_text(
    engine: Engine, proxy: Proxy, agent: openai.OpenAI, stream: bool, prompt: str, fields: dict[str, Any], end: str
) -> None:
    if stream:
        text = assembled(ask(agent, prompt, stream=True, **fields))[0]
    else:
        text = ask(agent, prompt, **fields).choices[0].message.content

    record = proxy.record()
    spelled = engine.detokenize(record["completion_token_ids"])
    assert spelled.removesuffix(END_OF_TURN) == text
    assert "".join(record["completion_tokens"]).removesuffix(END_OF_TURN) == text
    if not stream:  # in a stream this engine does not report the end of turn
        assert spelled == text + end
        assert record["capture"] == {"level": "tokens", "complete": True, "problems": []}


@pytest.mark.parametrize("fields", [{}, {"stream": True, **USAGE}], ids=["unary", "stream"])
def test_missing_token_data_is_marked(engine: Engine, proxy: Proxy, fields: dict[str, Any]) -> None:
    """Of the tokens of é, ☃ and 😀 this engine reports only the last; usage counts all."""
    reply = post(proxy.url, chat(GREETING, **fields))

    record = proxy.record()
    used = units(reply)[-1]["usage"]["completion_tokens"]
    assert len(oracle(engine, chat(GREETING, **fields))) < used
    if len(record["completion_token_ids"]) < used or None in record["per_token_logps"]:
        assert not record["capture"]["complete"]
        assert record["capture"]["problems"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("top", [{}, {"top_logprobs": 2}], ids=["default", "two"])
def test_requested_log_probabilities_are_passed_on(
    engine: Engine, proxy: Proxy, stream: bool, top: dict[str, int]
) -> None:
    body = chat(TOOL_CALL, stream=stream, logprobs=True, **top)
    expected = post(engine.url, body)
    reply = post(proxy.url, body)

    assert_same(expected, reply)
    assert entries(reply)
    record = proxy.record()
    assert record["request"]["logprobs"] is True
    assert record["request"].get("top_logprobs") == body.get("top_logprobs")
    assert not {"logprobs", "top_logprobs"} & record["client_fields"].keys()
    assert record["completion_token_ids"] == [entry["id"] for entry in entries(expected)]
    assert record["logprobs"] == entries(expected)


def test_every_choice_is_captured(engine: Engine, proxy: Proxy) -> None:
    reply = post(proxy.url, chat(TOOL_CALL, n=2)).json()

    record = proxy.record()
    assert [choice["index"] for choice in record["choices"]] == [0, 1]
    ids = [id for id, _ in oracle(engine, chat(TOOL_CALL))]
    for choice, seen in zip(record["choices"], reply["choices"], strict=True):
        assert choice["completion_token_ids"] == ids
        assert len(choice["per_token_logps"]) == len(choice["completion_tokens"]) == len(ids)
        assert choice["finish_reason"] == seen["finish_reason"]
    assert record["completion_token_ids"] == ids


def test_conversation_goes_on(engine: Engine, direct: openai.OpenAI, proxy: Proxy, agent: openai.OpenAI) -> None:
    """A second turn contains the reply of the first, as in every agent loop."""
    history = [{"role": "user", "content": GREETING}]
    for turn in (1, 2):
        expected = direct.chat.completions.create(model=MODEL, messages=history, temperature=0)
        answer = agent.chat.completions.create(model=MODEL, messages=history, temperature=0)
        assert plain(answer.choices[0].message) == plain(expected.choices[0].message)
        assert proxy.records()[-1]["turn"] == turn
        assert proxy.records()[-1]["request"]["messages"] == history
        history += [
            {"role": "assistant", "content": answer.choices[0].message.content},
            {"role": "user", "content": f"once more {TOOL_CALL}"},
        ]
