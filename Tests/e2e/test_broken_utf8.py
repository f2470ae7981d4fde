"""Output that is not UTF-8. This engine holds bytes back until a character is complete, and reports its last token."""

from typing import Any

import pytest

from harness import GREETING, Engine, Proxy, StartProxy, chat, post
from replies import assert_captured, assert_same, entries, is_subsequence, oracle, sampled, units

BYTES = [*range(94, 188), *range(222, 256)]  # ids of the tokens that are one non-ASCII byte
NOISE = {"logit_bias": {str(id): 40 for id in BYTES}, "temperature": 1.5, "max_tokens": 24}
# The two bytes of é as single tokens, each repeated.
LEAD, TAIL = {"logit_bias": {"127": 100}}, {"logit_bias": {"102": 100}}

CUTS = {f"cut at {length}": {"max_tokens": length} for length in range(37, 50)}  # before, in and after é, ☃ and 😀
SEEDS = {f"noise {seed}": NOISE | {"seed": seed} for seed in range(1, 7)}
OUTPUTS = CUTS | SEEDS | {"continuation bytes": TAIL | {"max_tokens": 8}}


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("fields", OUTPUTS.values(), ids=OUTPUTS)
def test_ids_are_recorded_and_missing_tokens_are_marked(
    engine: Engine, proxy: Proxy, fields: dict[str, Any], stream: bool
) -> None:
    request = chat(GREETING, stream=stream, **fields)
    reply = post(proxy.url, request)

    assert_same(post(engine.url, request), reply)
    record = proxy.record(parse_float=str)
    assert_captured(record, engine, request)
    told, all_ids = record["completion_token_ids"], sampled(engine, request)
    assert record["capture"]["complete"] == (told == all_ids)
    if told != all_ids:
        assert "token_count_mismatch" in record["capture"]["problems"]
    for id, text, entry in zip(told, record["completion_tokens"], record["logprobs"], strict=True):
        assert (id, text) == (entry["id"], entry["token"])
        assert bytes(entry["bytes"]).decode(errors="replace") == text


@pytest.mark.parametrize("route", ["chat/completions", "completions"])
@pytest.mark.parametrize("fields", OUTPUTS.values(), ids=OUTPUTS)
def test_whole_replies_have_all_ids(
    engine: Engine, start_proxy: StartProxy, fields: dict[str, Any], route: str
) -> None:
    """The engine is known here. A token that it does not report has no log-probability; nothing is guessed."""
    proxy = start_proxy(engine.origin, "--engine", "llamacpp")
    request = chat(GREETING, **fields) if route.startswith("chat") else {"model": "m", "prompt": GREETING} | fields
    request |= {"cache_prompt": False, "seed": fields.get("seed", 1)}
    reply = post(proxy.url, request, route)

    assert_same(post(engine.url, request, route), reply)
    record = proxy.record(parse_float=str)
    ids, logps = record["completion_token_ids"], record["per_token_logps"]
    assert ids == sampled(engine, request, route)
    told = oracle(engine, request, route)
    assert is_subsequence([(id, logp) for id, logp in zip(ids, logps, strict=True) if logp is not None], told)
    holes = len(ids) != len(told)
    assert record["capture"] == {
        "level": "tokens",
        "complete": not holes,
        "problems": ["logprob_missing"] if holes else [],
    }
    assert "__verbose" not in record["response"]


def test_noise_makes_partial_characters(engine: Engine) -> None:
    """Checks the assumptions of the cases above."""
    told = [entries(post(engine.url, chat(GREETING, logprobs=True, **fields))) for fields in SEEDS.values()]
    assert all(any(entry["token"] == "\ufffd" for entry in each) for each in told)
    assert any(len(entry["bytes"]) > 1 for each in told for entry in each)


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_nothing_but_beginnings_of_characters(engine: Engine, proxy: Proxy, stream: bool) -> None:
    """The engine waits for the rest of an incomplete character, and reports no token."""
    request = chat(GREETING, stream=stream, max_tokens=8, **LEAD)
    reply = post(proxy.url, request)

    assert_same(post(engine.url, request), reply)
    assert oracle(engine, request) == []
    assert sampled(engine, request) == [127] * 8
    record = proxy.record()
    assert record["capture"] == {"level": "text", "complete": False, "problems": ["no_token_data"]}
    assert record["completion_token_ids"] == record["per_token_logps"] == record["completion_tokens"] == []


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_missing_tokens_of_one_choice_are_marked(engine: Engine, proxy: Proxy, stream: bool) -> None:
    post(proxy.url, chat(GREETING, n=2, stream=stream))

    record = proxy.record()
    assert len(record["completion_token_ids"]) + 1 < len(sampled(engine, chat(GREETING)))
    assert not record["capture"]["complete"]
    assert record["capture"]["problems"]


@pytest.mark.parametrize("seed", [1, 2])
def test_completions(engine: Engine, proxy: Proxy, seed: int) -> None:
    request = {"model": "m", "prompt": GREETING, "cache_prompt": False} | NOISE | {"seed": seed}
    for stream in (False, True):
        reply = post(proxy.url, request | {"stream": stream}, "completions")
        record = proxy.records(parse_float=str)[-1]
        assert_captured(record, engine, request | {"stream": stream}, "completions")
        assert "token_count_mismatch" in record["capture"]["problems"]
        text = "".join(choice["text"] for unit in units(reply) for choice in unit["choices"])
        assert record["response"]["choices"][0]["text"] == text
