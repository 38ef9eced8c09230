"""Defines token buckets: so many of something at once, and one more after each of so many seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


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


class TokenBuckets:
    """A bucket for each name, alike, in memory. Beyond `most` names those whose buckets are full are forgotten."""

    def __init__(
        self, bucket: TokenBucket, most: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bucket = bucket
        self._most = self._forget_at = most
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def look(self, name: str) -> TakenToken:
        """Return what `take` would, and take nothing."""
        now = self._clock()
        return self._bucket.take(self._full_at.get(name, now), now)

    def take(self, name: str) -> TakenToken:
        """Take one token of the name's bucket; see `TokenBucket.take`."""
        taken = self.look(name)
        if name not in self._full_at and len(self._full_at) >= self._forget_at:
            now = self._clock()
            self._full_at = {each: at for each, at in self._full_at.items() if at > now}
            self._forget_at = max(self._most, 2 * len(self._full_at))
        self._full_at[name] = taken.full_at
        return taken
