"""How long and how hard a soak test loads the proxy."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scale:
    """The size of a soak test; times are in seconds unless stated otherwise."""

    agents: int = 1000
    half: int = 45
    """Duration of each half of the load; 0 runs a fixed number of turns without figures for time and memory."""
    direct: int = 10
    """Duration of the load without a proxy."""
    patient: int = 20
    """Duration of the load by agents without faults."""
    drain: int = 300
    """Streams that are open at SIGTERM."""
    drain_events: tuple[int, int] = (10, 150)
    """Fewest and most events of these streams."""
    drain_interval: int = 100
    """Milliseconds between these events."""
    idle_timeout: int = 5
    """`--idle-timeout` of the proxy."""
    grace: int = 5
    """`--shutdown-grace` of the proxy."""


NORMAL = Scale()
SCALES = {
    "normal": NORMAL,
    "quick": replace(NORMAL, half=15, direct=5, patient=8),
    "long": replace(NORMAL, half=280, direct=20, patient=40),
    "ci": replace(
        NORMAL, agents=100, half=0, direct=0, patient=0, drain=40, drain_events=(40, 160), drain_interval=50,
        idle_timeout=8, grace=3,
    ),
}  # fmt: skip
