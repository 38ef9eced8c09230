"""Limits the request rate of each API key and each connection, counted in the memory of one gateway process.

A key has a minute's worth of requests at once, and gets them back at an even rate; so has each connection,
over all keys that are for it. Behind them stands the limit of the process, of which each connection has
a part of its own (`Quota`). It is counted in the memory of one gateway process, so that no request waits
for it and none is refused because Redis is away; each of several gateways gives the whole.
"""

from __future__ import annotations

import math
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from actors.runtime.limits.durations import MINUTE
from actors.runtime.limits.quotas import SHARED_UNIT
from actors.runtime.limits.token_bucket import TokenBucket
from gateway.http.limit_problems import limit_problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.runtime.limits.limits import Scope
    from actors.runtime.limits.quotas import Quota
    from actors.runtime.limits.token_bucket import TakenToken
    from gateway.http.api_keys import ApiKey
    from gateway.http.problems import Problem

MAX_BUCKETS: Final = 4096
"""Quotas, and names of them, in memory before those that are whole again are forgotten."""

QUOTA_FIELDS: Final = "teimoso.rate"
"""In a request's scope: the header fields that tell its key's quota."""


Name: TypeAlias = "tuple[Scope, str]"
"""A quota of requests: whose it is, and the id of the key or connection."""

_SHARED: Final[Name] = ("instance", "shared")


class _Names(NamedTuple):
    """The quotas that requests of some units count for: their own, and their parts of the process."""

    own: tuple[Name, ...]
    parts: tuple[Name, ...]


@lru_cache(maxsize=MAX_BUCKETS)
def _names(units: tuple[str, ...]) -> _Names:
    """Return the quotas of these units; cached, since every request needs them."""
    own: list[Name] = [("connection", unit) for unit in units if unit != SHARED_UNIT]
    return _Names(tuple(own), tuple(("instance", f"part of {unit}") for unit in units))


class RateLimiter:
    """No key and no connection gets more than its quota of any process, and none takes another's part.

    A refused request takes nothing from any quota.
    """

    def __init__(self, quota: Quota, clock: Callable[[], float] = time.monotonic) -> None:
        """`quota` is in requests a minute."""
        self._quota = quota
        each = 0 if quota.each is None else quota.each.size
        self._each = _bucket(each)
        self._part = _bucket(quota.reserved)
        self._shared = _bucket(quota.shared)
        self._clock = clock
        self._full_at: dict[Name, float] = {}
        self._forget_at = MAX_BUCKETS
        self._policy = (b"ratelimit-policy", f'"key";q={each};w={MINUTE}'.encode())

    def take(self, key: ApiKey) -> tuple[tuple[tuple[bytes, bytes], ...], Problem | None]:
        """The header fields with the key's quota, and the refusal if one is used up.

        Problems `rate_limited` for the key and its connections, `instance_limit_reached`. The fields are
        those of the IETF's draft "RateLimit header fields for HTTP".
        """
        quota, now = self._quota, self._clock()
        taken: dict[Name, float] = {}
        fields: tuple[tuple[bytes, bytes], ...] = ()
        if quota.each is not None and self._each is not None:
            left, full_in = quota.each.size, 0.0
            # The key first, then its connections; a key for all connections counts for none.
            for name in (("key", key.id), *_names(key.units).own):
                one = self._take(self._each, name, now)
                left = min(left, one.left)
                if name[0] == "key":
                    full_in = one.full_at - now
                if one.wait:
                    fields = self._fields(0, full_in)
                    return fields, limit_problem(quota.each.reached(name[0], math.ceil(one.wait)))
                taken[name] = one.full_at
            fields = self._fields(left, full_in)
        if quota.total.size:
            refusal = self._take_parts(key, now, taken)
            if refusal is not None:
                return fields, refusal
        self._full_at.update(taken)
        if len(self._full_at) > self._forget_at:
            self._forget(now)
        return fields, None

    def _forget(self, now: float) -> None:
        """Forget quotas that are whole again: those of revoked keys, say."""
        self._full_at = {name: full for name, full in self._full_at.items() if full > now}
        self._forget_at = max(MAX_BUCKETS, 2 * len(self._full_at))

    def _take_parts(self, key: ApiKey, now: float, taken: dict[Name, float]) -> Problem | None:
        """Take one request from the reserved part of each unit, or else from what is shared."""
        part, shared = self._part, self._shared
        over = self._full_at.get(_SHARED, now)
        for name in _names(key.units).parts:
            own = None if part is None else self._take(part, name, now)
            if own is not None and not own.wait:
                taken[name] = own.full_at
                continue
            common = None if shared is None else shared.take(over, now)
            if common is None or common.wait:
                wait = min(each.wait for each in (own, common) if each is not None)
                return limit_problem(self._quota.total.reached("instance", math.ceil(wait)))
            over = taken[_SHARED] = common.full_at
        return None

    def _take(self, bucket: TokenBucket, name: Name, now: float) -> TakenToken:
        return bucket.take(self._full_at.get(name, now), now)

    def _fields(self, left: int, full_in: float) -> tuple[tuple[bytes, bytes], ...]:
        header = b'"key";r=%d;t=%d' % (left, math.ceil(full_in))
        return (self._policy, (b"ratelimit", header))


def _bucket(quota: int) -> TokenBucket | None:
    """The bucket of a quota a minute; None where there is none."""
    return TokenBucket(quota, MINUTE / quota) if quota > 0 else None
