"""TLS to the engine and to agents, with the official client and with curl."""

import ssl
import subprocess
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from harness import GREETING, SECONDS, Engine, Proxy, StartProxy, ask, chat, post, verbatim
from upstreams import Answer, serve

CERTIFICATES = Path(__file__).parents[1] / "Fixtures" / "tls"
AUTHORITY = CERTIFICATES / "authority.pem"
TLS = ["--tls-cert", CERTIFICATES / "good.pem", "--tls-key", CERTIFICATES / "good.key"]


def server_side(name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{name}.pem", CERTIFICATES / f"{name}.key")
    return context


def client_side() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=AUTHORITY)


@pytest.fixture
def secured(engine: Engine, start_proxy: StartProxy) -> Proxy:
    """A proxy with TLS for agents, and the real engine."""
    proxy = start_proxy(engine.origin, *TLS)
    proxy.origin = proxy.url.removesuffix("/v1")
    return proxy


def test_the_announcement_says_https(secured: Proxy) -> None:
    assert secured.url == f"https://127.0.0.1:{secured.port}/v1"


@pytest.mark.parametrize("stream", [False, True])
def test_the_official_client_gets_the_same(engine: Engine, secured: Proxy, stream: bool) -> None:
    def answer(url: str) -> Any:
        transport = httpx.Client(verify=client_side())
        with openai.OpenAI(base_url=url, api_key="sk-x", max_retries=0, http_client=transport) as client:
            reply = ask(client, GREETING, stream=stream)
            if not stream:
                return reply.choices[0].message.content
            return [chunk.choices[0].delta.content for chunk in reply if chunk.choices]

    assert answer(secured.url) == answer(engine.url)
    record = secured.record()
    assert record["capture"]["level"] == "tokens"
    assert record["outcome"] == "completed"


def test_curl(secured: Proxy, tmp_path: Path) -> None:
    command = ["curl", "-sS", "--cacert", AUTHORITY, "--max-time", str(SECONDS), f"{secured.origin}/healthz"]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert (shown.returncode, shown.stdout) == (0, '{"status":"ok"}'), shown.stderr
    old = subprocess.run([*command, "--tls-max", "1.1"], capture_output=True, timeout=SECONDS)
    assert old.returncode != 0
    untrusting = subprocess.run(["curl", "-sS", f"{secured.origin}/healthz"], capture_output=True, timeout=SECONDS)
    assert untrusting.returncode == 60


def test_plain_http_is_refused(secured: Proxy) -> None:
    reply = httpx.get(f"http://127.0.0.1:{secured.port}/v1/models")
    assert reply.status_code == 400
    assert "https://" in reply.json()["error"]["message"]


def test_an_engine_behind_tls(start_proxy: StartProxy) -> None:
    with serve(Answer(), tls=server_side("good")) as (upstream, seen):
        proxy = start_proxy(upstream, "--upstream-ca", AUTHORITY, env={"VERBATIM_UPSTREAM_API_KEY": "sk-ours"})
        assert post(proxy.url, chat(GREETING)).status_code == 200
    assert [dict(request.headers)["Authorization"] for request in seen] == ["Bearer sk-ours"]
    assert proxy.record()["outcome"] == "completed"


@pytest.mark.parametrize(
    "certificate, words",
    [("expired", "expired"), ("other-host", "another host"), ("unknown-issuer", "unknown issuer")],
)
def test_an_engine_that_is_not_trusted(start_proxy: StartProxy, certificate: str, words: str) -> None:
    with serve(Answer(), tls=server_side(certificate)) as (upstream, seen):
        proxy = start_proxy(upstream, "--upstream-ca", AUTHORITY)
        reply = post(proxy.url, chat(GREETING))
    assert reply.status_code == 502
    assert words in reply.json()["error"]["message"]
    assert seen == []
    assert words in proxy.record()["response"]["upstream_error"]["message"]


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--tls-cert", CERTIFICATES / "good.pem"], "--tls-key"),
        (["--tls-key", CERTIFICATES / "good.key"], "--tls-cert"),
        (["--tls-cert", CERTIFICATES / "good.pem", "--tls-key", CERTIFICATES / "expired.key"], "is not the key of"),
        (["--tls-cert", CERTIFICATES / "good.key", "--tls-key", CERTIFICATES / "good.key"], "no certificate"),
        (["--tls-cert", CERTIFICATES / "good.pem", "--tls-key", CERTIFICATES / "good.pem"], "no private key"),
    ],
)
def test_bad_certificates(tmp_path: Path, flags: list[object], words: str) -> None:
    refused = verbatim("--upstream-url", "http://127.0.0.1:1", "--port", 0, *flags, cwd=tmp_path)
    assert refused.returncode == 64
    assert words in refused.stderr
    assert refused.stdout == ""


def test_bad_authority(tmp_path: Path) -> None:
    """Detected at start, before any request to the engine."""
    flags = ["--upstream-ca", CERTIFICATES / "good.key"]
    refused = verbatim("--upstream-url", "https://127.0.0.1:1", "--port", 0, *flags, cwd=tmp_path)
    assert refused.returncode == 64
    assert "no certificate" in refused.stderr
