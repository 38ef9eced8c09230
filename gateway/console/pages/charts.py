"""Computes the SVG points of the load curves on the console's system page (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from actors.runtime.limits.durations import HOUR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH: Final = 600
HEIGHT: Final = 100
DOT: Final = 6
GAP: Final = 150.0
"""Seconds without a figure after which a curve breaks off at the soonest: nobody looked then."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Percent over the last hour: the `lines` with their `areas` below, and figures in words."""

    lines: tuple[str, ...]
    areas: tuple[str, ...]
    now: float
    mean: float
    highest: float
    highest_at: float


def curve(
    times: Sequence[float], values: Sequence[float], now: float, gap: float = 0.0
) -> Curve | None:
    """The curve of these figures, None where there are none; times in seconds since the epoch."""
    figures = [
        (at, value)
        for at, value in zip(times, values, strict=True)
        if now - HOUR - 60 <= at <= now + 60
    ]
    if not figures:
        return None
    runs = [
        [(_across(at, now), _up(value)) for at, value in run]
        for run in _runs(figures, max(gap, GAP))
    ]
    # One figure alone is seen as well.
    runs = [run if len(run) > 1 else [(run[0][0] - DOT, run[0][1]), *run] for run in runs]
    highest_at, highest = max(figures, key=lambda figure: figure[1])
    return Curve(
        lines=tuple(" ".join(f"{x:g},{y:g}" for x, y in run) for run in runs),
        areas=tuple(
            " ".join(f"{x:g},{y:g}" for x, y in [(run[0][0], HEIGHT), *run, (run[-1][0], HEIGHT)])
            for run in runs
        ),
        now=figures[-1][1],
        mean=sum(value for _, value in figures) / len(figures),
        highest=highest,
        highest_at=highest_at,
    )


def _runs(
    figures: Sequence[tuple[float, float]], gap: float
) -> Iterator[list[tuple[float, float]]]:
    run = [figures[0]]
    for before, figure in pairwise(figures):
        if figure[0] - before[0] > gap:
            yield run
            run = []
        run.append(figure)
    yield run


def _across(at: float, now: float) -> float:
    return round(min(WIDTH, max(0.0, WIDTH * (1 - (now - at) / HOUR))), 1)


def _up(value: float) -> float:
    return round(HEIGHT * (1 - min(100.0, max(0.0, value)) / 100), 1)
