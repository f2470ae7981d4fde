"""A real agent, mini-swe-agent with litellm, works on a task, once with the engine directly and once with the proxy."""

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import MODEL, SECONDS, Engine, Proxy, environment, verbatim
from replies import END_OF_TURN, assert_captured

SCRIPT = Path(__file__).parent / "agents" / "mini.py"
CALLS = 5  # a command, two replies without one, another command, the end


@pytest.fixture(scope="module")
def runs(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dict[str, Any], dict[str, Any], Proxy]]:
    """Yields the direct and the proxied conversation, and the proxy."""
    if "MINI_PYTHON" not in os.environ:
        pytest.skip("mini-swe-agent is not installed")
    folder = tmp_path_factory.mktemp("mini")
    proxy = Proxy(engine.origin, folder / "trace.jsonl", folder / "stderr.log")
    try:
        (folder / "home").mkdir()
        command = [os.environ["MINI_PYTHON"], SCRIPT, folder / "home", engine.url, proxy.url]
        settings = environment(HOME=str(folder / "home"))
        ran = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=2 * SECONDS)
        assert ran.returncode == 0, ran.stderr[-4000:]
        direct, proxied = json.loads(ran.stdout.splitlines()[-1])
        yield direct, proxied, proxy
    finally:
        proxy.process.kill()
        proxy.process.wait(SECONDS)


def conversation(run: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Returns the messages of a run without ids."""
    said = []
    for message in run["messages"]:
        calls = [call["function"] for call in message.get("tool_calls") or []]
        said.append((message["role"], message["content"], message.get("reasoning_content"), calls))
    return said


def replies_of(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the model's replies as litellm parsed them, including the one that the agent rejected."""
    extras = [message.get("extra", {}) for message in run["messages"]]
    return [extra["response"] for extra in extras if "response" in extra]


def test_trajectory_is_the_same(runs: tuple[dict[str, Any], dict[str, Any], Proxy]) -> None:
    direct, proxied, _ = runs

    assert conversation(proxied) == conversation(direct)
    assert proxied["ended"] == direct["ended"] == {"exit_status": "Submitted", "submission": ""}
    assert proxied["calls"] == direct["calls"] == CALLS
    commands = [call["arguments"] for _, _, _, calls in conversation(proxied) for call in calls]
    assert [json.loads(command)["command"] for command in commands] == [
        "echo step-one", "echo step-one", "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT",
    ]  # fmt: skip
    assert [reply["usage"]["completion_tokens"] for reply in replies_of(proxied)] == [
        reply["usage"]["completion_tokens"] for reply in replies_of(direct)
    ]


def test_agent_sees_no_token_data(runs: tuple[dict[str, Any], dict[str, Any], Proxy]) -> None:
    _, proxied, _ = runs
    assert "bytes" not in json.dumps(replies_of(proxied))
    assert not any(choice.get("logprobs") for reply in replies_of(proxied) for choice in reply["choices"])


def test_every_model_call_is_one_record(runs: tuple[dict[str, Any], dict[str, Any], Proxy], engine: Engine) -> None:
    _, proxied, proxy = runs
    records = proxy.records(parse_float=str)

    assert [record["turn"] for record in records] == list(range(1, CALLS + 1))
    for record, reply in zip(records, replies_of(proxied), strict=True):
        assert (record["session_id"], record["dialect"], record["outcome"]) == (
            "default",
            "chat.completions",
            "completed",
        )
        assert (record["model"], record["response_id"], record["retry_of"]) == (MODEL, reply["id"], None)
        assert record["usage"]["completion_tokens"] == reply["usage"]["completion_tokens"]
        sent = {field for field in record["client_fields"] if record["client_fields"][field] == {"absent": True}}
        asked = {name: value for name, value in record["request"].items() if name not in sent}
        assert_captured(record, engine, asked)
    for earlier, later in itertools.pairwise(records):
        assert later["request"]["messages"][: len(earlier["request"]["messages"])] == earlier["request"]["messages"]


def test_every_turn_is_complete(runs: tuple[dict[str, Any], dict[str, Any], Proxy], engine: Engine) -> None:
    _, _, proxy = runs
    for record in proxy.records():
        assert record["capture"] == {"level": "tokens", "complete": True, "problems": []}
        assert engine.detokenize(record["completion_token_ids"]).endswith(END_OF_TURN)
    reasons = [record["finish_reason"] for record in proxy.records()]
    assert reasons == ["tool_calls", "stop", "stop", "tool_calls", "tool_calls"]


def test_trace_is_sound(runs: tuple[dict[str, Any], dict[str, Any], Proxy]) -> None:
    _, _, proxy = runs
    assert verbatim("trace", "check", proxy.trace).returncode == 0
