"""Formats results: as text while the benchmark runs, and as Markdown at the end."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from figures import MICROSECONDS, Results, Spread
from footprint import Footprint
from machine import Cores
from workloads import Workload

NAMES = {
    "rate": "{units} a second",
    "wall": "wall time per {unit}, µs",
    "cpu": "CPU per {unit}, {scale}",
    "turn_p50": "turn p50, ms",
    "turn_p99": "turn p99, ms",
    "delay_p50": "delay p50, ms",
    "delay_p99": "delay p99, ms",
    "gap_excess_p99": "gap p99 over pace, ms",
    "events_a_read": "events that come at once",
    "octave_40": "33–66 ms, of a million",
    "record_bytes": "record, KB",
}


def title(figure: str, workload: Workload) -> str:
    units = {"reply": "replies", "MB": "MB"}.get(workload.unit, f"{workload.unit}s")
    return NAMES[figure].format(unit=workload.unit, units=units, scale=workload.scale)


def number(value: float | None) -> str:
    """Formats a number with three digits."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"


def shown(results: Results, case: str, figure: str) -> str:
    spread = results.figure(case, figure)
    if spread is None:
        return "–"
    scale = 1
    if figure == "cpu":
        scale = MICROSECONDS[results.workload.scale]
    elif figure.startswith(("turn", "delay", "gap", "record")):
        scale = 1000
    return number(spread.middle / scale)


def ratio_text(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    return f"{spread.middle:.2f} ({spread.least:.2f}–{spread.most:.2f})"


def grid(rows: list[list[str]]) -> Iterator[str]:
    """Formats columns as wide as needed; the first is aligned to the left."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield "  " + "  ".join(cells).rstrip()


def block(results: Results) -> str:
    """Formats the results of one workload."""
    workload = results.workload
    names = [case.name for case in results.cases]
    rows = [["", *names]]
    rows += [
        [title(figure, workload), *(shown(results, name, figure) for name in names)] for figure in workload.figures
    ]
    lines = [f"\n{workload.name}: {workload.title}", *grid(rows)]
    for ratio in ratios_of(results):
        lines.append("  " + "  ".join(part for part in ratio if part))
    if note := disturbance(results):
        lines.append("  " + note)
    return "\n".join(lines)


def ratios_of(results: Results) -> Iterator[tuple[str, str, str]]:
    """Yields the name, figure and target of each ratio."""
    for ratio in results.workload.ratios:
        if found := results.ratio(ratio):
            name = ratio.name if "÷" in ratio.name else f"{ratio.name}, {ratio.top} ÷ {ratio.bottom}"
            if ratio.is_added:
                name = f"added {name}"
            if ratio.figure == "cpu" and "CPU" not in name:
                name = f"CPU, {name}"
            yield name, ratio_text(found), f"wanted {ratio.wanted}" if ratio.wanted else ""


def disturbance(results: Results) -> str:
    """Returns a warning if other processes used the proxy's core."""
    shares = [figures["waited"] for rounds in results.rounds.values() for figures in rounds if figures.get("waited")]
    if shares and max(shares) > 0.1:
        return f"others used the proxy's core: it waited for up to {max(shares):.2f} of the time that it ran"
    return ""


def markdown_table(rows: list[list[str]]) -> Iterator[str]:
    yield "| " + " | ".join(rows[0]) + " |"
    yield "|" + "---|" * len(rows[0])
    for row in rows[1:]:
        yield "| " + " | ".join(row) + " |"


def document(
    machine: dict[str, Any], cores: Cores, command: str, date: str, all_results: list[Results], footprint: Footprint
) -> str:
    """Returns the text between the markers of docs/performance.md."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    description = (
        f"`{command}`, {date}: {machine['processor']}, {machine['memory']}, {machine['kernel']}; {cores.text}; "
        f"{versions}; Verbatim {machine['commit']}."
    )
    lines = [*textwrap.wrap(description, 120, break_on_hyphens=False), ""]
    plain = [results for results in all_results if "direct" in results.rounds]
    if plain:
        columns = [
            case.name for case in max(plain, key=lambda results: len(results.cases)).cases if case.name != "direct"
        ]
        rows = [["CPU per unit", *columns]]
        rows += [
            [results.workload.title]
            + [
                f"{value} {results.workload.scale}" if (value := shown(results, name, "cpu")) != "–" else value
                for name in columns
            ]
            for results in plain
        ]
        lines += [*markdown_table(rows), ""]
    rows = [["ratios of one round", "median (least–most)", "wanted"]]
    for results in all_results:
        for name, text, wanted in ratios_of(results):
            rows.append([f"{results.workload.title}: {name}", text, wanted.removeprefix("wanted ")])
    if len(rows) > 1:
        lines += [*markdown_table(rows), ""]
    for results in all_results:
        figures = [figure for figure in results.workload.figures if figure != "cpu" or results not in plain]
        if not figures:
            continue
        names = [case.name for case in results.cases]
        rows = [[results.workload.title, *names]]
        rows += [
            [title(figure, results.workload), *(shown(results, name, figure) for name in names)] for figure in figures
        ]
        lines += [*markdown_table(rows), ""]
    rows = [["footprint", "", "wanted"], *(list(row) for row in footprint.rows())]
    if len(rows) > 1:
        lines += [*markdown_table(rows), ""]
    return "\n".join(lines)


BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def write_document(path: Path, text: str) -> None:
    old = path.read_text(encoding="utf-8")
    head, begin, rest = old.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"error: {path} has no place for the table: {BEGIN} and {END}")
    path.write_text(f"{head}{BEGIN}\n{text}{END}{tail}", encoding="utf-8")
