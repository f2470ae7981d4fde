"""Reads and compares replies, and compares records with direct replies of the engine."""

import json
import re
from collections.abc import Iterable
from typing import Any

import httpx

from harness import Engine, post

END_OF_TURN = "<|im_end|>"

# The only differences between two replies of this engine to the same request: ids and times.
VOLATILE = [
    (rb'"id":"chatcmpl-\w+"', b'"id":"chatcmpl"'),
    (rb'"id":"\w{32}"', b'"id":"call"'),
    (rb'"(id|item_id|call_id)":"(resp|msg|rs|fc|call)_\w+"', rb'"\1":"\2"'),
    (rb'"(created|created_at|completed_at)":\d+', rb'"\1":0'),
    (rb'"timings":\{[^}]*\}', b'"timings":{}'),
]

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


def masked(body: bytes) -> bytes:
    for pattern, replacement in VOLATILE:
        body = re.sub(pattern, replacement, body)
    return body


def headers(reply: httpx.Response) -> list[tuple[str, str]]:
    """Returns names and values in order, without hop-by-hop headers."""
    pairs = [(name.decode(), value.decode()) for name, value in reply.headers.raw]
    return [(name, value) for name, value in pairs if name.lower() not in HOP_BY_HOP]


def assert_same(direct: httpx.Response, proxied: httpx.Response) -> None:
    assert proxied.status_code == direct.status_code
    assert headers(proxied) == headers(direct)
    assert masked(proxied.content) == masked(direct.content)


def units(reply: httpx.Response, **decoding: Any) -> list[dict[str, Any]]:
    """Returns the JSON objects of a reply: its body, or one for each event."""
    if not reply.headers["content-type"].startswith("text/event-stream"):
        return [json.loads(reply.text, **decoding)]
    lines = [line.removeprefix("data: ") for line in reply.text.split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line, **decoding) for line in lines[:-1]]


def entries(reply: httpx.Response, choice: int = 0, **decoding: Any) -> list[dict[str, Any]]:
    """Returns all entries of `logprobs.content` of one choice."""
    found: list[dict[str, Any]] = []
    for unit in units(reply, **decoding):
        for part in unit["choices"]:
            if part["index"] == choice:
                found += (part.get("logprobs") or {}).get("content") or []
    return found


def plain(message: Any) -> dict[str, Any]:
    """Returns a message of the official client without ids, which differ between replies."""
    fields = message.model_dump()
    for call in fields.get("tool_calls") or []:
        del call["id"]
    return fields


def assembled(chunks: Iterable[Any]) -> tuple[str, list[tuple[str, str]], str | None]:
    """Returns content, tool calls and finish reason of choice 0 of a stream, assembled as an agent does."""
    calls: dict[int, tuple[str, str]] = {}
    content, finish_reason = "", None
    for chunk in chunks:
        for choice in (choice for choice in chunk.choices if choice.index == 0):
            content += choice.delta.content or ""
            finish_reason = choice.finish_reason or finish_reason
            for part in choice.delta.tool_calls or []:
                name, arguments = calls.get(part.index, ("", ""))
                calls[part.index] = (name + (part.function.name or ""), arguments + (part.function.arguments or ""))
    return content, list(calls.values()), finish_reason


def assembled_text(chunks: Iterable[Any]) -> str:
    """Returns the text of choice 0 of a stream of completions."""
    return "".join(choice.text for chunk in chunks for choice in chunk.choices if choice.index == 0)


def oracle(engine: Engine, body: dict[str, Any], route: str = "chat/completions") -> list[tuple[int, str]]:
    """Returns id and log-probability, with all digits, of every token that the engine reports for a request."""
    if route == "completions":
        asking = {"logprobs": 5}
    elif body.get("stream") and body.get("tools"):  # this engine refuses log-probabilities for streams with tools
        asking = {"n_probs": 5}
    else:
        asking = {"logprobs": True, "top_logprobs": 5}
    reply = post(engine.url, body | asking, route)
    return [(entry["id"], entry["logprob"]) for entry in entries(reply, parse_float=str)]


def sampled(engine: Engine, body: dict[str, Any], route: str = "chat/completions") -> list[int]:
    """Returns the ids of all sampled tokens, including those that are missing in `logprobs`."""
    unary = {name: value for name, value in body.items() if name not in ("stream", "stream_options", "logprobs")}
    reply = post(engine.url, unary | {"verbose": True, "return_tokens": True}, route)
    return units(reply)[0]["__verbose"]["tokens"]


def is_subsequence(some: Iterable[object], all_of_them: Iterable[object]) -> bool:
    rest = iter(all_of_them)
    return all(item in rest for item in some)


def assert_aligned(record: dict[str, Any]) -> None:
    """Checks the invariants of every captured record."""
    assert record["schema"] == "verbatim.turn/1"
    assert record["capture"]["level"] == "tokens", record["capture"]
    assert record["completion_token_ids"]
    assert len(record["per_token_logps"]) == len(record["completion_token_ids"])
    assert len(record["completion_tokens"]) == len(record["completion_token_ids"])
    assert record["capture"]["complete"] == (not record["capture"]["problems"])


def assert_captured(
    record: dict[str, Any], engine: Engine, body: dict[str, Any], route: str = "chat/completions"
) -> None:
    """Checks that a record, read with `parse_float=str`, has exactly the engine's data and reports gaps.

    This engine does not report some tokens: of those that make up one character all but the last, and in streams the
    end of turn and what its tool-call parser consumes.
    """
    assert_aligned(record)
    ids, logps = record["completion_token_ids"], record["per_token_logps"]
    known = [(id, logp) for id, logp in zip(ids, logps, strict=True) if logp is not None]
    assert known == oracle(engine, body, route)

    all_ids = sampled(engine, body, route)
    assert is_subsequence(ids, all_ids)
    if record["capture"]["complete"]:
        no_end = record["stream"] and not record["usage"] and ids == all_ids[:-1]
        assert ids == all_ids or no_end, "called complete, but tokens are missing"
