"""Defines token buckets: so many of something at once, and one more after each of so many seconds (pure)."""

from __future__ import annotations

from typing import NamedTuple


class TakenToken(NamedTuple):
    """The outcome of `TokenBucket.take`: `full_at` of the bucket afterwards, and the tokens `left` in it.

    `wait` seconds until there is one; 0 where one was taken.
    """

    full_at: float
    left: int
    wait: float = 0.0


class TokenBucket:
    """Buckets of `size` tokens that get one back in `seconds`, and never have more than their size.

    The state of a bucket is one number, which the caller keeps: the time at which it is full again. A time before `now`
    is that of a full one. Both are in seconds, of any clock.
    """

    __slots__ = ("_filled_in", "_seconds", "_size")

    def __init__(self, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self._filled_in = size * seconds

    def take(self, full_at: float, now: float) -> TakenToken:
        """Take one token. Without one nothing is taken: a caller that goes on is not kept out by it."""
        seconds = self._seconds
        before = max(now, full_at)
        over = before + seconds - now - self._filled_in
        if over > seconds / 1000:  # more than what adding up loses
            return TakenToken(before, 0, over)
        return TakenToken(before + seconds, int(0.001 - over / seconds))

    def charge(self, full_at: float, now: float, tokens: float) -> float:
        """Return `full_at` after so many tokens were taken, also more than there are."""
        return max(now, full_at) + tokens * self._seconds

    def left(self, full_at: float, now: float) -> float:
        """Return the tokens that are left; less than 0 are lacking."""
        return self._size - (full_at - now) / self._seconds if full_at > now else self._size

    def drained(self, at: float) -> float:
        """Return `full_at` of a bucket that has nothing until then, and begins to fill."""
        return at + self._filled_in
