"""Rate limits of API keys.

A key has a minute's worth of requests at once, and gets them back at an even rate. It is counted in
the memory of one gateway process, so that no request waits for it and none is refused because Redis
is away; several gateways each give a key the whole.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW: Final = 60  # seconds
FIELDS: Final = "teimoso.rate"
"""In a request's scope: the header fields that tell its key's quota."""


class Verdict(NamedTuple):
    """Whether a request may go on; `full_at` is when its key will have all of its quota again.

    `left` requests may follow at once; `wait` seconds until one that is refused may come again.
    """

    full_at: float
    left: int
    wait: float = 0.0


def judge(full_at: float, now: float, quota: int) -> Verdict:
    """One more request at `now` of a key that has all of its `quota` again at `full_at`.

    What is refused costs nothing: a caller that keeps asking is not kept out by it.
    """
    cost = WINDOW / quota
    before = max(now, full_at)
    over = before + cost - now - WINDOW
    if over > cost / 1000:  # more than what adding up loses
        return Verdict(before, 0, over)
    return Verdict(before + cost, int(0.001 - over / cost))


class Limits:
    """No key gets more than its quota of any process; one key's requests cost another nothing."""

    def __init__(self, quota: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`quota` requests a minute for each key; 0 for no limit."""
        self._quota = quota
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._policy = (b"ratelimit-policy", f'"key";q={quota};w={WINDOW}'.encode())

    def take(self, key: str) -> tuple[tuple[tuple[bytes, bytes], ...], Problem | None]:
        """The header fields that tell of the key's quota, and the refusal `rate_limited` if it is used up.

        The fields are those of the IETF's draft "RateLimit header fields for HTTP".
        """
        if not self._quota:
            return (), None
        now = self._clock()
        verdict = judge(self._full_at.get(key, now), now, self._quota)
        self._full_at[key] = verdict.full_at
        left = b'"key";r=%d;t=%d' % (verdict.left, math.ceil(verdict.full_at - now))
        fields = (self._policy, (b"ratelimit", left))
        if not verdict.wait:
            return fields, None
        return fields, Problem(
            "rate_limited",
            f"This API key asked {self._quota} times within a minute.",
            headers={"Retry-After": str(math.ceil(verdict.wait))},
        )
