"""Training rows from the trace of a real engine, and from turns that are written by hand."""

import json
from pathlib import Path
from typing import Any

import openai

from harness import GREETING, Proxy, ask, verbatim

# Problems of records that are not trained.
LOST = {"token_count_mismatch", "duplicate_event", "token_text_mismatch", "ids_logprobs_mismatch", "event_missing"}


def rows(*arguments: object) -> list[dict[str, Any]]:
    command = verbatim("rows", *arguments)
    assert command.returncode == 0, command.stderr
    return [json.loads(line) for line in command.stdout.splitlines()]


def turn(number: int, prompt: list[int], completion: list[int], **fields: Any) -> str:
    record = {
        "turn": number,
        "request": {"model": "m"},
        "response": {},
        "completion_tokens": [f"t{token}" for token in completion],
        "completion_token_ids": completion,
        "per_token_logps": [-0.25 for _ in completion],
        "finish_reason": "stop",
        "latency_s": 0.5,
        "timestamp": float(number),
        "prompt_token_ids": prompt,
        "capture": {"level": "tokens", "complete": True, "problems": []},
    }
    return json.dumps(record | fields) + "\n"


def test_rows_of_an_engine(proxy: Proxy, agent: openai.OpenAI) -> None:
    """Each turn is in exactly one row, with the ids and log-probabilities that the engine gave."""
    ask(agent, GREETING)
    ask(agent, f"{GREETING} Again, please.")
    assert proxy.stop() == 0
    records = {(record["session_id"], record["turn"]): record for record in proxy.records()}
    seen = 0
    command = verbatim("rows", proxy.trace)
    found = [json.loads(line) for line in command.stdout.splitlines()]
    assert command.returncode == (0 if any(row["trainable"] for row in found) else 65), command.stderr
    for row in found:
        # Without the ids of its prompt a row is not trainable.
        assert not row["trainable"] or row["prompt_len"] > 0
        assert len(row["input_ids"]) == len(row["loss_mask"]) == len(row["logprobs"])
        for part in row["turns"]:
            record = records[part["session_id"], part["turn"]]
            start, end = part["completion"]
            assert row["input_ids"][start:end] == record["completion_token_ids"]
            # Some engines send no log-probability for some tokens, or leave tokens out.
            is_trained = not LOST & set(record["capture"]["problems"])
            values = [value if is_trained else None for value in record["per_token_logps"]]
            assert row["logprobs"][start:end] == [value or 0 for value in values]
            assert row["loss_mask"][start:end] == [int(value is not None) for value in values]
            seen += 1
    assert seen == len(records)


def test_turns_that_continue_are_one_row(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text(turn(1, [1, 2], [3]) + turn(2, [1, 2, 3, 4], [5, 6]))
    (row,) = rows(trace)
    assert row["schema"] == "verbatim.row/1"
    assert row["input_ids"] == [1, 2, 3, 4, 5, 6]
    assert row["loss_mask"] == [0, 0, 1, 0, 1, 1]
    assert row["logprobs"] == [0, 0, -0.25, 0, -0.25, -0.25]
    assert row["prompt_len"] == 2


def test_files_are_read_together(tmp_path: Path) -> None:
    lines = [turn(1, [1], [2]), turn(2, [1, 2, 3], [4]), turn(1, [9], [8], session_id="other")]
    paths = [tmp_path / f"{place}.jsonl" for place in range(3)]
    for path, line in zip(paths, lines, strict=True):
        path.write_text(line)
    assert rows(*paths) == rows(*reversed(paths))
    assert [row["session_id"] for row in rows(*paths, "--rollout", "other")] == ["other"]


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.write_text(turn(1, [1], [2], outcome="client_disconnected") + turn(2, [1], [3], retry_of=1))
    command = verbatim("rows", trace)
    assert [json.loads(line)["input_ids"] for line in command.stdout.splitlines()] == [[1, 3]]
    assert "turn 1: left out, other_attempt" in command.stderr


def test_exit_codes(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    assert verbatim("rows", empty).returncode == 65
    assert verbatim("rows", tmp_path / "missing.jsonl").returncode == 66
    broken = tmp_path / "broken.jsonl"
    broken.write_text(turn(1, [1], [2]) + "nonsense\n")
    command = verbatim("rows", broken)
    assert command.returncode == 65
    assert len(command.stdout.splitlines()) == 1, "the good lines are not lost"
