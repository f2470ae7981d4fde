"""A folder of traces, one for each rollout: restarts, kill -9, bounded files, threads and memory."""

import contextlib
import json
import os
import random
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from test_kill import Load

import upstreams
from harness import SECONDS, Proxy, StartProxy, eventually, post, read_trace, verbatim

KILLS = int(os.environ.get("FOLDER_KILLS", "8"))
SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))
LINUX = Path("/proc/self/status").exists()


def ask(proxy: Proxy, headers: dict[str, str], text: str = "hi") -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    assert post(proxy.url, body, headers=headers).status_code == 200


def turns(path: Path) -> list[tuple[str, int]]:
    return [(record["session_id"], record["turn"]) for record in read_trace(path)]


def test_a_file_for_each_rollout_over_kills(start_proxy: StartProxy, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "traces"
    families: list[tuple[dict[str, str], str, str]] = [
        ({"X-Verbatim-Session": "named"}, "named", "named"),
        ({"X-Verbatim-Session": "named", "x-claude-code-agent-id": "s"}, "named:s", "named"),
        ({"X-Session-Id": "main"}, "main", "main"),
        ({"X-Session-Id": "sub", "x-parent-session-id": "main"}, "sub", "main"),
        ({"X-Session-Id": "deep", "x-parent-session-id": "sub"}, "deep", "main"),
        ({}, "default", "default"),
    ]
    expected: dict[str, list[tuple[str, int]]] = {}
    with upstreams.echoing() as upstream:
        for turn in range(1, 4):
            # The slash says that it is a folder, before there is one.
            proxy = start_proxy(upstream, "--quiet", trace=f"{folder}/")  # type: ignore[arg-type]
            for headers, session, rollout in families:
                ask(proxy, headers)
                expected.setdefault(rollout, []).append((session, turn))
            proxy.process.kill()
            proxy.process.wait(SECONDS)
    assert {path.stem: turns(path) for path in folder.glob("*.jsonl")} == expected

    checked = verbatim("trace", "check", folder)
    assert (checked.returncode, checked.stdout) == (
        0, f"{folder}: 3 rollouts, 18 turns, 6 sessions, nothing wrong\n"
    )  # fmt: skip
    assert "18" in verbatim("trace", "stats", folder).stdout
    shown = verbatim("trace", "show", folder, "--session", "deep", "--turn", 2)
    assert shown.returncode == 0
    assert shown.stdout.count("── turn") == 1
    assert verbatim("trace", "show", folder, "--session", "other").returncode == 65

    (folder / "main.jsonl").write_text((folder / "main.jsonl").read_text() + "no record\n")
    checked = verbatim("trace", "check", f"{folder}/")
    assert checked.returncode == 65
    assert f"{folder}/main.jsonl, line 10: " in checked.stdout
    assert verbatim("trace", "check", folder, folder / "main.jsonl").returncode == 64
    assert verbatim("trace", "stats", folder).returncode == 65


def test_rows_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    for name in ("a", "b"):
        record: dict[str, Any] = {
            "turn": 1,
            "request": {"messages": [{"role": "user", "content": "hi"}]},
            "response": {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]},
            "logprobs": None,
            "completion_tokens": ["H", "i"],
            "completion_token_ids": [4, 5],
            "per_token_logps": [-0.5, -0.25],
            "finish_reason": "stop",
            "latency_s": 0.1,
            "timestamp": 1.0,
            "schema": "verbatim.turn/1",
            "session_id": name,
            "parent_session_id": None,
            "dialect": "chat.completions",
            "path": "/v1/chat/completions",
            "stream": False,
            "outcome": "completed",
            "status": 200,
            "client_fields": {},
            "prompt_token_ids": [1, 2, 3],
            "capture": {"level": "tokens", "complete": True, "problems": []},
        }
        (folder / f"{name}.jsonl").write_text(json.dumps(record) + "\n")
    for arguments, rollouts in (((), ["a", "b"]), (("--rollout", "b"), ["b"])):
        made = verbatim("rows", folder, *arguments)
        assert made.returncode == 0, made.stderr
        assert [json.loads(line)["rollout_id"] for line in made.stdout.splitlines()] == rollouts
    (folder / "a.jsonl").unlink()
    (folder / "b.jsonl").unlink()
    empty = verbatim("rows", folder)
    assert (empty.returncode, "no file in it ends in .jsonl" in empty.stderr) == (66, True)


def test_one_proxy_writes_to_a_folder(start_proxy: StartProxy, tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    with upstreams.echoing() as upstream:
        proxy = start_proxy(upstream, trace=folder)
        ask(proxy, {})
        second = verbatim("serve", "--upstream-url", upstream, "--trace", f"{folder}/", "--port", 0)
        assert second.returncode == 73
        assert f"another proxy (pid {proxy.process.pid}) writes to the traces in '{folder}/'" in second.stderr
        assert proxy.stop() == 0
        third = start_proxy(upstream, trace=folder)
        ask(third, {})
        assert third.stop() == 0
    assert turns(folder / "default.jsonl") == [("default", 1), ("default", 2)]


def test_killed_at_random_moments_under_load(start_proxy: StartProxy, tmp_path: Path) -> None:
    print(f"SEED={SEED}")
    chance = random.Random(SEED)
    folder = tmp_path / "traces"
    folder.mkdir()
    seen: dict[str, tuple[str, str]] = {}
    with upstreams.echoing() as upstream:
        for kill in range(KILLS):
            proxy = start_proxy(upstream, "--engine", "vllm", "--quiet", trace=folder)
            load = Load(proxy, chance.random(), f"{kill}")
            time.sleep(chance.random() * 0.5)
            proxy.process.kill()
            proxy.process.wait(SECONDS)
            seen |= load.join()
        # Each file is repaired when its rollout has the next turn.
        proxy = start_proxy(upstream, "--engine", "vllm", "--quiet", trace=folder)
        for path in folder.glob("*.jsonl"):
            ask(proxy, {"X-Verbatim-Session": path.stem}, f"last-{path.stem} ")
        assert proxy.stop() == 0
    found: dict[str, tuple[str, str]] = {}
    for path in folder.glob("*.jsonl"):
        numbers = []
        for record in read_trace(path):
            assert record["session_id"] == path.stem
            numbers.append(record["turn"])
            question = record["request"]["messages"][0]["content"]
            name = question.split(" ")[0]
            assert name not in found, f"{name} appears twice"
            found[name] = (path.stem, question)
        assert len(set(numbers)) == len(numbers), f"a turn of {path.stem} appears twice"
        if path.stem != "shared":
            assert numbers == list(range(1, len(numbers) + 1)), f"gaps in {path.stem}"
    lost = {name for name in seen if found.get(name) != seen[name]}
    assert not lost, f"records of replies that ended are missing: {sorted(lost)}"
    assert seen


@pytest.mark.skipif(not LINUX, reason="needs /proc")
def test_files_threads_and_memory_are_bounded(start_proxy: StartProxy, tmp_path: Path) -> None:
    def status(proxy: Proxy, field: str) -> int:
        lines = Path(f"/proc/{proxy.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))

    folder, large = tmp_path / "traces", tmp_path / "large"
    for path in (folder, large):
        path.mkdir()
    for number in range(10_000):
        (large / f"rollout-{number}.jsonl").write_bytes(b"{}\n")
    with upstreams.echoing() as upstream:
        empty = start_proxy(upstream, "--quiet", "--threads", 2, trace=folder)
        full = start_proxy(upstream, "--quiet", "--threads", 2, trace=large)
        assert status(full, "VmRSS") < status(empty, "VmRSS") + 4096, "kB"
        assert full.stop() == 0

        # Fewer descriptors than rollouts.
        pid = empty.process.pid
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (400, 400))
        with httpx.Client(base_url=empty.origin, timeout=SECONDS) as client, ThreadPoolExecutor(8) as pool:
            body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
            paths = [f"/sessions/r{number % 600}/v1/chat/completions" for number in range(1200)]
            replies = pool.map(lambda path: client.post(path, json=body), paths)
            assert {reply.status_code for reply in replies} == {200}
        assert status(empty, "Threads") < 40

        def open_traces() -> list[Path]:
            traces = []
            for path in Path(f"/proc/{pid}/fd").iterdir():
                # A descriptor may be closed meanwhile.
                with contextlib.suppress(FileNotFoundError):
                    if str(folder) in os.readlink(path):
                        traces.append(path)
            return traces

        files = eventually(open_traces, "traces are open")
        assert len(files) <= 300
        assert empty.stop() == 0
    for number in range(600):
        assert turns(folder / f"r{number}.jsonl") == [(f"r{number}", 1), (f"r{number}", 2)]
