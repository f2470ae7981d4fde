"""The trace commands with files that are no traces: one clear error, the documented exit code, bounded memory."""

import json
import os
import random
import resource
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from harness import SECONDS, verbatim

COMMANDS = ["show", "check", "stats"]
RECORD = json.dumps({"turn": 1, "request": {}, "response": {}}) + "\n"


def run(command: str, path: Path | str, *flags: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return verbatim("trace", command, path, *flags, **options)


def assert_error(finished: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert finished.returncode == code, (finished.stdout, finished.stderr)
    errors = [line for line in finished.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, finished.stderr
    assert all(word in errors[0] for word in words), errors


@pytest.mark.parametrize("command", COMMANDS)
def test_what_cannot_be_opened(command: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    cases = [
        (tmp_path, "Is a directory"),
        (tmp_path / "none", "No such file"),
        (tmp_path / "none" / "trace", "No such file"),
        ("", "No such file"),
        ("/dev/zero", "it is a device"),
        ("/dev/urandom", "it is a device"),
        (tmp_path / "fifo", "FIFO without a writer"),
    ]
    for path, words in cases:
        finished = run(command, path)
        assert_error(finished, 66, f"'{path}'", words)
        assert finished.stdout == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("command", COMMANDS)
def test_what_may_not_be_read(command: str, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text(RECORD)
    path.chmod(0)
    assert_error(run(command, path), 66, "Permission denied")


@pytest.mark.parametrize("command", COMMANDS)
def test_an_empty_trace_is_not_an_error(command: str, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path in (tmp_path / "empty", "/dev/null"):
        finished = run(command, path)
        assert (finished.returncode, finished.stderr) == (0, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_fifo_with_a_writer(command: str, tmp_path: Path) -> None:
    """`verbatim trace show <(zcat trace.jsonl.2.gz)`, with a slow writer."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = subprocess.Popen(
        ["sh", "-c", f"exec >'{path}'; printf '%s' '{RECORD[:9]}'; sleep 0.2; echo '{RECORD[9:]}'"]
    )
    finished = run(command, path)
    assert writer.wait(SECONDS) == 0
    assert finished.returncode == (65 if command == "check" else 0)  # the next line is empty
    assert finished.stderr == ""


def test_content_that_is_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    garbage = random.Random(7).randbytes(300_000)
    cases = {
        "text": b"nonsense\n" * 1000,
        "other JSON": b'[1]\n"a"\n7\n',
        "garbage": garbage + b"\n",
        "zeros": b"\0" * 5000 + b"\n",
        "half a character": b'{"turn":1,"request":{},"response":{},"x":"\xff"}\n{"turn"\xc3:2}\n',
        "deep": b'{"turn":1,"request":' + b"[" * 100_000 + b"\n",
        "windows": RECORD.strip().encode("utf-16") + b"\n",
    }
    for name, content in cases.items():
        path.write_bytes(content + RECORD.encode())
        checked = run("check", path)
        assert (checked.returncode, checked.stderr) == (65, ""), name
        findings = [line for line in checked.stdout.splitlines() if line.startswith("line ")]
        assert findings and checked.stdout.splitlines()[-1].startswith(f"{path}: 1 turn, 1 session, "), name
        for command in ("show", "stats"):
            if name != "half a character":  # readers may accept more than the check
                assert_error(run(command, path), 65, f"'{path}'", "record", "line 1: ")
        assert "turn 1" in run("show", path).stdout, name


def test_a_trace_of_another_proxy(tmp_path: Path) -> None:
    """Records of the Python proxy have no schema, no session and no capture."""
    path = tmp_path / "trace"
    record = {
        "turn": 1, "request": {"messages": [{"role": "user", "content": "hi"}]}, "response": {"choices": []},
        "logprobs": [{"token": "a", "logprob": -0.5}], "completion_tokens": ["a"], "completion_token_ids": [],
        "per_token_logps": [-0.5], "finish_reason": "stop", "latency_s": 0.5, "timestamp": 1.0,
    }  # fmt: skip
    path.write_text("".join(json.dumps(record | {"turn": turn}) + "\n" for turn in (1, 2)))
    for command in COMMANDS:
        finished = run(command, path)
        assert (finished.returncode, finished.stderr) == (0, ""), command
    # A different log with one JSON object per line.
    path.write_text('{"level":"info","message":"hello"}\n')
    for command in COMMANDS:
        assert run(command, path).returncode == 65


@pytest.mark.parametrize("value, code", [("0", 64), ("-1", 64), ("x", 64), ("1.5", 64), ("9" * 30, 64), ("2", 65)])
def test_wrong_turns(value: str, code: int, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text(RECORD)
    finished = run("show", path, f"--turn={value}")
    assert finished.returncode == code
    assert finished.stderr.startswith("error: ")
    assert finished.stdout == ""


def test_a_session_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text(RECORD)
    assert_error(run("show", path, "--session", "x"), 65, "no such turn")


@pytest.mark.parametrize(
    "command, first, limit",  # in megabytes
    [("check", b"x", 256), ("stats", b"\0", 256), ("show", b'{"a":"', 4096)],
)
def test_one_line_of_a_gigabyte(command: str, first: bytes, limit: int, tmp_path: Path) -> None:
    """A line is held in memory only if it begins like a record, and then at most twice."""
    size = 1_000_000_000
    path = tmp_path / "trace"
    with path.open("wb") as file:
        file.write(first)
        file.truncate(size)  # zeros, which use no disk space
        file.seek(size)
        file.write(b"\n" + RECORD.encode())
    most = (limit << 20, limit << 20)
    finished = run(command, path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, most))
    assert finished.returncode == 65, finished.stderr
    assert "line 1: " in finished.stdout + finished.stderr


def test_lines_beyond_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    with path.open("wb") as file:
        file.write(b'{"a":"')
        file.truncate(1_100_000_000)
        file.seek(1_100_000_000)
        file.write(b"\n" + RECORD.encode())
    checked = run("check", path)
    assert (checked.returncode, checked.stdout.splitlines()[0]) == (65, "line 1: the line is too long to be a record")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_changes_while_it_is_read(command: str, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text(RECORD * 50_000)
    is_over = threading.Event()

    def change() -> None:
        with path.open("r+b") as file:
            while not is_over.is_set():
                for size in (0, 700_000, len(RECORD) * 50_000):
                    file.truncate(size)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        for _ in range(5):
            finished = run(command, path)
            assert finished.returncode in (0, 65), finished.stderr
    finally:
        is_over.set()
        changing.join()
