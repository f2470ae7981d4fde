"""Processes of the engine and the proxy, and access to their output."""

import json
import os
import selectors
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import openai

Value = TypeVar("Value")

MODEL = "tiny/tiny-1"
SECONDS = 60  # longer than any step takes on a slow machine

GREETING = "say hello"  # the model replies with é, ☃ and 😀, characters of several tokens
TOOL_CALL = "list the files [mini]"  # the model replies with a tool call, or ASCII text without tools

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "bash",
            "description": "Runs a command",
            "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
        },
    }
]

LONG = {"ignore_eos": True, "max_tokens": 20_000}  # minutes of output, for tests that interrupt it


def chat(prompt: str, **fields: Any) -> dict[str, Any]:
    """Returns a request body to which an engine always replies with the same tokens and log-probabilities."""
    messages = [{"role": "user", "content": prompt}]
    fixed = {"temperature": 0, "seed": 7, "cache_prompt": False}
    return {"model": MODEL, "messages": messages, **fixed, **fields}


def ask(client: openai.OpenAI, prompt: str, **fields: Any) -> Any:
    """Sends the same request through the official client, synchronous or asynchronous."""
    body = chat(prompt, **fields)
    extra = {name: body.pop(name) for name in ("cache_prompt", "ignore_eos") if name in body}
    return client.chat.completions.create(**body, extra_body=extra)


def post(base_url: str, body: dict[str, Any], route: str = "chat/completions", **options: Any) -> httpx.Response:
    return httpx.post(f"{base_url}/{route}", json=body, timeout=SECONDS, **options)


def eventually(check: Callable[[], Value], what: str, within: float = SECONDS) -> Value:
    """Polls until `check()` is true and returns its value, or fails after `within` seconds."""
    deadline = time.monotonic() + within
    while not (value := check()):
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(0.02)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(**changes: str) -> dict[str, str]:
    """Returns the environment of this process without variables that configure the proxy or the clients."""
    foreign = ("VERBATIM_", "OPENCODE_", "OPENAI_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | changes


def verbatim(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs the binary and waits for its end."""
    command = [os.environ["VERBATIM"], *map(str, arguments)]
    settings: dict[str, Any] = {"env": environment(), "capture_output": True, "text": True, "timeout": SECONDS}
    return subprocess.run(command, **(settings | options))


class Engine:
    """A real llama.cpp server. Its direct replies are the expected values of these tests."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.origin}/v1"
        self.log = log
        command = [*shlex.split(os.environ["LLAMA_SERVER"]), str(self.port)]
        self.process = subprocess.Popen(command, stdout=log.open("wb"), stderr=subprocess.STDOUT, env=environment())
        eventually(self.ready, f"the engine is healthy, see {log}", within=120)  # the first start installs the server

    def ready(self) -> bool:
        assert self.process.poll() is None, f"the engine exited: {self.log.read_text()[-2000:]}"
        try:
            return httpx.get(f"{self.origin}/health").status_code == 200
        except httpx.TransportError:
            return False

    def detokenize(self, ids: list[int]) -> str:
        reply = httpx.post(f"{self.origin}/detokenize", json={"tokens": ids}, timeout=SECONDS)
        return reply.json()["content"]

    def idle(self) -> bool:
        slots = httpx.get(f"{self.origin}/slots", timeout=SECONDS).json()
        return not any(slot["is_processing"] for slot in slots)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(SECONDS)


class Proxy:
    """`verbatim serve` on a free port."""

    def __init__(
        self,
        upstream: str,
        trace: Path,
        log: Path,
        *flags: object,
        command: tuple[str, ...] = ("serve",),
        env: dict[str, str] | None = None,
    ) -> None:
        self.trace, self.log = trace, log
        arguments = ["--upstream-url", upstream, "--trace", trace, "--port", 0, *flags]
        self.process = subprocess.Popen(
            [os.environ["VERBATIM"], *command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=log.open("wb"),
            env=environment(**(env or {})),
        )
        self.announcement = json.loads(self.first_line())
        self.url = self.announcement["url"]
        self.port = self.announcement["port"]
        self.origin = f"http://127.0.0.1:{self.port}"

    def first_line(self) -> bytes:
        assert self.process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            spoke = selector.select(SECONDS)
        line = self.process.stdout.readline() if spoke else b""
        assert line, f"no announcement; stderr: {self.stderr}"
        return line

    @property
    def stderr(self) -> str:
        return self.log.read_text()

    def client(self, kind: type = openai.OpenAI, **options: Any) -> Any:
        settings = {"base_url": self.url, "api_key": "sk-e2e", "max_retries": 0, "timeout": SECONDS}
        return kind(**(settings | options))

    def records(self, **decoding: Any) -> list[dict[str, Any]]:
        return read_trace(self.trace, **decoding)

    def record(self, **decoding: Any) -> dict[str, Any]:
        """Returns the only record. It must be in the trace when the reply has ended, so this does not wait."""
        records = self.records(**decoding)
        assert len(records) == 1, f"{len(records)} records; stderr: {self.stderr}"
        return records[0]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ends the process and returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(SECONDS)


StartProxy = Callable[..., Proxy]
"""The type of the fixture `start_proxy`: takes the upstream, flags, and options of `Proxy`."""


def read_trace(path: Path, **decoding: Any) -> list[dict[str, Any]]:
    """Reads a trace as users of the Python proxy do; `parse_float=str` keeps the digits of log-probabilities."""
    if not path.exists():
        return []
    return [json.loads(line, **decoding) for line in path.read_text(encoding="utf-8").splitlines()]
