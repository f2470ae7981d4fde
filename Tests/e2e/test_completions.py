"""The completions API. This engine returns its log-probabilities in the format of chat completions."""

from typing import Any

import httpx
import openai
import pytest

from harness import MODEL, Engine, Proxy, post
from replies import END_OF_TURN, assembled_text, assert_captured, assert_same, entries, masked, sampled, units

ROUTE = "completions"
FIXED: dict[str, Any] = {"model": MODEL, "temperature": 0, "seed": 7, "max_tokens": 12}
TOKENS = [1, 2, 3, 300]  # a prompt as ids, which the model continues in ASCII
USAGE = {"stream": True, "stream_options": {"include_usage": True}}
CHARACTERS = "say hello"  # continued with é and 😀, which have several tokens each


def body(prompt: Any, **fields: Any) -> dict[str, Any]:
    return FIXED | {"prompt": prompt, "cache_prompt": False} | fields


def complete(client: openai.OpenAI, prompt: str, **fields: Any) -> Any:
    return client.completions.create(**(FIXED | fields), prompt=prompt, extra_body={"cache_prompt": False})


@pytest.mark.parametrize(
    "prompt", [TOKENS, "def main", CHARACTERS], ids=["ids", "text", "characters of several tokens"]
)
@pytest.mark.parametrize("extra", [{}, {"echo": True}], ids=["", "echo"])
def test_unary_text_is_the_same(
    engine: Engine, direct: openai.OpenAI, proxy: Proxy, agent: openai.OpenAI, prompt: str, extra: dict[str, Any]
) -> None:
    expected = complete(direct, prompt, **extra)
    answer = complete(agent, prompt, **extra)

    assert answer.choices == expected.choices
    assert answer.choices[0].logprobs is None
    assert answer.usage == expected.usage
    record = proxy.record(parse_float=str)
    assert (record["dialect"], record["path"], record["stream"]) == ("completions", "/v1/completions", False)
    assert record["response"]["choices"][0]["text"] == answer.choices[0].text
    assert record["response_id"] == answer.id
    assert_captured(record, engine, body(prompt, **extra), ROUTE)


@pytest.mark.parametrize("prompt", [TOKENS, CHARACTERS], ids=["ids", "characters of several tokens"])
@pytest.mark.parametrize("fields", [{"stream": True}, USAGE, USAGE | {"echo": True}], ids=["", "usage", "echo"])
def test_streamed_text_is_the_same(
    engine: Engine, direct: openai.OpenAI, proxy: Proxy, agent: openai.OpenAI, prompt: str, fields: dict[str, Any]
) -> None:
    expected = list(complete(direct, prompt, **fields))
    chunks = list(complete(agent, prompt, **fields))

    unlike = {"id", "created", "timings"}
    assert [c.model_dump(exclude=unlike) for c in chunks] == [c.model_dump(exclude=unlike) for c in expected]
    record = proxy.record(parse_float=str)
    assert (record["dialect"], record["stream"], record["outcome"]) == ("completions", True, "completed")
    assert record["response"]["choices"][0]["text"] == assembled_text(chunks)
    assert record["finish_reason"] == "length"
    assert_captured(record, engine, body(prompt, **fields), ROUTE)


@pytest.mark.parametrize("fields", [{}, {"stream": True}], ids=["unary", "stream"])
def test_bytes_are_the_same(engine: Engine, proxy: Proxy, fields: dict[str, Any]) -> None:
    request = body(CHARACTERS, **fields)
    reply = post(proxy.url, request, ROUTE)

    assert_same(post(engine.url, request, ROUTE), reply)
    assert b'"logprobs":null' in reply.content
    assert b"bytes" not in reply.content


@pytest.mark.parametrize("stream", [False, True])
def test_requested_log_probabilities_are_passed_on(engine: Engine, proxy: Proxy, stream: bool) -> None:
    request = body(TOKENS, stream=stream, logprobs=2)
    expected = post(engine.url, request, ROUTE)
    reply = post(proxy.url, request, ROUTE)

    assert_same(expected, reply)
    record = proxy.record()
    assert (record["request"]["logprobs"], "logprobs" in record["client_fields"]) == (2, False)
    assert record["logprobs"] == entries(reply) == entries(expected)


SEVERAL = [({"n": 2}, TOKENS), ({}, [TOKENS, "def main"])]


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("fields, prompts", SEVERAL, ids=["two choices", "two prompts"])
def test_every_choice_is_captured(
    engine: Engine, proxy: Proxy, fields: dict[str, Any], prompts: Any, stream: bool
) -> None:
    request = body(prompts, stream=stream, **fields)
    reply = post(proxy.url, request, ROUTE)

    assert texts(reply) == texts(post(engine.url, request, ROUTE))
    assert b"bytes" not in masked(reply.content)
    record = proxy.record()
    assert record["capture"] == {"level": "tokens", "complete": True, "problems": []}
    for index, prompt in enumerate([prompts, prompts] if fields else prompts):
        choice = record["choices"][index]
        assert choice["index"] == index
        assert choice["completion_token_ids"] == sampled(engine, body(prompt), ROUTE)
        assert len(choice["per_token_logps"]) == len(choice["completion_tokens"]) == len(choice["completion_token_ids"])
        assert engine.detokenize(choice["completion_token_ids"]).removesuffix(END_OF_TURN) == texts(reply)[index]


def texts(reply: httpx.Response) -> dict[int, str]:
    found: dict[int, str] = {}
    for unit in units(reply):
        for choice in unit["choices"] if unit else ():  # with two prompts the first event of this engine is `null`
            found[choice["index"]] = found.get(choice["index"], "") + choice["text"]
    return found


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("fields", [{"n": 2}, {"prompt": [CHARACTERS, CHARACTERS]}], ids=["two choices", "two prompts"])
def test_missing_tokens_of_one_choice_are_marked(
    engine: Engine, proxy: Proxy, fields: dict[str, Any], stream: bool
) -> None:
    """This engine counts the tokens of one choice only, but its entry for é has more bytes than its token."""
    post(proxy.url, body(CHARACTERS, stream=stream) | fields, ROUTE)

    record = proxy.record()
    assert len(record["completion_token_ids"]) < len(sampled(engine, body(CHARACTERS), ROUTE))
    assert not record["capture"]["complete"]
    assert record["capture"]["problems"]
