"""Compares the trace with what the agents sent and received. Shares no code with the proxy."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STATUS = {"error_500": 500, "error_429": 429}


class Verdict:
    """The failures found, and the counts of outcomes and tokens."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.outcomes: Counter[str] = Counter()
        self.tokens = 0

    def check(self, holds: bool, failure: str) -> None:
        if not holds:
            self.failures.append(failure)


def read(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            yield json.loads(line)


def compare(trace: Path, turns: list[dict[str, Any]]) -> Verdict:
    """Compares the trace with `turns`, which the agents logged: one for every request that the proxy accepted."""
    verdict = Verdict()
    wanted = {turn["id"]: turn for turn in turns}
    verdict.check(len(wanted) == len(turns), "the load tool used an id twice")
    seen: Counter[int] = Counter()
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for record in read(trace):
        id = record["request"]["load"]["id"]
        seen[id] += 1
        numbers[record["session_id"]].append(record["turn"])
        verdict.outcomes[record["outcome"]] += 1
        if turn := wanted.get(id):
            compare_turn(record, turn, verdict)
        else:
            verdict.check(False, f"request {id}: there is a record, but no agent sent it")
    for id, turn in wanted.items():
        # A proxy that stops closes connections with requests that it has not read.
        is_unread = bool(turn.get("is_stopped")) and turn["status"] == 0 and turn["end"] in ("cut", "refused")
        verdict.check(seen[id] == 1 or (is_unread and seen[id] == 0), f"request {id}: {seen[id]} records; {turn}")
    for session, turns_of_session in numbers.items():
        verdict.check(
            sorted(turns_of_session) == list(range(1, len(turns_of_session) + 1)),
            f"session {session}: turns {sorted(turns_of_session)[:10]}",
        )
    return verdict


def compare_turn(record: dict[str, Any], turn: dict[str, Any], verdict: Verdict) -> None:
    """Compares one record with the turn that an agent logged."""

    def check(holds: bool, what: str) -> None:
        verdict.check(holds, f"request {turn['id']}: {what}; {turn}; {record['outcome']} {record['capture']}")

    check(record["session_id"] == turn["session"], f"session {record['session_id']}")
    check(record["stream"] == turn["stream"], "stream flag")
    captured = len(record["completion_token_ids"])
    verdict.tokens += captured
    # In order, without gaps, each id with its own text and log-probability.
    numbers = range(1, captured + 1)
    check(record["completion_token_ids"] == [1_000_000 + number for number in numbers], "ids")
    check(record["completion_tokens"] == [f" {number:06}" for number in numbers], "tokens")
    check(record["per_token_logps"] == [float(f"-1.{number:06}") for number in numbers], "log-probabilities")
    entries = record["logprobs"] or []
    check([entry["token"] for entry in entries] == record["completion_tokens"], "entries of log-probabilities")

    outcome, end, fault, at = record["outcome"], turn["end"], turn["fault"], turn["at"]
    capture, received = record["capture"], turn["tokens"]
    if outcome == "completed":
        check(captured == turn["events"], f"{captured} tokens")
        check(record["usage"]["completion_tokens"] == turn["events"], "usage")
        check(capture == {"level": "tokens", "complete": True, "problems": []}, "capture")
    else:
        check(not capture["complete"], "complete")
    if end == "whole":
        check(outcome == ("upstream_error" if fault in STATUS else "completed"), "outcome")
        check(record["status"] == STATUS.get(fault, 200) == turn["status"], f"status {record['status']}")
    elif end == "left":
        # The proxy may have received the whole reply before the agent left.
        check(outcome in ("client_disconnected", "completed"), "outcome")
        check(captured >= received, f"{captured} tokens")
        if fault == "stall_at":
            check(outcome == "client_disconnected" and captured == at, f"{captured} tokens")
    elif end == "cut" and outcome == "shutdown":
        check(fault is None and captured == received, f"{captured} tokens")
    elif end == "error" and outcome == "shutdown":
        # The engine had sent no reply yet.
        check(fault is None and captured == 0 and record["status"] == turn["status"] == 503, "status")
    elif end == "cut" and fault == "stall_at":
        check(outcome == "timeout" and captured == received == at, f"{captured} tokens")
    elif end == "cut" and fault == "close_at":
        check(outcome == "upstream_disconnected" and captured == received == at, f"{captured} tokens")
    elif end == "cut" and fault == "reset_at":
        # A reset discards data that the proxy has not read.
        check(outcome == "upstream_disconnected" and received == captured <= at, f"{captured} tokens")
    elif end == "error" and fault in ("truncate", "reset_at", "close_at"):
        check(outcome == "upstream_disconnected" and turn["status"] == 502, "outcome")
        check(record["status"] == turn["status"], f"status {record['status']}")
    else:
        check(False, "unexpected end")
