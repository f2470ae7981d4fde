"""Which credentials reach the engine, and that they appear nowhere else."""

import json
import socket
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
from test_tls import AUTHORITY, CERTIFICATES, server_side

from harness import GREETING, Proxy, StartProxy, ask, chat, free_port, post, verbatim
from upstreams import Answer, Request, serve

OURS, THEIRS = "sk-ours-4f1c8b", "sk-theirs-93aa20"


def credentials(seen: list[Request]) -> list[str]:
    turn = next(request for request in seen if request.method == "POST")
    return [value for name, value in turn.headers if name.lower() == "authorization"]


def assert_kept_secret(proxy: Proxy, *secrets: str) -> None:
    command_line = Path(f"/proc/{proxy.process.pid}/cmdline").read_text()
    assert proxy.stop() == 0
    for secret in secrets:
        assert secret not in command_line
        assert secret not in proxy.stderr
        assert secret not in proxy.trace.read_text()


@pytest.mark.parametrize("name", ["VERBATIM_UPSTREAM_API_KEY", "OPENCODE_UPSTREAM_API_KEY"])
def test_configured_key_replaces_the_agents(start_proxy: StartProxy, name: str) -> None:
    with serve(Answer()) as (upstream, seen):
        proxy = start_proxy(upstream, env={name: OURS})
        with proxy.client(api_key=THEIRS) as client:
            ask(client, GREETING)
    assert credentials(seen) == [f"Bearer {OURS}"]
    assert_kept_secret(proxy, OURS, THEIRS)


def test_our_own_variable_wins(start_proxy: StartProxy) -> None:
    with serve(Answer()) as (upstream, seen):
        proxy = start_proxy(upstream, env={"VERBATIM_UPSTREAM_API_KEY": OURS, "OPENCODE_UPSTREAM_API_KEY": "sk-old"})
        post(proxy.url, chat(GREETING))
    assert credentials(seen) == [f"Bearer {OURS}"]


def test_without_a_key_the_agents_own_is_forwarded(start_proxy: StartProxy) -> None:
    with serve(Answer()) as (upstream, seen):
        proxy = start_proxy(upstream)
        with proxy.client(api_key=THEIRS) as client:
            ask(client, GREETING)
    assert credentials(seen) == [f"Bearer {THEIRS}"]
    assert_kept_secret(proxy, THEIRS)


def test_no_secret_in_the_record_of_a_failure(start_proxy: StartProxy) -> None:
    headers = {"Authorization": f"Bearer {THEIRS}", "api-key": "sk-azure-77", "Cookie": "session=sk-cookie-5"}
    with serve(Answer(500, b'{"error":{"message":"broken"}}')) as (upstream, seen):
        proxy = start_proxy(upstream, env={"VERBATIM_UPSTREAM_API_KEY": OURS})
        post(proxy.url, chat(GREETING), headers=headers)
    assert credentials(seen) == [f"Bearer {OURS}"]
    assert proxy.record()["outcome"] == "upstream_error"
    assert_kept_secret(proxy, OURS, THEIRS, "sk-azure-77", "sk-cookie-5")


def test_agents_other_headers_are_forwarded(start_proxy: StartProxy) -> None:
    with serve(Answer()) as (upstream, seen):
        proxy = start_proxy(upstream)
        headers = {"X-Session-Id": "s-1", "x-custom": "kept", "Connection": "x-hop", "x-hop": "1"}
        post(proxy.url, chat(GREETING), headers=headers)
    turn = next(request for request in seen if request.method == "POST")
    sent = {name.lower(): value for name, value in turn.headers}
    assert (sent["x-session-id"], sent["x-custom"], sent["accept-encoding"]) == ("s-1", "kept", "identity")
    assert sent["host"] == upstream.removeprefix("http://")
    assert "x-hop" not in sent


def secret(name: str) -> str:
    """Returns a distinct value that is easy to search for."""
    return f"sk-planted-{name}-5e1f09"


EVERYWHERE = {  # headers in which agents may have secrets
    "Authorization": f"Bearer {secret('authorization')}",
    "x-api-key": secret("x-api-key"),
    "api-key": secret("azure"),
    "Cookie": f"session={secret('cookie')}",
    "Proxy-Authorization": f"Basic {secret('proxy-authorization')}",
    "X-Custom-Token": secret("custom"),
}


def raw(port: int, text: str) -> str:
    """Returns the response to bytes that are no valid request."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as agent:
        agent.sendall(text.encode())
        agent.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: agent.recv(65536), b"")).decode()


@pytest.mark.parametrize("keyed", [False, True], ids=["open", "keyed"])
def test_planted_secrets_stay_where_they_belong(start_proxy: StartProxy, tmp_path: Path, keyed: bool) -> None:
    """Sends secrets in every place, in requests that succeed and that fail in all ways, and searches all output of the
    proxy for them."""
    upstream_key, proxy_key = tmp_path / "upstream-key", tmp_path / "proxy-keys"
    upstream_key.write_text(secret("upstream") + "\n")
    proxy_key.write_text(f"{secret('proxy')}\n{secret('bound')} rollout-1\n")
    for path in (upstream_key, proxy_key):
        path.chmod(0o600)
    entrance = {"api-key": secret("proxy")} if keyed else {}
    flags = ["--log-level", "trace", "--upstream-api-key-file", upstream_key, "--retry-server-error"]
    flags += ["--api-key-file", proxy_key] if keyed else []
    trace = tmp_path / "trace.jsonl"
    own_responses: list[str] = []  # responses of the proxy itself

    def send(
        proxy: Proxy, path: str = "/v1/chat/completions", body: dict[str, Any] | None = None, **headers: str
    ) -> httpx.Response:
        url = f"{proxy.origin}{path}?key={secret('agent-query')}"
        return httpx.post(url, json=body or chat(GREETING), headers=EVERYWHERE | entrance | headers, timeout=60)

    def echo(status: int) -> Answer:
        """Returns the reply of an engine to an unknown key."""
        message = f"Incorrect API key provided: {secret('upstream')}. Yours: {secret('authorization')}"
        return Answer(status, json.dumps({"error": {"message": message, "code": "invalid_api_key"}}).encode())

    cookie = {"Content-Type": "application/json", "Set-Cookie": f"a={secret('set-cookie')}"}
    good = Answer(headers=cookie)
    answers = [good, good, echo(401), echo(400), echo(400), echo(400), echo(500), echo(500), good]
    started = []
    with serve(*answers) as (upstream, seen):
        proxy = start_proxy(f"{upstream}/v1?api-key={secret('upstream-query')}", *flags, trace=trace)
        started.append(proxy)
        reply = send(proxy)
        assert (reply.status_code, reply.headers["Set-Cookie"]) == (200, f"a={secret('set-cookie')}")
        assert send(proxy, "/v1/embeddings").status_code == 200
        refused = send(proxy)
        assert secret("upstream") in refused.text  # the engine's error passes unchanged
        for _ in range(3):
            send(proxy)
        # Malformed heads and bodies.
        own_responses.append(
            raw(proxy.port, f"GET /v1/models HTTP/1.1\r\nAuthorization {secret('authorization')}\r\n\r\n")
        )
        own_responses.append(raw(proxy.port, f"{secret('authorization')}\r\n\r\n"))
        own_responses.append(raw(proxy.port, f"GET {secret('agent-query')} HTTP/1.1\r\nHost: x\r\n\r\n"))
        body: dict[str, Any] = {"content": b'{"' + secret("body").encode(), "headers": EVERYWHERE | entrance}
        own_responses.append(httpx.post(f"{proxy.url}/chat/completions", **body).text)
        # Refused before forwarding.
        own_responses.append(send(proxy, f"/sessions/{secret('session')}%20x/v1/chat/completions").text)
        if keyed:
            own_responses.append(send(proxy, **{"api-key": "wrong"}).text)
            own_responses.append(send(proxy, "/sessions/other/v1/models", **{"api-key": secret("bound")}).text)
    assert any(f"api-key={secret('upstream-query')}" in request.path for request in seen)
    for request in seen:
        if request.method == "POST":
            values = " ".join(value for _, value in request.headers)
            assert secret("upstream") in values
            assert secret("proxy") not in values and secret("proxy-authorization") not in values
            assert secret("authorization") not in values and secret("x-api-key") not in values

    # An unreachable engine, and one without a trusted certificate.
    down = start_proxy(
        f"http://127.0.0.1:{free_port()}/?api-key={secret('upstream-query')}", *flags, trace=tmp_path / "down.jsonl"
    )
    started.append(down)
    own_responses += [send(down).text, send(down, "/v1/models").text]
    tls = [*flags, "--upstream-ca", AUTHORITY]
    with serve(good, tls=server_side("expired")) as (upstream, seen):
        distrusting = start_proxy(f"{upstream}?api-key={secret('upstream-query')}", *tls, trace=tmp_path / "tls.jsonl")
        started.append(distrusting)
        own_responses += [send(distrusting).text, send(distrusting, "/v1/models").text]
    assert seen == []

    planted = [
        secret(name)
        for name in [
            "authorization",
            "x-api-key",
            "azure",
            "cookie",
            "proxy-authorization",
            "custom",
            "agent-query",
            "upstream-query",
            "upstream",
            "proxy",
            "bound",
            "set-cookie",
        ]
    ]
    private_key = (CERTIFICATES / "good.key").read_text().splitlines()[1]
    for proxy in started:
        command_line = Path(f"/proc/{proxy.process.pid}/cmdline").read_bytes()
        assert proxy.stop() == 0
        left = {"stderr": proxy.stderr, "stdout": json.dumps(proxy.announcement) + proxy.process.stdout.read().decode()}
        left["trace"] = proxy.trace.read_text()
        left["own responses"] = "".join(own_responses)
        # The query is in the command line here because the test gave the URL as an argument.
        left["command line"] = command_line.decode().replace(secret("upstream-query"), "")
        for where, text in left.items():
            for value in [*planted, private_key]:
                assert value not in text, f"{value} in {where}"
        assert not any("?" in record["path"] for record in proxy.records())
    errors = [record["response"]["upstream_error"] for record in started[0].records() if record["status"] == 401]
    assert errors[0]["error"]["message"] == "Incorrect API key provided: [redacted]. Yours: [redacted]"


def test_credentials_in_wrong_flags_are_not_repeated(tmp_path: Path) -> None:
    for url in (f"http://user:{secret('url')}@127.0.0.1", f"ftp://{secret('url')}", f"http://x y/{secret('url')}"):
        refused = verbatim("--upstream-url", url, cwd=tmp_path)
        assert refused.returncode == 64
        assert secret("url") not in refused.stderr + refused.stdout


def test_a_private_key_is_not_repeated(tmp_path: Path) -> None:
    swapped = ["--tls-cert", CERTIFICATES / "good.key", "--api-key-file", CERTIFICATES / "good.key"]
    for flags in ([*swapped[:2], "--tls-key", CERTIFICATES / "good.pem"], swapped[2:]):
        refused = verbatim("--upstream-url", "http://127.0.0.1:1", "--port", 0, *flags, cwd=tmp_path)
        assert refused.returncode == 64
        assert (CERTIFICATES / "good.key").read_text().splitlines()[1] not in refused.stderr


def test_redirects_are_passed_on_and_not_followed(start_proxy: StartProxy) -> None:
    with serve(Answer()) as (elsewhere, followed):
        moved = Answer(307, b"moved", {"Location": f"{elsewhere}/v1/chat/completions"})
        with serve(moved) as (upstream, _):
            proxy = start_proxy(upstream, env={"VERBATIM_UPSTREAM_API_KEY": OURS})
            for route in ("chat/completions", "embeddings"):
                reply = post(proxy.url, chat(GREETING), route=route)
                assert (reply.status_code, reply.content) == (307, b"moved")
                assert reply.headers["Location"] == f"{elsewhere}/v1/chat/completions"
    assert followed == []


def test_the_agent_cannot_choose_the_host(start_proxy: StartProxy) -> None:
    with serve(Answer()) as (elsewhere, strangers), serve(Answer()) as (upstream, seen):
        proxy = start_proxy(upstream, env={"VERBATIM_UPSTREAM_API_KEY": OURS})
        other = elsewhere.removeprefix("http://")
        for target, host in [(f"{elsewhere}/v1/models", other), ("/v1/models", other), (f"//{other}/v1/models", "x")]:
            assert raw(proxy.port, f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").count("HTTP/1.1 404 ") == 1
        raw(proxy.port, f"CONNECT {other} HTTP/1.1\r\nHost: {other}\r\n\r\n")
    assert strangers == []
    assert {dict(request.headers)["Host"] for request in seen} == {upstream.removeprefix("http://")}


def test_the_trace_is_its_owners_alone(start_proxy: StartProxy, tmp_path: Path) -> None:
    """Independently of the umask, and also for the part of a torn trace that is set aside."""
    trace = tmp_path / "trace.jsonl"
    with serve(Answer()) as (upstream, _):
        proxy = start_proxy(upstream, trace=trace)
        post(proxy.url, chat(GREETING))
        assert proxy.stop() == 0
        assert stat.S_IMODE(trace.stat().st_mode) == 0o600
        with trace.open("a") as file:
            file.write('{"turn":2,"req')
        assert start_proxy(upstream, trace=trace).stop() == 0
    assert stat.S_IMODE(Path(f"{trace}.torn-1").stat().st_mode) == 0o600
