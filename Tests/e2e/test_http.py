"""HTTP of clients other than SDKs: keep-alive, pipelining, HTTP/1.0, chunks, Expect."""

import http.client
import json
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness import GREETING, SECONDS, Engine, Proxy, StartProxy, chat, post
from replies import masked

JSON = {"Content-Type": "application/json"}
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")


def raw(proxy: Proxy, *requests: bytes) -> bytes:
    """Sends all requests at once, and reads until the proxy closes the connection."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=SECONDS) as connection:
        connection.sendall(b"".join(requests))
        return b"".join(iter(lambda: connection.recv(65536), b""))


def request(body: dict[str, Any], version: str = "1.1", *headers: str) -> bytes:
    content = json.dumps(body).encode()
    lines = [f"POST /v1/chat/completions HTTP/{version}", "Host: e2e", f"Content-Length: {len(content)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + content


def curl(proxy: Proxy, body: dict[str, Any], tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    path = tmp_path / "body.json"
    path.write_text(json.dumps(body))
    command = ["curl", "--silent", "--show-error", "--header", "Content-Type: application/json", *arguments]
    command += ["--data-binary", f"@{path}", f"{proxy.url}/chat/completions"]
    return subprocess.run(command, capture_output=True, timeout=SECONDS, check=True)


def test_keep_alive(engine: Engine, proxy: Proxy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=SECONDS)
    connection.connect()
    first_socket = connection.sock
    for turn in range(1, 7):
        body = chat(f"{turn}: {GREETING}", stream=turn % 2 == 0)
        connection.request("POST", "/v1/chat/completions", json.dumps(body), JSON)
        reply = connection.getresponse()
        assert (reply.status, reply.version) == (200, 11)
        assert masked(reply.read()) == masked(post(engine.url, body).content)
        assert connection.sock is first_socket
        assert [record["turn"] for record in proxy.records()] == list(range(1, turn + 1))
    connection.close()


def test_refusal_leaves_the_connection_usable(engine: Engine, proxy: Proxy) -> None:
    """The engine closes its connection after a refusal; the agent's stays open."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=SECONDS)
    connection.connect()
    first_socket = connection.sock
    for body, status in ((chat(GREETING, temperature="warm"), 400), (chat(GREETING), 200)):
        connection.request("POST", "/v1/chat/completions", json.dumps(body), JSON)
        reply = connection.getresponse()
        assert reply.status == status
        reply.read()
        assert connection.sock is first_socket
    connection.close()


def test_pipelined_requests_are_answered_in_order(proxy: Proxy) -> None:
    bodies = [chat(f"{number}: {GREETING}", max_tokens=number) for number in (9, 3, 6)]
    reply = raw(proxy, *map(request, bodies[:-1]), request(bodies[-1], "1.1", "Connection: close"))

    assert reply.count(b"HTTP/1.1 200 OK\r\n") == 3
    sent = [int(part.split(b",")[0]) for part in reply.split(b'"completion_tokens":')[1:]]
    assert sent == [9, 3, 6]
    assert sorted(record["turn"] for record in proxy.records()) == [1, 2, 3]


@pytest.mark.parametrize("stream", [False, True])
def test_http_1_0(engine: Engine, proxy: Proxy, stream: bool) -> None:
    """HTTP/1.0 has no chunked framing: the end of the connection ends the reply."""
    body = chat(GREETING, stream=stream)
    head, _, content = raw(proxy, request(body, "1.0")).partition(b"\r\n\r\n")

    assert head.split(b"\r\n")[0].endswith(b"200 OK")
    assert b"transfer-encoding" not in head.lower()
    assert masked(content) == masked(post(engine.url, body).content)
    assert proxy.record()["outcome"] == "completed"


@needs_curl
@pytest.mark.parametrize("stream", [False, True])
def test_http_1_0_with_curl(engine: Engine, proxy: Proxy, tmp_path: Path, stream: bool) -> None:
    body = chat(GREETING, stream=stream)
    reply = curl(proxy, body, tmp_path, "--http1.0")
    assert masked(reply.stdout) == masked(post(engine.url, body).content)


@needs_curl
def test_expect_100_continue_with_a_large_body(engine: Engine, proxy: Proxy, tmp_path: Path) -> None:
    """curl waits for `100 Continue` before it sends more than a megabyte."""
    body = chat(GREETING, user="x" * 1_500_000)
    arguments = ["--verbose", "--header", "Expect: 100-continue", "--expect100-timeout", str(SECONDS - 5)]
    reply = curl(proxy, body, tmp_path, *arguments)

    assert b"100 Continue" in reply.stderr
    assert masked(reply.stdout) == masked(post(engine.url, chat(GREETING)).content)
    assert len(proxy.record()["request"]["user"]) == 1_500_000


def test_chunked_request_body(engine: Engine, proxy: Proxy) -> None:
    body = chat(GREETING)
    content = json.dumps(body).encode()
    pieces = [content[start : start + 7] for start in range(0, len(content), 7)]
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=SECONDS)
    connection.request("POST", "/v1/chat/completions", iter(pieces), JSON, encode_chunked=True)
    reply = connection.getresponse()

    assert reply.status == 200
    assert masked(reply.read()) == masked(post(engine.url, body).content)
    assert proxy.record()["request"]["messages"] == body["messages"]
    connection.close()


def test_body_larger_than_the_limit(engine: Engine, start_proxy: StartProxy) -> None:
    proxy = start_proxy(engine.origin, "--max-body-size", 10_000)
    reply = post(proxy.url, chat("x" * 20_000))
    assert reply.status_code == 413
    assert reply.json()["error"]["message"]
    assert post(proxy.url, chat(GREETING)).status_code == 200


def test_half_closed_agent_still_gets_its_reply(engine: Engine, proxy: Proxy) -> None:
    body = chat(GREETING)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=SECONDS) as connection:
        connection.sendall(request(body))
        connection.shutdown(socket.SHUT_WR)
        reply = http.client.HTTPResponse(connection)  # skips interim replies
        reply.begin()
        assert masked(reply.read()) == masked(post(engine.url, body).content)
    assert proxy.record()["outcome"] == "completed"
