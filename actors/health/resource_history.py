"""Stores the last hour of CPU, memory and disk figures in a file: the HealthMonitor writes it, the gateway reads it.

The monitor writes the file at each round; a gateway on any host with the data directory reads it on request. A new
monitor continues the points of the one before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from actors.runtime.limits.durations import HOUR
from actors.runtime.record_files import RecordFile

if TYPE_CHECKING:
    from actors.health.resources import Usage

POINT_PAUSE_SECONDS = 5.0
"""Seconds between two points at least: a monitor that looks more often keeps no more."""


@dataclass(frozen=True, slots=True)
class Point:
    """One look, as `resources.Usage` has it; `at` in seconds since the epoch."""

    at: float
    cpu: float
    memory: float
    own_cpu: float
    own_memory: int
    processes: int
    disk: int | None

    @classmethod
    def of(cls, usage: Usage, at: float) -> Self:
        """The figures measured at that time."""
        return cls(
            round(at, 1),
            round(usage.cpu, 1),
            round(usage.memory, 1),
            round(usage.own_cpu, 1),
            usage.own_memory,
            usage.processes,
            usage.disk,
        )


RESOURCE_FILE = RecordFile(Point, Path("run") / "resources.json")


def grown(points: tuple[Point, ...], point: Point) -> tuple[Point, ...]:
    """Return the points of the hour that ends with this one; without it if it comes too soon (pure).

    Points in the future, from before the clock was set back, are dropped.
    """
    before = tuple(each for each in points if point.at - HOUR < each.at <= point.at)
    if before and point.at - before[-1].at < POINT_PAUSE_SECONDS:
        return before
    return (*before, point)


def write(data: Path, points: tuple[Point, ...]) -> None:
    """Replace the file. Raises OSError."""
    RESOURCE_FILE.write(data, points, synced=False)  # after a power cut the hour may begin anew


def read(data: Path) -> tuple[Point, ...]:
    """The last written figures, oldest first; none where there are none, or of another release."""
    return tuple(RESOURCE_FILE.read(data))
