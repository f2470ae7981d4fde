"""The workloads: the load, the proxies under it, and the figures that are compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from peers import Kind


@dataclass
class Case:
    """One column: a proxy under a variant of the load. `direct` means no proxy."""

    name: str
    proxy: str
    flags: dict = field(default_factory=dict)
    # The number of units of work in a turn, if a unit is neither an event nor a turn.
    units: float = 0


@dataclass
class Ratio:
    """A figure of one case divided by that of another in the same round."""

    name: str
    top: str
    bottom: str
    figure: str
    wanted: str = ""
    # Subtract the figure of `direct` in the same round first, to compare what the proxies add.
    is_added: bool = False
    factor: float = 1


@dataclass
class Workload:
    name: str
    title: str
    # The unit of work to which CPU time refers.
    unit: str
    flags: dict
    cases: list
    ratios: list
    # The figures that are shown.
    figures: tuple = ("cpu",)
    scale: str = "µs"
    # The greatest number of events that the engine sends in one write.
    burst: int = 1
    # The share of the requested rounds that are run.
    rounds: float = 1
    is_quick: bool = True
    # Event loops of engine and client.
    threads: int = 1
    quick: dict = field(default_factory=dict)


ASK = {"asking": 100}
# Agents request no token data: everything that is injected is removed again.
SILENT = {"asking": 0}


def compared(floors: list[Kind], others: list[Kind], *more: Any) -> list[Case]:
    """Returns the columns.

    Agents of proxies that do not capture request what Verbatim injects, so that the engine sends the same bytes to all.
    """
    cases = [Case("direct", "direct", ASK)]
    cases += [Case(kind.name, kind.name, ASK) for kind in floors + others]
    return [*cases, Case("off", "off", ASK), Case("on", "on", SILENT), *more]


def against(cases: list[Case], figure: str, wanted: str = "", is_added: bool = False) -> list[Ratio]:
    """Returns the ratios of `on` to each other column."""
    peers = [case.name for case in cases if case.name not in ("direct", "on", "on asked")]
    return [Ratio(f"on ÷ {peer}", "on", peer, figure, wanted if peer == "nginx" else "", is_added) for peer in peers]


def workloads(floors: list[Kind], others: list[Kind], rich: bool) -> list[Workload]:
    """Returns all workloads. `rich`: there are enough cores for two event loops and the load."""
    asked = Case("on asked", "on", ASK)
    cases = compared(floors, others, asked)
    # The log-probability entries are most of a large reply.
    detailed = compared(floors, others, asked, Case("full", "full", SILENT))
    timed = compared(floors, others)
    # Of 1 KB.
    small = {"prompt_bytes": 810, "min_events": 1, "unary": 100}
    stream = {"prompt_bytes": 760, "min_events": 512, "agents": 8}
    found = [
        Workload(
            "unary",
            "small unary request, 16 agents",
            "request",
            small | {"agents": 16},
            cases,
            against(cases, "cpu", "≤ 3.2"),
            ("cpu", "rate", "turn_p50", "turn_p99", "octave_40"),
        ),
        Workload(
            "reply",
            "unary reply of 1.1 MB, 4 agents",
            "reply",
            {"unary": 100, "min_events": 2048, "agents": 4},
            detailed,
            [
                *against(cases, "cpu", "≤ 4"),
                Ratio("on ÷ full", "on", "full", "cpu"),
                Ratio("record, on ÷ full", "on", "full", "record_bytes"),
            ],
            ("cpu", "rate", "record_bytes"),
            scale="ms",
        ),
        Workload(
            "stream",
            "streamed event, 8 unpaced streams, a write each",
            "event",
            stream,
            cases,
            against(cases, "cpu", "≤ 1.35"),
            ("cpu", "rate", "events_a_read"),
        ),
        Workload(
            "bursts",
            "streamed event, 8 unpaced streams, 64 in a write",
            "event",
            stream,
            cases,
            against(cases, "cpu"),
            ("cpu", "rate", "events_a_read"),
            burst=64,
        ),
        Workload(
            "paced",
            "streamed event, 200 streams paced 100 ms",
            "event",
            # They start 10.5 ms apart, so that no two send at the same moment.
            {"agents": 200, "turns": 1, "min_events": 64, "interval": 100, "ramp": 2.1},
            timed,
            [
                *against(timed, "cpu", "≤ 1.5"),
                Ratio("delay p50", "on", "nginx", "delay_p50", "", True),
                Ratio("delay p99", "on", "nginx", "delay_p99", "", True),
                Ratio("gap p99", "on", "nginx", "gap_excess_p99", "≤ 2"),
            ],
            ("cpu", "delay_p50", "delay_p99", "gap_excess_p99"),
            rounds=0.6,
            quick={"min_events": 24, "ramp": 1.05},
        ),
        Workload(
            "one",
            "one stream paced 10 ms",
            "event",
            {"agents": 1, "turns": 1, "min_events": 200, "interval": 10},
            timed,
            [
                Ratio("delay p50", "on", "nginx", "delay_p50", "≤ 1.6", True),
                Ratio("delay p99", "on", "nginx", "delay_p99", "", True),
            ],
            ("cpu", "delay_p50", "delay_p99", "octave_40"),
            quick={"min_events": 100},
        ),
        Workload(
            "disk",
            "small unary request, 64 agents, trace-sync disk and write",
            "request",
            small | {"agents": 64},
            [Case("write", "on", SILENT), Case("disk", "disk", SILENT)],
            [
                Ratio("wall time of a turn", "disk", "write", "turn_p50"),
                Ratio("wall time, all turns", "disk", "write", "wall", "≤ 1.5"),
                Ratio("CPU", "disk", "write", "cpu", "≤ 1.5"),
            ],
            ("cpu", "rate", "turn_p50", "turn_p99"),
        ),
    ]
    return found + loops(small, stream, rich) + growth(small)


def loops(small: dict[str, Any], stream: dict[str, Any], rich: bool) -> list[Workload]:
    """Compares one and two event loops. If the load leaves no core for the second, only CPU time is compared."""
    flags = {"asking": 0}
    cases = [Case("one loop", "on", flags), Case("two loops", "two loops", flags)]
    ratios = [
        Ratio(
            "speed-up if nothing waits: 2 × CPU of one ÷ CPU of two", "one loop", "two loops", "cpu", "≥ 1.7", factor=2
        )
    ]
    if rich:
        ratios.append(Ratio("throughput, two ÷ one", "two loops", "one loop", "rate", "≥ 1.7"))
    more: dict[str, Any] = {"figures": ("cpu", "rate"), "rounds": 0.6, "is_quick": False, "threads": 2 if rich else 1}
    return [
        Workload(
            "loops-unary",
            "one event loop and two: small unary request, 32 agents",
            "request",
            small | {"agents": 32},
            cases,
            ratios,
            **more,
        ),
        Workload(
            "loops-stream",
            "one event loop and two: streamed event, 16 unpaced streams",
            "event",
            stream | {"agents": 16},
            cases,
            ratios,
            **more,
        ),
    ]


def growth(small: dict[str, Any]) -> list[Workload]:
    """Compares the cost of a unit in small and large requests and replies."""

    def grown(
        name: str,
        title: str,
        unit: str,
        base: dict[str, Any],
        variants: list[tuple[str, float, dict[str, Any]]],
        **more: Any,
    ) -> Workload:
        cases = [Case(label, "on", SILENT | flags, units) for label, units, flags in variants]
        last = cases[-1].name
        ratios = [Ratio(f"{last} ÷ {case.name}", last, case.name, "cpu", "") for case in cases[:-1]]
        return Workload(name, title, unit, base, cases, ratios, rounds=0.6, is_quick=False, **more)

    return [
        grown(
            "growth-stream",
            "event of a stream of so many tokens",
            "event",
            {"agents": 4, "prompt_bytes": 760},
            [(f"{tokens}", 0, {"min_events": tokens}) for tokens in (512, 4096, 32768)],
        ),
        grown(
            "growth-reply",
            "MB of a unary reply",
            "MB",
            {"agents": 2, "unary": 100},
            [
                (f"{size:.3g} MB", size, {"min_events": tokens})
                for tokens in (2048, 8192, 32768)
                for size in (tokens * 1.1 / 2048,)
            ],
            scale="ms",
        ),
        grown(
            "growth-prompt",
            "MB of a request",
            "MB",
            small | {"agents": 4},
            [
                (label, size / 1e6, {"prompt_bytes": size})
                for label, size in (("64 KB", 65_536), ("1 MB", 1_000_000), ("4 MB", 4_000_000))
            ],
            scale="ms",
        ),
    ]
