"""Computes figures from the report of a run, and medians and paired ratios from the figures of all rounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from workloads import Case, Ratio, Workload

MICROSECONDS = {"µs": 1, "ms": 1000}


@dataclass
class Spread:
    """The median of all rounds, and the extremes."""

    middle: float
    least: float
    most: float
    rounds: int


def spread(values: Iterable[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return Spread(median(known), min(known), max(known), len(known)) if known else None


def of_run(report: dict[str, Any], units_of_turn: float, ran: float | None, waited: float | None) -> dict[str, Any]:
    """Returns the figures of one run. Times are in microseconds; CPU time is the proxy's, for a unit of work."""
    turns = report["turns"]["whole"]
    units = turns * units_of_turn
    figures = {"report": report, "turns": turns, "units": units, "rate": units / report["seconds"]}
    if units:
        figures["wall"] = report["seconds"] * 1e6 / units
    if ran is not None and units:
        figures |= {"cpu": ran * 1e6 / units, "cores": ran / report["seconds"]}
        # The time that it was ready to run but waited, because another process had its core.
        figures["waited"] = (waited or 0) / ran if ran else 0
    if report["reads"]:
        figures["events_a_read"] = report["events"] / report["reads"]
    for key in ("turn", "delay", "gap_excess"):
        histogram = report[f"{key}_us"]
        if histogram["count"]:
            figures |= {f"{key}_p50": histogram["p50"], f"{key}_p99": histogram["p99"], f"{key}_max": histogram["max"]}
    # A delayed acknowledgement would show here: 32,768 to 65,535 µs have sixteen binary digits.
    histogram = report["delay_us"] if report["delay_us"]["count"] else report["turn_us"]
    octaves = histogram["octaves"] + [0] * 17
    figures["octave_40"] = 1e6 * octaves[16] / histogram["count"] if histogram["count"] else None
    return figures


class Results:
    """The figures of a workload: a list for each case, with one entry for each round."""

    def __init__(self, workload: Workload, cases: list[Case]) -> None:
        self.workload = workload
        self.cases = cases
        self.rounds: dict[str, list[dict[str, Any]]] = {case.name: [] for case in cases}

    def note(self, case: Case, figures: dict[str, Any]) -> None:
        self.rounds[case.name].append(figures)

    def figure(self, case: str, name: str) -> Spread | None:
        return spread([figures.get(name) for figures in self.rounds.get(case, ())])

    def ratio(self, ratio: Ratio) -> Spread | None:
        """Returns the ratio, taken within each round, so that a disturbance of the machine affects both sides."""
        return spread(self.pairs(ratio))

    def pairs(self, ratio: Ratio) -> list[float | None]:
        direct = self.rounds.get("direct", ())
        pairs: list[float | None] = []
        rounds = zip(self.rounds.get(ratio.top, ()), self.rounds.get(ratio.bottom, ()), strict=True)
        for place, (above, below) in enumerate(rounds):
            top, bottom = above.get(ratio.figure), below.get(ratio.figure)
            if ratio.is_added and top is not None and bottom is not None:
                least = direct[place].get(ratio.figure, 0)
                top, bottom = top - least, bottom - least
            pairs.append(ratio.factor * top / bottom if top is not None and bottom is not None and bottom > 0 else None)
        return pairs

    def json(self) -> dict[str, Any]:
        return {
            "title": self.workload.title,
            "unit": self.workload.unit,
            "flags": self.workload.flags,
            "burst": self.workload.burst,
            "rounds": self.rounds,
            "ratios": {ratio.name: self.pairs(ratio) for ratio in self.workload.ratios},
        }
