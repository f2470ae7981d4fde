"""Engines and proxies at addresses other than 127.0.0.1, and at names whose address changes."""

import os
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from harness import StartProxy, chat, post
from upstreams import Answer, serve

CLOSING = Answer(headers={"Content-Type": "application/json", "Connection": "close"})


def has_ipv6() -> bool | None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")
def test_ipv6_on_both_sides(start_proxy: StartProxy) -> None:
    with serve(Answer(), address="::1") as (upstream, seen):
        proxy = start_proxy(upstream, "--host", "::1")
        assert proxy.url == f"http://[::1]:{proxy.port}/v1"
        assert post(proxy.url, chat("hi")).status_code == 200
        assert dict(seen[0].headers)["Host"] == upstream.removeprefix("http://")
        assert httpx.get(f"http://[::1]:{proxy.port}/healthz").json() == {"status": "ok"}
        assert proxy.record()["outcome"] == "completed"


def may_have_hosts_of_its_own(folder: Path) -> bool:
    hosts = folder / "probe"
    hosts.write_text("127.0.0.1 localhost\n")
    script = f"mount --bind {hosts} /etc/hosts && grep -q localhost /etc/hosts"
    return subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True).returncode == 0


def test_a_name_that_moves_is_followed(
    start_proxy: StartProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not may_have_hosts_of_its_own(tmp_path):
        pytest.skip("needs root and mount namespaces")
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.2 engine.test\n")
    wrapper = tmp_path / "verbatim"
    binary = os.environ["VERBATIM"]
    wrapper.write_text(
        f'#!/bin/sh\nexec unshare -m sh -c \'mount --bind {hosts} /etc/hosts && exec {binary} "$@"\' verbatim "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("VERBATIM", str(wrapper))
    with serve(CLOSING, address="127.0.0.2") as (first, seen_first):
        port = int(first.rsplit(":", 1)[1])
        with serve(CLOSING, address="127.0.0.3", port=port) as (_, seen_second):
            proxy = start_proxy(f"http://engine.test:{port}")
            assert post(proxy.url, chat("one")).status_code == 200
            hosts.write_text("127.0.0.3 engine.test\n")
            assert post(proxy.url, chat("two")).status_code == 200
            assert (len(seen_first), len(seen_second)) == (1, 1)
            hosts.write_text("")
            reply = post(proxy.url, chat("three"))
            assert reply.status_code == 502 and "name" in reply.json()["error"]["message"]
    assert [record["outcome"] for record in proxy.records()] == ["completed", "completed", "upstream_error"]
