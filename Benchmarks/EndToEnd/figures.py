"""Computes figures from the report of a run, and medians and paired ratios from the figures of all rounds."""

from dataclasses import dataclass
from statistics import median

MICROSECONDS = {"µs": 1, "ms": 1000}


@dataclass
class Spread:
    """The median of all rounds, and the extremes."""

    middle: float
    least: float
    most: float
    rounds: int


def spread(values):
    values = [value for value in values if value is not None]
    return Spread(median(values), min(values), max(values), len(values)) if values else None


def of_run(report, units_of_turn, ran, waited):
    """Returns the figures of one run. Times are in microseconds; CPU time is the proxy's, for a unit of work."""
    turns = report["turns"]["whole"]
    units = turns * units_of_turn
    figures = {"report": report, "turns": turns, "units": units, "rate": units / report["seconds"]}
    if units:
        figures["wall"] = report["seconds"] * 1e6 / units
    if ran is not None and units:
        figures |= {"cpu": ran * 1e6 / units, "cores": ran / report["seconds"]}
        # The time that it was ready to run but waited, because another process had its core.
        figures["waited"] = waited / ran if ran else 0
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

    def __init__(self, workload, cases):
        self.workload = workload
        self.cases = cases
        self.rounds = {case.name: [] for case in cases}

    def note(self, case, figures):
        self.rounds[case.name].append(figures)

    def figure(self, case, name):
        return spread([figures.get(name) for figures in self.rounds.get(case, ())])

    def ratio(self, ratio):
        """Returns the ratio, taken within each round, so that a disturbance of the machine affects both sides."""
        return spread(self.pairs(ratio))

    def pairs(self, ratio):
        direct = self.rounds.get("direct", ())
        pairs = []
        for place, (top, bottom) in enumerate(
                zip(self.rounds.get(ratio.top, ()), self.rounds.get(ratio.bottom, ()))):
            top, bottom = top.get(ratio.figure), bottom.get(ratio.figure)
            if ratio.is_added and top is not None and bottom is not None:
                least = direct[place].get(ratio.figure, 0)
                top, bottom = top - least, bottom - least
            pairs.append(ratio.factor * top / bottom if top is not None and bottom is not None and bottom > 0 else None)
        return pairs

    def json(self):
        return {
            "title": self.workload.title,
            "unit": self.workload.unit,
            "flags": self.workload.flags,
            "burst": self.workload.burst,
            "rounds": self.rounds,
            "ratios": {ratio.name: self.pairs(ratio) for ratio in self.workload.ratios},
        }
