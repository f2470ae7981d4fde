"""Fixtures: one real engine for the session, a fresh proxy and trace for every test."""

import os

import openai
import pytest

from harness import SECONDS, Engine, Proxy

pytest.register_assert_rewrite("replies")


def pytest_sessionstart():
    for name in ("VERBATIM", "LLAMA_SERVER"):
        if name not in os.environ:
            pytest.exit(f"{name} is not set: run scripts/e2e", returncode=2)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]  # everything here is on loopback


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    engine = Engine(tmp_path_factory.mktemp("engine") / "engine.log")
    yield engine
    engine.kill()


@pytest.fixture
def own_engine(tmp_path):
    """An engine that the test may kill."""
    engine = Engine(tmp_path / "engine.log")
    yield engine
    engine.kill()


@pytest.fixture
def start_proxy(tmp_path):
    """Starts proxies that end with the test; all of one test's proxies write to the same trace, one after another."""
    started = []

    def start(upstream, *flags, trace=tmp_path / "trace.jsonl", **options):
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
def proxy(engine, start_proxy):
    return start_proxy(engine.origin)


@pytest.fixture
def direct(engine):
    """The official client, straight at the engine."""
    with openai.OpenAI(base_url=engine.url, api_key="sk-e2e", max_retries=0, timeout=SECONDS) as client:
        yield client


@pytest.fixture
def agent(proxy):
    """The same client with nothing changed but the base URL."""
    with proxy.client() as client:
        yield client

