"""Access: keys of agents, keys bound to sessions, and errors of unusable key files."""

from pathlib import Path

import anthropic
import httpx
import openai
import pytest

from harness import GREETING, StartProxy, ask, chat, post, verbatim
from upstreams import Answer, serve


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text("# one for each rollout\nsk-one rollout-1\n\nsk-two rollout-2\nsk-any\n")
    path.chmod(0o600)
    return path


def test_official_clients_get_in_with_a_key_and_not_without(start_proxy: StartProxy, keys: Path) -> None:
    with serve(Answer()) as (upstream, seen):
        proxy = start_proxy(upstream, "--api-key-file", keys)
        with proxy.client(api_key="sk-one") as client:
            ask(client, GREETING)
        with proxy.client(api_key="sk-wrong") as client, pytest.raises(openai.AuthenticationError) as refused:
            ask(client, GREETING)
        assert refused.value.code == "invalid_api_key"
        with (
            anthropic.Anthropic(base_url=proxy.origin, api_key="sk-wrong", max_retries=0) as client,
            pytest.raises(anthropic.AuthenticationError) as denied,
        ):
            client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}])
        assert denied.value.body["error"]["type"] == "authentication_error"
    assert [record["session_id"] for record in proxy.records()] == ["rollout-1"]
    assert not any("sk-one" in value for request in seen for _, value in request.headers)


def test_a_bound_key_cannot_write_elsewhere(start_proxy: StartProxy, keys: Path) -> None:
    with serve(Answer()) as (upstream, seen):
        proxy = start_proxy(upstream, "--api-key-file", keys)
        with (
            proxy.client(api_key="sk-two", base_url=f"{proxy.origin}/sessions/rollout-1/v1") as client,
            pytest.raises(openai.PermissionDeniedError) as refused,
        ):
            ask(client, GREETING)
        assert refused.value.code == "session_not_allowed"
        assert seen == []
        headers = {"api-key": "sk-two", "X-Session-Id": "rollout-1", "x-claude-code-agent-id": "helper"}
        assert post(proxy.url, chat(GREETING), headers=headers).status_code == 200
    record = proxy.record()
    assert (record["session_id"], record["parent_session_id"]) == ("rollout-2:helper", "rollout-2")


@pytest.mark.parametrize(
    "flags, env", [(("--api-key", "sk-a", "--api-key", "sk-b"), {}), ((), {"VERBATIM_API_KEY": "sk-a,sk-b"})]
)
def test_keys_by_flag_and_variable(start_proxy: StartProxy, flags: tuple[str, ...], env: dict[str, str]) -> None:
    with serve(Answer()) as (upstream, _):
        proxy = start_proxy(upstream, *flags, env=env)
        statuses = [
            post(proxy.url, chat(GREETING), headers={"x-api-key": key}).status_code
            for key in ("sk-a", "sk-b", "sk-c", "sk-a,sk-b")
        ]
    assert statuses == [200, 200, 401, 401]


def test_a_large_body_is_not_waited_for(start_proxy: StartProxy, keys: Path) -> None:
    """The client receives the refusal even if it is still sending."""
    with serve(Answer()) as (upstream, seen):
        proxy = start_proxy(upstream, "--api-key-file", keys)
        assert httpx.post(f"{proxy.url}/chat/completions", content=b"x" * (8 << 20)).status_code == 401
    assert seen == []


def test_health_needs_no_key(start_proxy: StartProxy, keys: Path) -> None:
    proxy = start_proxy("http://127.0.0.1:1", "--api-key-file", keys)
    assert httpx.get(f"{proxy.origin}/healthz").json() == {"status": "ok"}


def test_an_open_address_is_warned_of(start_proxy: StartProxy) -> None:
    proxy = start_proxy("http://127.0.0.1:1", "--host", "0.0.0.0")
    assert proxy.stop() == 0
    assert "NO API KEY" in proxy.stderr


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "is empty"),
        ("sk-secret-1 two words\n", "line 1"),
        ("sk-secret-1\nsk-secret-1\n", "line 2: the same key"),
        ("sk-secret-1 a/b\n", "line 1: a session id must"),
        ("sk-secret-ü\n", "line 1: a key must not"),
    ],
)
def test_bad_key_files(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text)
    refused = verbatim("--upstream-url", "http://127.0.0.1:1", "--api-key-file", path, "--port", 0, cwd=tmp_path)
    assert refused.returncode == 64
    assert words in refused.stderr
    assert "sk-secret" not in refused.stderr


@pytest.mark.parametrize(
    "flag", ["--api-key-file", "--upstream-api-key-file", "--upstream-ca", "--tls-cert", "--tls-key"]
)
def test_files_that_cannot_be_read(tmp_path: Path, flag: str) -> None:
    missing, other = tmp_path / "missing", tmp_path / "other"
    other.write_text("other")
    pair = {"--tls-cert": ["--tls-key", other], "--tls-key": ["--tls-cert", other]}.get(flag, [])
    refused = verbatim("--upstream-url", "http://127.0.0.1:1", "--port", 0, flag, missing, *pair, cwd=tmp_path)
    assert refused.returncode == 66
    assert str(missing) in refused.stderr
    assert refused.stdout == ""
