"""Backoff after a failure that may pass: longer pauses each time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_EXPONENT = 62

T = TypeVar("T")


def backoff(failures: int, base: float, cap: float, chance: float, *, floor: float) -> float:
    """Seconds to wait after `failures` in a row: at least the share `floor` of the step.

    The step is `base` after the first failure, doubles with each one, and never exceeds `cap`. At
    0 ≤ `chance` < 1 the rest is jitter, so that what failed together does not return together: a
    floor of 0 spreads most, a floor of a half slows a loop down for certain.
    """
    step = min(cap, base * 2.0 ** min(max(failures, 1) - 1, MAX_EXPONENT))
    return step * (floor + (1 - floor) * chance)


async def persist(
    step: Callable[[], Awaitable[T]], away: type[Exception], *, first: float, longest: float
) -> T:
    """Repeat `step` for as long as it raises `away`, and return its result.

    The pauses double from `first` to `longest` seconds. Raises whatever else `step` raises.
    """
    pause = first
    while True:
        try:
            return await step()
        except away:
            await asyncio.sleep(pause)
            pause = min(longest, pause * 2)
