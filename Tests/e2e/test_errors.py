"""Refusals reach the agent as the engine sent them, failures in OpenAI's error format; each has a record."""

import json
import ssl
import subprocess
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from harness import GREETING, SECONDS, Engine, Proxy, StartProxy, ask, chat, free_port, post
from replies import assert_same
from upstreams import Answer, serve

REFUSED = [
    {"messages": "none"},
    {"temperature": "warm"},
    {"top_logprobs": 3},
    {"top_logprobs": 3, "stream": True},
    {"messages": "none", "stream": True},
    {"messages": [{"role": "user", "content": "word " * 40_000}]},  # longer than the context
]


@pytest.mark.parametrize("fields", REFUSED, ids=lambda fields: " ".join(fields))
def test_engines_refusal_is_passed_on(engine: Engine, proxy: Proxy, fields: dict[str, Any]) -> None:
    body = chat(GREETING) | fields
    expected = post(engine.url, body)
    reply = post(proxy.url, body)

    assert expected.status_code == 400
    assert_same(expected, reply)
    record = proxy.record()
    assert (record["turn"], record["outcome"], record["status"]) == (1, "upstream_error", 400)
    assert record["response"]["upstream_status"] == 400
    assert record["response"]["upstream_error"] == expected.json()
    assert record["response"]["choices"] == []
    assert record["completion_token_ids"] == record["per_token_logps"] == []


def test_refusal_through_the_official_client(direct: openai.OpenAI, agent: openai.OpenAI) -> None:
    errors = []
    for client in (direct, agent):
        with pytest.raises(openai.BadRequestError) as caught:
            ask(client, GREETING, temperature="warm")
        errors.append((caught.value.status_code, caught.value.message, caught.value.body, caught.value.type))
    assert errors[0] == errors[1]


@pytest.mark.parametrize("body", [b"{", b"", b"[1]", b'"text"', b'{"model":"a"', b'{"model":"\xff"}'])
def test_body_that_is_no_json_object(proxy: Proxy, body: bytes) -> None:
    reply = httpx.post(f"{proxy.url}/chat/completions", content=body, headers={"content-type": "application/json"})

    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "invalid_request_error"
    assert reply.json()["error"]["message"]
    assert proxy.records() == []


def test_unknown_model_is_left_to_the_engine(engine: Engine, proxy: Proxy) -> None:
    body = chat(GREETING, model="no/such-model")
    assert_same(post(engine.url, body), post(proxy.url, body))
    assert proxy.record()["request"]["model"] == "no/such-model"


@pytest.mark.parametrize("stream", [False, True])
def test_unreachable_engine(start_proxy: StartProxy, stream: bool) -> None:
    proxy = start_proxy(f"http://127.0.0.1:{free_port()}")
    assert_bad_gateway(proxy, stream)


@pytest.mark.parametrize("stream", [False, True])
def test_untrusted_certificate(start_proxy: StartProxy, tmp_path: Path, stream: bool) -> None:
    with serve(Answer(), tls=self_signed(tmp_path)) as (upstream, seen):
        proxy = start_proxy(upstream)
        assert_bad_gateway(proxy, stream)
    assert seen == []


def assert_bad_gateway(proxy: Proxy, stream: bool) -> None:
    with proxy.client() as client, pytest.raises(openai.InternalServerError) as caught:
        ask(client, GREETING, stream=stream)
    assert caught.value.status_code == 502
    assert caught.value.body["message"]  # the client parsed OpenAI's error format
    assert caught.value.type
    record = proxy.record()
    assert (record["turn"], record["outcome"], record["status"]) == (1, "upstream_error", 502)
    assert record["completion_token_ids"] == []
    assert httpx.get(f"{proxy.origin}/healthz").status_code == 200


def self_signed(folder: Path) -> ssl.SSLContext:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=SECONDS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize("text", [b'{"error":{"message":"slow down"}}', b"<html>busy</html>", b""])
def test_other_refusals_are_passed_on(start_proxy: StartProxy, text: bytes) -> None:
    """Status, headers and bytes pass unchanged, and nothing is repeated since the injection is not the cause."""
    refusal = Answer(429, text, {"Content-Type": "text/x-test", "Retry-After": "7", "x-request-id": "abc"})
    with serve(refusal) as (upstream, seen):
        proxy = start_proxy(upstream)
        reply = post(proxy.url, chat(GREETING))
        turns = [request for request in seen if request.method == "POST"]
    assert (reply.status_code, reply.content) == (429, text)
    assert (reply.headers["retry-after"], reply.headers["x-request-id"]) == ("7", "abc")
    assert len(turns) == 1
    record = proxy.record()
    assert (record["outcome"], record["response"]["upstream_status"]) == ("upstream_error", 429)
    assert isinstance(record["response"]["upstream_error"], dict)
    if text:
        assert ("slow down" if b"slow" in text else "busy") in json.dumps(record["response"]["upstream_error"])
