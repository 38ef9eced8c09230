"""Computes exponential pauses after failures, and repeats a step while the step raises a given error."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_EXPONENT = 62

T = TypeVar("T")


def doubled(failures: int, first: float, longest: float) -> float:
    """Return the pause after `failures` in a row: `first` after one, doubled by each more (pure).

    In the unit of `first` and `longest`; less than one failure counts as one.
    """
    return min(longest, first * 2.0 ** min(max(failures, 1) - 1, MAX_EXPONENT))


def backoff(failures: int, base: float, cap: float, chance: float, *, floor: float) -> float:
    """Return `doubled` with jitter: at least the share `floor` of it.

    At 0 ≤ `chance` < 1 the rest is jitter, so that callers that failed together do not return together: a
    floor of 0 spreads most, a floor of a half slows a loop down for certain.
    """
    return doubled(failures, base, cap) * (floor + (1 - floor) * chance)


class DoublingPause:
    """The pause of a loop that tries again: doubles with each failure until `reset`. In seconds."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._failures = 0

    def next(self) -> float:
        """Count a failure, and return the pause after it."""
        self._failures += 1
        return doubled(self._failures, self._first, self._longest)

    def reset(self) -> None:
        """Begin with the first pause again."""
        self._failures = 0


async def persist(
    step: Callable[[], Awaitable[T]], away: type[Exception], *, first: float, longest: float
) -> T:
    """Repeat `step` for as long as it raises `away`, and return its result.

    The pauses double from `first` to `longest` seconds. Raises all other errors of `step`.
    """
    pause = DoublingPause(first, longest)
    while True:
        try:
            return await step()
        except away:
            await asyncio.sleep(pause.next())
