"""What can be captured from a real engine: `verbatim probe` and `--require-capture`."""

import json
import subprocess
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest

from harness import (
    GREETING,
    MODEL,
    SECONDS,
    TOOL_CALL,
    TOOLS,
    Engine,
    Proxy,
    StartProxy,
    ask,
    chat,
    free_port,
    post,
    verbatim,
)
from replies import assert_same
from upstreams import Answer, serve

APIS = ["chat.completions", "completions", "responses", "messages"]
TEXT = [{"role": "user", "content": GREETING}]


def probe(upstream: str, *flags: object) -> subprocess.CompletedProcess[str]:
    return verbatim("probe", "--upstream-url", upstream, *flags)


def test_probe_shows_a_table(engine: Engine) -> None:
    shown = probe(engine.origin)

    assert shown.returncode == 0, shown.stderr
    assert "llamacpp" in shown.stdout
    assert MODEL in shown.stdout
    rows = [line.split() for line in shown.stdout.splitlines() if line.split() and line.split()[0] in APIS]
    assert [row[0] for row in rows] == ["chat.completions"] * 8 + ["completions"] * 6 + ["responses"] * 6 + [
        "messages"
    ] * 8
    assert {row[0]: row[3] for row in rows} == dict(zip(APIS, ["tokens", "tokens", "text", "text"], strict=True))


def test_probe_in_json(engine: Engine) -> None:
    shown = probe(engine.origin, "--json", "--api", "chat.completions", "--api", "messages")

    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)
    assert (found["engine"], found["model"], found["required"], found["met"]) == ("llamacpp", MODEL, None, True)
    cells = {(cell["dialect"], cell["stream"], cell["ending"]): cell for cell in found["cells"]}
    endings = ("stop", "tool_call", "stop_string", "length")
    kinds = [(stream, ending) for stream in (False, True) for ending in endings]
    assert cells.keys() == {(api, *kind) for api in ("chat.completions", "messages") for kind in kinds}
    for (api, *_), cell in cells.items():
        assert cell["served"]
        assert cell["level"] == ("tokens" if api == "chat.completions" else "text")
        assert cell["prompt_token_ids"] is False
        assert cell["complete"] == (not cell["problems"])
        assert cell["tools"] == (cell["ending"] == "tool_call")
        if cell["complete"]:
            assert cell["generated_tokens"] == cell["known_ids"] == cell["known_logprobs"]
    # llama.cpp's streams lack tokens wherever a reply does not run into its limit.
    for ending in ("stop", "tool_call", "stop_string"):
        assert not cells["chat.completions", True, ending]["complete"]
    assert cells["chat.completions", True, "length"]["complete"]


@pytest.mark.parametrize(
    "flags, code",
    [
        (["--require-capture", "logprobs"], 0),
        (["--require-capture", "tokens"], 1),
        (["--require-capture", "tokens", "--api", "messages"], 1),
        (["--require-capture", "logprobs", "--api", "chat.completions", "--api", "responses"], 1),
    ],
    ids=["met", "incomplete", "messages", "responses"],
)
def test_probes_exit_code_is_about_the_requirement(engine: Engine, flags: list[object], code: int) -> None:
    shown = probe(engine.origin, *flags)
    assert shown.returncode == code, shown.stderr
    assert bool(shown.stderr) == bool(code)
    found = json.loads(probe(engine.origin, *flags, "--json").stdout)
    assert (found["required"], found["met"]) == (flags[1], code == 0)


@pytest.mark.parametrize(
    "arguments", [[], ["--upstream-url", "no url"], ["--upstream-url", "http://a", "--api", "fax"]]
)
def test_probe_used_wrongly(arguments: list[object]) -> None:
    wrong = verbatim("probe", *arguments)
    assert wrong.returncode == 64
    assert wrong.stderr
    assert wrong.stdout == ""


def test_probe_without_an_engine() -> None:
    gone = probe(f"http://127.0.0.1:{free_port()}")
    assert gone.returncode == 69
    assert gone.stderr


def test_probe_leaves_no_trace_behind(engine: Engine, tmp_path: Path) -> None:
    assert verbatim("probe", "--upstream-url", engine.origin, "--api", "completions", cwd=tmp_path).returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def strict(engine: Engine, start_proxy: StartProxy) -> Proxy:
    # Streams of llama.cpp omit the token that ends a reply.
    return start_proxy(engine.origin, "--require-capture", "partial-tokens")


@pytest.mark.parametrize("stream", [False, True])
def test_messages_are_refused_where_tokens_are_required(strict: Proxy, stream: bool) -> None:
    assert health(strict) == {"status": "ok"}
    client = anthropic.Anthropic(base_url=strict.origin, api_key="k", max_retries=2, timeout=SECONDS)
    with client, pytest.raises(anthropic.UnprocessableEntityError) as caught:
        client.messages.create(model=MODEL, max_tokens=5, messages=TEXT, stream=stream)

    assert caught.value.status_code == 422
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["type"] == "invalid_request_error"
    assert "--require-capture" in caught.value.body["error"]["message"]
    record = strict.record()  # only one: the client did not retry
    assert (record["outcome"], record["status"], record["dialect"]) == ("refused", 422, "messages")
    told = health(strict)
    assert (told["status"], told["refused"], told["violations"]) == ("degraded", 1, 0)
    assert "messages" in told["reason"]


def test_responses_are_refused_where_tokens_are_required(strict: Proxy) -> None:
    reply = post(strict.url, {"model": MODEL, "input": GREETING}, "responses")

    assert reply.status_code == 422
    assert reply.json()["error"]["code"] == "capture_unavailable"
    assert strict.record()["outcome"] == "refused"
    assert health(strict)["status"] == "degraded"


@pytest.mark.parametrize("stream", [False, True])
def test_turn_that_meets_the_requirement_passes(engine: Engine, strict: Proxy, stream: bool) -> None:
    body = chat(TOOL_CALL, tools=TOOLS, stream=stream)
    assert_same(post(engine.url, body), post(strict.url, body))
    assert strict.record()["outcome"] == "completed"
    assert health(strict) == {"status": "ok"}


def test_nothing_else_is_refused(engine: Engine, strict: Proxy) -> None:
    question = {"model": MODEL, "messages": TEXT}
    counts = [
        httpx.post(f"{origin}/v1/messages/count_tokens", json=question) for origin in (engine.origin, strict.origin)
    ]
    assert counts[1].json() == counts[0].json()
    assert httpx.get(f"{strict.url}/models").status_code == 200
    assert health(strict) == {"status": "ok"}


def test_turn_below_the_requirement_is_a_violation(start_proxy: StartProxy) -> None:
    """The engine returns no token data: the agent has its reply; record and health report the violation."""
    with serve(Answer()) as (upstream, _):
        proxy = start_proxy(upstream, "--require-capture", "tokens")
        with proxy.client() as client:
            assert ask(client, GREETING).choices[0].message.content == "Hi"
    record = proxy.record()
    assert record["outcome"] == "completed"
    assert "below_requirement" in record["capture"]["problems"]
    told = health(proxy)
    assert (told["status"], told["refused"], told["violations"]) == ("degraded", 0, 1)


def health(proxy: Proxy) -> dict[str, Any]:
    reply = httpx.get(f"{proxy.origin}/healthz", timeout=SECONDS)
    assert reply.status_code == 200
    return reply.json()
