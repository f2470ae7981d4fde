"""The command line: exit codes, the ready line, the environment, the other subcommands."""

import json
import re
import socket
from pathlib import Path

import httpx
import openai
import pytest

from harness import GREETING, TOOL_CALL, TOOLS, Engine, Proxy, StartProxy, ask, chat, environment, post, verbatim

FLAGS = [
    "--upstream-url",
    "--upstream-api-key",
    "--trace",
    "--host",
    "--port",
    "--top-logprobs",
    "--request-timeout",
    "--connect-timeout",
    "--idle-timeout",
    "--max-tokens-cap",
    "--disable-thinking",
    "--model-override",
    "--sampling",
    "--engine",
    "--capture",
    "--trace-detail",
    "--upstream-api-key-file",
    "--upstream-ca",
    "--api-key",
    "--api-key-file",
    "--tls-cert",
    "--tls-key",
    "--trace-sync",
    "--max-pending",
    "--max-body-size",
    "--max-reply-size",
    "--shutdown-grace",
    "--log-level",
    "--quiet",
]


def test_help_names_every_flag() -> None:
    shown = verbatim("serve", "--help")
    assert shown.returncode == 0
    assert [flag for flag in FLAGS if flag not in shown.stdout] == []


def test_announcement(proxy: Proxy) -> None:
    assert proxy.announcement == {
        "url": f"http://127.0.0.1:{proxy.port}/v1",
        "port": proxy.port,
        "trace": str(proxy.trace),
    }
    assert httpx.get(f"{proxy.origin}/healthz").status_code == 200


def test_serve_is_the_default_subcommand(engine: Engine, start_proxy: StartProxy) -> None:
    proxy = start_proxy(engine.origin, command=())
    with proxy.client() as client:
        ask(client, GREETING)
    assert proxy.record()["completion_token_ids"]
    assert proxy.stop() == 0


def test_port_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        taken = verbatim("--upstream-url", "http://127.0.0.1:1", "--port", port, "--trace", tmp_path / "t.jsonl")
    assert taken.returncode == 69
    assert str(port) in taken.stderr
    assert taken.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-flag"],
        [],  # no --upstream-url
        ["--upstream-url", "no url"],
        ["--upstream-url", "ftp://127.0.0.1"],
        ["--upstream-url", "http://127.0.0.1:1", "--port", "many"],
        ["--upstream-url", "http://127.0.0.1:1", "--port", "65536"],
        ["--upstream-url", "http://127.0.0.1:1", "--top-logprobs", "21"],
        ["--upstream-url", "http://127.0.0.1:1", "--top-logprobs", "-1"],
        ["--upstream-url", "http://127.0.0.1:1", "--max-pending", "0"],
        ["--upstream-url", "http://127.0.0.1:1", "--engine", "abacus"],
        ["--upstream-url", "http://127.0.0.1:1", "--capture", "everything"],
        ["--upstream-url", "http://127.0.0.1:1", "--sampling", "[1]"],
        ["--upstream-url", "http://127.0.0.1:1", "--sampling", "{"],
        ["--upstream-url", "http://127.0.0.1:1", "--request-timeout", "-3"],
    ],
    ids=" ".join,
)
def test_bad_flags(tmp_path: Path, arguments: list[object]) -> None:
    bad = verbatim("serve", *arguments, cwd=tmp_path)
    assert bad.returncode == 64
    assert bad.stderr
    assert bad.stdout == ""


@pytest.mark.parametrize("path", ["file/trace.jsonl", "file/"])
def test_unwritable_trace(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    refused = verbatim("--upstream-url", "http://127.0.0.1:1", "--port", 0, "--trace", f"{tmp_path}/{path}")
    assert refused.returncode == 73
    assert f"{tmp_path}/file" in refused.stderr


def test_environment_and_flags(engine: Engine, start_proxy: StartProxy) -> None:
    """A flag precedes the variable of the same name, which precedes the default."""
    for flags, expected in (((), 2), (("--top-logprobs", 3), 3)):
        proxy = start_proxy(engine.origin, *flags, env={"VERBATIM_TOP_LOGPROBS": "2"})
        post(proxy.url, chat(GREETING))
        record = proxy.records()[-1]
        assert record["request"]["top_logprobs"] == expected
        assert {len(entry["top_logprobs"]) for entry in record["logprobs"]} == {expected}
        assert proxy.stop() == 0


def test_bad_environment(tmp_path: Path) -> None:
    changed = environment(VERBATIM_TOP_LOGPROBS="many")
    refused = verbatim("--upstream-url", "http://127.0.0.1:1", env=changed, cwd=tmp_path)
    assert refused.returncode == 64
    assert "VERBATIM_TOP_LOGPROBS" in refused.stderr or "--top-logprobs" in refused.stderr


def test_policy_flags_change_the_request(engine: Engine, start_proxy: StartProxy) -> None:
    flags = ["--max-tokens-cap", 5, "--model-override", "other", "--sampling", '{"temperature":0,"seed":3}']
    proxy = start_proxy(engine.origin, *flags)
    reply = post(proxy.url, chat(GREETING, temperature=1.5, max_tokens=100)).json()

    assert (reply["choices"][0]["finish_reason"], reply["usage"]["completion_tokens"]) == ("length", 5)
    record = proxy.record()
    sent = {name: record["request"][name] for name in ("max_tokens", "model", "temperature", "seed")}
    assert sent == {"max_tokens": 5, "model": "other", "temperature": 0, "seed": 3}
    assert record["client_fields"]["max_tokens"] == {"value": 100}
    assert record["client_fields"]["temperature"] == {"value": 1.5}
    assert record["client_fields"]["seed"] == {"value": 7}
    assert record["client_fields"]["logprobs"] == {"absent": True}


@pytest.mark.parametrize("flags, logged", [((), True), (("--quiet",), False)])
def test_one_log_line_for_a_turn(engine: Engine, start_proxy: StartProxy, flags: list[object], logged: bool) -> None:
    proxy = start_proxy(engine.origin, *flags)
    for _ in range(3):
        post(proxy.url, chat(GREETING))
    assert proxy.stop() == 0
    lines = [line for line in proxy.stderr.splitlines() if "tiny/tiny-1" in line and "200" in line]
    assert len(lines) == (3 if logged else 0), proxy.stderr


def test_demo(tmp_path: Path) -> None:
    demo = verbatim("demo", cwd=tmp_path)
    assert demo.returncode == 0, demo.stderr
    traces = [word for word in re.split(r"[\s'\"]+", uncolored(demo.stdout)) if word.endswith(".jsonl")]
    assert traces, demo.stdout
    assert verbatim("trace", "check", traces[-1], cwd=tmp_path).returncode == 0


@pytest.fixture
def trace(proxy: Proxy, agent: openai.OpenAI) -> Proxy:
    ask(agent, GREETING)
    ask(agent, f"two: {TOOL_CALL}", tools=TOOLS)
    list(ask(agent, f"three: {TOOL_CALL}", stream=True))
    assert proxy.stop() == 0
    return proxy


def test_trace_show(trace: Proxy) -> None:
    shown = verbatim("trace", "show", trace.trace)
    assert shown.returncode == 0
    for prompt in (GREETING, "two:", "three:", "Café ☃ 😀"):
        assert prompt in uncolored(shown.stdout)

    shown = verbatim("trace", "show", trace.trace, "--turn", 2, "--tokens")
    assert shown.returncode == 0
    assert "two:" in uncolored(shown.stdout)
    assert "three:" not in uncolored(shown.stdout)
    assert verbatim("trace", "show", trace.trace, "--turn", 99).returncode != 0


def test_trace_stats(trace: Proxy) -> None:
    stats = verbatim("trace", "stats", trace.trace)
    assert stats.returncode == 0
    numbers = re.findall(r"\d+", uncolored(stats.stdout))
    counts = [  # from usage, or else the captured tokens
        record["usage"]["completion_tokens"] if record["usage"] else len(record["completion_token_ids"])
        for record in trace.records()
    ]
    assert {str(len(counts)), str(sum(counts))} <= set(numbers)


def test_trace_check(trace: Proxy, tmp_path: Path) -> None:
    assert verbatim("trace", "check", trace.trace).returncode == 0
    first, second, third = trace.trace.read_text().splitlines(keepends=True)
    misaligned = json.loads(first)
    misaligned["per_token_logps"].pop()
    faults = {
        "torn tail": first + second[:-40],
        "gap in turn numbers": first + third,
        "no JSON": first + "nonsense\n" + second,
        "arrays of different lengths": json.dumps(misaligned) + "\n",
    }
    for fault, text in faults.items():
        path = tmp_path / "faulty.jsonl"
        path.write_text(text)
        checked = verbatim("trace", "check", path)
        assert checked.returncode == 65, fault
        assert checked.stdout + checked.stderr, fault


def uncolored(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
