"""The trace is renamed, deleted or replaced while the proxy runs, as tools for log rotation do."""

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

import upstreams
from harness import SECONDS, Proxy, StartProxy, eventually, post, read_trace, verbatim


def question(content: str, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": content}], **fields}


def asked(path: Path) -> list[tuple[int, str]]:
    return [(record["turn"], record["request"]["messages"][0]["content"]) for record in read_trace(path)]


@pytest.fixture
def proxy(start_proxy: StartProxy) -> Iterator[Proxy]:
    with upstreams.echoing() as upstream:
        yield start_proxy(upstream)


def test_hangup_reopens_the_trace(proxy: Proxy, tmp_path: Path) -> None:
    rotated = tmp_path / "trace.jsonl.1"
    post(proxy.url, question("first"))
    proxy.process.send_signal(signal.SIGHUP)  # has no effect, since nothing was renamed
    post(proxy.url, question("second"))
    proxy.trace.rename(rotated)
    proxy.process.send_signal(signal.SIGHUP)
    eventually(proxy.trace.exists, "the trace is opened anew")
    assert proxy.trace.stat().st_mode & 0o777 == 0o600
    post(proxy.url, question("third", stream=True))

    assert asked(rotated) == [(1, "first"), (2, "second")]
    assert asked(proxy.trace) == [(3, "third")]
    assert proxy.stop() == 0
    assert proxy.stderr.count("reopened the trace") == 1
    for files in ([rotated], [proxy.trace], [rotated, proxy.trace]):
        checked = verbatim("trace", "check", *files)
        assert checked.returncode == 0, checked.stdout
        assert ("without turn 1" in checked.stdout) == (files == [proxy.trace])
    assert verbatim("trace", "check", proxy.trace, rotated).returncode == 0


def test_renaming_is_noticed_without_a_signal(proxy: Proxy, tmp_path: Path) -> None:
    """By the next record, or within a second."""
    post(proxy.url, question("first"))
    proxy.trace.rename(tmp_path / "one")
    post(proxy.url, question("second"))
    assert asked(tmp_path / "one") == [(1, "first")]
    assert asked(proxy.trace) == [(2, "second")]

    proxy.trace.unlink()
    eventually(proxy.trace.exists, "the trace is there again")
    post(proxy.url, question("third"))
    assert asked(proxy.trace) == [(3, "third")]


def test_the_file_at_the_path_is_continued(proxy: Proxy, tmp_path: Path) -> None:
    post(proxy.url, question("first"))
    other = tmp_path / "other"
    line = {"turn": 7, "request": {}, "response": {}}
    other.write_text(json.dumps(line) + '\n{"turn":8,"requ')
    proxy.trace.rename(tmp_path / "one")
    other.rename(proxy.trace)
    eventually((tmp_path / "trace.jsonl.torn-1").exists, "the new file's end is repaired")
    eventually(lambda: "reopened the trace" in proxy.stderr, "the trace is opened anew")
    post(proxy.url, question("second"))
    assert [record["turn"] for record in read_trace(proxy.trace)] == [7, 8]
    assert (tmp_path / "trace.jsonl.torn-1").read_text() == '{"turn":8,"requ'
    assert verbatim("trace", "check", proxy.trace).returncode == 0


def test_a_trace_that_cannot_be_opened_again(proxy: Proxy, start_proxy: StartProxy, tmp_path: Path) -> None:
    """Another proxy uses the path: turns are refused until it stops, and no record is lost."""
    post(proxy.url, question("first"))
    proxy.process.send_signal(signal.SIGSTOP)
    proxy.trace.rename(tmp_path / "one")
    other = start_proxy("http://127.0.0.1:1")
    proxy.process.send_signal(signal.SIGCONT)

    reply = post(proxy.url, question("second"))
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "trace_unavailable")
    health = httpx.get(f"{proxy.origin}/healthz")
    assert (health.status_code, health.json()["status"]) == (503, "unavailable")
    assert f"another proxy (pid {other.process.pid}) writes to it" in health.json()["reason"]

    assert other.stop() == 0
    eventually(lambda: httpx.get(f"{proxy.origin}/healthz").status_code == 200, "the trace can be written again")
    post(proxy.url, question("last"))
    records = read_trace(proxy.trace)
    assert records[-1]["request"]["messages"][0]["content"] == "last"
    # The second turn was refused before or after it began, depending on what noticed the renaming first.
    assert [record["turn"] for record in records] == list(range(2, len(records) + 2))
    assert all("trace_write_failed" in record["capture"]["problems"] for record in records[:-1])


def test_rotated_all_the_time_under_load(proxy: Proxy, tmp_path: Path) -> None:
    """Each finished turn is in exactly one file, and the numbers have no gaps."""
    turns, clients = 40, 6
    is_over = threading.Event()

    def ask(client: openai.OpenAI) -> None:
        with httpx.Client(timeout=SECONDS) as http:
            for turn in range(turns):
                body = question(f"{client} {turn} " + "x" * 20_000, stream=turn % 2 == 0)
                reply = http.post(f"{proxy.origin}/sessions/{client}/v1/chat/completions", json=body)
                assert reply.status_code == 200

    def rotate() -> None:
        count = 0
        while not is_over.wait(0.02):
            if proxy.trace.exists():
                count += 1
                proxy.trace.rename(tmp_path / f"rotated-{count:04}")
                if count % 2:
                    proxy.process.send_signal(signal.SIGHUP)

    rotating = threading.Thread(target=rotate)
    rotating.start()
    threads = [threading.Thread(target=ask, args=[client]) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    is_over.set()
    rotating.join()

    assert proxy.stop() == 0
    files = sorted(tmp_path.glob("rotated-*")) + [proxy.trace] * proxy.trace.exists()
    found: dict[Any, Any] = {}
    for file in files:
        for record in read_trace(file):
            found.setdefault(record["session_id"], []).append(
                (record["turn"], record["request"]["messages"][0]["content"].rsplit(" ", 1)[0])
            )
    assert len(files) > 2
    assert found == {str(c): [(turn + 1, f"{c} {turn}") for turn in range(turns)] for c in range(clients)}
    checked = verbatim("trace", "check", *files)
    assert checked.returncode == 0, checked.stdout


def test_recording_resumes_when_the_folder_can_be_created(start_proxy: StartProxy, tmp_path: Path) -> None:
    with upstreams.echoing() as upstream:
        folder = tmp_path / "run"
        proxy = start_proxy(upstream, trace=folder / "trace.jsonl")
        post(proxy.url, question("first"))
        folder.rename(tmp_path / "old")
        folder.write_text("in the way")
        reply = post(proxy.url, question("second"))
        assert reply.status_code == 503
        folder.unlink()
        eventually(lambda: httpx.get(f"{proxy.origin}/healthz").status_code == 200, "the trace can be written again")
        post(proxy.url, question("third"))
        assert asked(tmp_path / "old" / "trace.jsonl") == [(1, "first")]
        records = read_trace(folder / "trace.jsonl")
        assert records[-1]["request"]["messages"][0]["content"] == "third"
        assert [record["turn"] for record in records] == list(range(2, len(records) + 2))


def test_hangup_without_a_trace(start_proxy: StartProxy) -> None:
    with upstreams.echoing() as upstream:
        proxy = start_proxy(upstream, "--capture", "off")
        proxy.process.send_signal(signal.SIGHUP)
        assert post(proxy.url, question("hi")).status_code == 200
        assert proxy.stop() == 0
