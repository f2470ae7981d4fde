"""Whose credentials reach the engine, and that they end up nowhere else."""

from pathlib import Path

import pytest

from harness import GREETING, ask, chat, post
from upstreams import Answer, serve

OURS, THEIRS = "sk-ours-4f1c8b", "sk-theirs-93aa20"


def credentials(seen):
    turn = next(request for request in seen if request.method == "POST")
    return [value for name, value in turn.headers if name.lower() == "authorization"]


def assert_kept_secret(proxy, *secrets):
    command_line = Path(f"/proc/{proxy.process.pid}/cmdline").read_text()
    assert proxy.stop() == 0
    for secret in secrets:
        assert secret not in command_line
        assert secret not in proxy.stderr
        assert secret not in proxy.trace.read_text()


@pytest.mark.parametrize("name", ["VERBATIM_UPSTREAM_API_KEY", "OPENCODE_UPSTREAM_API_KEY"])
def test_configured_key_replaces_the_agents(start_proxy, name):
    with serve(Answer()) as (upstream, seen):
        proxy = start_proxy(upstream, env={name: OURS})
        with proxy.client(api_key=THEIRS) as client:
            ask(client, GREETING)
    assert credentials(seen) == [f"Bearer {OURS}"]
    assert_kept_secret(proxy, OURS, THEIRS)


def test_our_own_variable_wins(start_proxy):
    with serve(Answer()) as (upstream, seen):
        proxy = start_proxy(upstream, env={"VERBATIM_UPSTREAM_API_KEY": OURS, "OPENCODE_UPSTREAM_API_KEY": "sk-old"})
        post(proxy.url, chat(GREETING))
    assert credentials(seen) == [f"Bearer {OURS}"]


def test_without_a_key_the_agents_own_is_forwarded(start_proxy):
    with serve(Answer()) as (upstream, seen):
        proxy = start_proxy(upstream)
        with proxy.client(api_key=THEIRS) as client:
            ask(client, GREETING)
    assert credentials(seen) == [f"Bearer {THEIRS}"]
    assert_kept_secret(proxy, THEIRS)


def test_no_secret_in_the_record_of_a_failure(start_proxy):
    headers = {"Authorization": f"Bearer {THEIRS}", "api-key": "sk-azure-77", "Cookie": "session=sk-cookie-5"}
    with serve(Answer(500, b'{"error":{"message":"broken"}}')) as (upstream, seen):
        proxy = start_proxy(upstream, env={"VERBATIM_UPSTREAM_API_KEY": OURS})
        post(proxy.url, chat(GREETING), headers=headers)
    assert credentials(seen) == [f"Bearer {OURS}"]
    assert proxy.record()["outcome"] == "upstream_error"
    assert_kept_secret(proxy, OURS, THEIRS, "sk-azure-77", "sk-cookie-5")


def test_agents_other_headers_are_forwarded(start_proxy):
    with serve(Answer()) as (upstream, seen):
        proxy = start_proxy(upstream)
        headers = {"X-Session-Id": "s-1", "x-custom": "kept", "Connection": "x-hop", "x-hop": "1"}
        post(proxy.url, chat(GREETING), headers=headers)
    turn = next(request for request in seen if request.method == "POST")
    sent = {name.lower(): value for name, value in turn.headers}
    assert (sent["x-session-id"], sent["x-custom"], sent["accept-encoding"]) == ("s-1", "kept", "identity")
    assert sent["host"] == upstream.removeprefix("http://")
    assert "x-hop" not in sent
