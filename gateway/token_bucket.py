"""Decides whether one more request fits a quota a minute, which a caller gets back at an even rate (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple

WINDOW: Final = 60  # seconds


class RateDecision(NamedTuple):
    """Whether a request may go on; `full_at` is when its key will have all of its quota again.

    `left` requests may follow at once; `wait` seconds until one that is refused may come again.
    """

    full_at: float
    left: int
    wait: float = 0.0


def judge(full_at: float, now: float, quota: int) -> RateDecision:
    """One more request at `now` of a key that has all of its `quota` again at `full_at`.

    A refused request costs nothing: a caller that goes on is not kept out by it.
    """
    cost = WINDOW / quota
    before = max(now, full_at)
    over = before + cost - now - WINDOW
    if over > cost / 1000:  # more than what adding up loses
        return RateDecision(before, 0, over)
    return RateDecision(before + cost, int(0.001 - over / cost))
