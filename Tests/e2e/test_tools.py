"""Tool calls. This engine refuses log-probabilities for streams with tools, so `n_probs` is used."""

import openai
import pytest

from harness import GREETING, TOOL_CALL, TOOLS, Engine, Proxy, ask, chat, post
from replies import END_OF_TURN, assembled, assert_captured, assert_same, oracle, plain, units


def test_unary_tool_call(engine: Engine, direct: openai.OpenAI, proxy: Proxy, agent: openai.OpenAI) -> None:
    expected = ask(direct, TOOL_CALL, tools=TOOLS)
    answer = ask(agent, TOOL_CALL, tools=TOOLS)

    assert answer.choices[0].message.tool_calls[0].function.name == "bash"
    assert plain(answer.choices[0].message) == plain(expected.choices[0].message)
    assert answer.choices[0].finish_reason == expected.choices[0].finish_reason == "tool_calls"
    record = proxy.record(parse_float=str)
    assert_captured(record, engine, chat(TOOL_CALL, tools=TOOLS))
    assert record["capture"]["complete"]
    spelled = engine.detokenize(record["completion_token_ids"])
    assert spelled.startswith(answer.choices[0].message.content)
    assert spelled.endswith(f"</tool_call>{END_OF_TURN}")
    sent, kept = answer.choices[0].message.tool_calls, record["response"]["choices"][0]["message"]["tool_calls"]
    assert kept == [call.model_dump() for call in sent]


@pytest.mark.parametrize("warm", [False, True], ids=["first request", "later request"])
def test_streamed_tool_call(
    engine: Engine, direct: openai.OpenAI, proxy: Proxy, agent: openai.OpenAI, warm: bool
) -> None:
    """Also as the first request of the proxy, before it has recognized the engine."""
    if warm:
        ask(agent, GREETING)
    expected = assembled(ask(direct, TOOL_CALL, tools=TOOLS, stream=True))
    answer = assembled(ask(agent, TOOL_CALL, tools=TOOLS, stream=True))

    assert answer == expected
    content, calls, finish_reason = answer
    assert finish_reason == "tool_calls"
    record = proxy.records(parse_float=str)[-1]
    assert record["turn"] == len(proxy.records())
    assert_captured(record, engine, chat(TOOL_CALL, tools=TOOLS, stream=True))
    message = record["response"]["choices"][0]["message"]
    functions = [call["function"] for call in message["tool_calls"]]
    assert [(function["name"], function["arguments"]) for function in functions] == calls
    assert message["content"] == content


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("prompt", [GREETING, TOOL_CALL])
def test_bytes_are_the_same(engine: Engine, proxy: Proxy, stream: bool, prompt: str) -> None:
    body = chat(prompt, tools=TOOLS, stream=stream)
    reply = post(proxy.url, body)

    assert_same(post(engine.url, body), reply)
    assert b"prob" not in reply.content


def test_agent_that_asks_for_the_refused_pair_sees_the_refusal(engine: Engine, proxy: Proxy) -> None:
    body = chat(TOOL_CALL, tools=TOOLS, stream=True, logprobs=True)
    reply = post(proxy.url, body)

    assert reply.status_code == 400
    assert_same(post(engine.url, body), reply)
    assert proxy.record()["outcome"] == "upstream_error"


def test_missing_tokens_of_a_streamed_tool_call_are_marked(proxy: Proxy) -> None:
    """The engine's parser consumes most tokens that open a tool call; usage counts them."""
    body = chat(TOOL_CALL, tools=TOOLS, stream=True, stream_options={"include_usage": True})
    used = units(post(proxy.url, body))[-1]["usage"]["completion_tokens"]

    record = proxy.record()
    assert 0 < len(record["completion_token_ids"]) < used
    assert not record["capture"]["complete"]
    assert record["capture"]["problems"]


def test_streamed_tool_call_is_captured_by_n_probs(engine: Engine, proxy: Proxy, agent: openai.OpenAI) -> None:
    chunks = list(ask(agent, TOOL_CALL, tools=TOOLS, stream=True))

    assert all(choice.logprobs is None for chunk in chunks for choice in chunk.choices)
    assert not any("completion_probabilities" in chunk.model_dump() for chunk in chunks)
    record = proxy.record(parse_float=str)
    assert record["request"]["n_probs"] == 5
    assert record["client_fields"]["n_probs"] == {"absent": True}
    assert "logprobs" not in record["request"]
    assert record["completion_token_ids"] == [id for id, _ in oracle(engine, chat(TOOL_CALL, tools=TOOLS, stream=True))]
