"""Fixtures: one real engine for the test session, and a new proxy and trace for each test."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from harness import SECONDS, Engine, Proxy, StartProxy

pytest.register_assert_rewrite("replies")


def pytest_sessionstart() -> None:
    for name in ("VERBATIM", "LLAMA_SERVER"):
        if name not in os.environ:
            pytest.exit(f"{name} is not set: run scripts/e2e", returncode=2)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]  # all connections are on loopback


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(tmp_path_factory.mktemp("engine") / "engine.log")
    yield engine
    engine.kill()


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine that the test may kill."""
    engine = Engine(tmp_path / "engine.log")
    yield engine
    engine.kill()


@pytest.fixture
def start_proxy(tmp_path: Path) -> Iterator[StartProxy]:
    """Starts proxies that end with the test. By default all proxies of a test write to the same trace."""
    started: list[Proxy] = []

    def start(upstream: str, *flags: object, trace: Path = tmp_path / "trace.jsonl", **options: Any) -> Proxy:
        log = tmp_path / f"stderr-{len(started) + 1}.log"
        proxy = Proxy(upstream, trace, log, *flags, **options)
        started.append(proxy)
        return proxy

    yield start
    for proxy in started:
        proxy.process.kill()
        proxy.process.wait(SECONDS)
        print(f"--- proxy stderr ({proxy.log.name})\n{proxy.stderr}")


@pytest.fixture
def proxy(engine: Engine, start_proxy: StartProxy) -> Proxy:
    return start_proxy(engine.origin)


@pytest.fixture
def direct(engine: Engine) -> Iterator[openai.OpenAI]:
    """The official client, connected to the engine directly."""
    with openai.OpenAI(base_url=engine.url, api_key="sk-e2e", max_retries=0, timeout=SECONDS) as client:
        yield client


@pytest.fixture
def agent(proxy: Proxy) -> Iterator[openai.OpenAI]:
    """The same client, with only the base URL changed."""
    with proxy.client() as client:
        yield client
