"""Resources that machine and instance used within the last hour: a file for the gateway, no document.

Written at each round of the monitor and read by whoever is asked for it, on any host that has the
data directory. A new monitor goes on with what the one before saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from actors.runtime.record_files import RecordFile

if TYPE_CHECKING:
    from actors.health.resources import Usage

HOUR = 3600.0
APART = 5.0
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


FILE = RecordFile(Point, Path("run") / "resources.json")


def grown(points: tuple[Point, ...], point: Point) -> tuple[Point, ...]:
    """The points of the hour that ends with this one; those that were if it comes too soon. Pure.

    What lies in the future was seen before the clock was set back, and goes.
    """
    before = tuple(each for each in points if point.at - HOUR < each.at <= point.at)
    if before and point.at - before[-1].at < APART:
        return before
    return (*before, point)


def write(data: Path, points: tuple[Point, ...]) -> None:
    """Replace the file. Raises OSError."""
    FILE.write(data, points, synced=False)  # after a power cut the hour may begin anew


def read(data: Path) -> tuple[Point, ...]:
    """The last written figures, oldest first; none where there are none, or of another release."""
    return tuple(FILE.read(data))
