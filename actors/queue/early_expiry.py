"""Removes finished messages from the Redis queue before their seven days where their connection has little room left.

They would refuse its sends (429 `queue_full`, 503 `redis_full`) although nothing waits.
"""

from __future__ import annotations

import time
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import structlog

from actors.queue.queue_reader import bytes_many
from actors.redis.client import memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.queue.message_bytes import MessageBytes

log = structlog.get_logger()

EXPIRY_SHARE: Final = 0.75
"""The share of a connection's bytes from which on room is made: below the alert's (`health/checks.py`)."""
GOAL: Final = 0.65
"""The share that is left then: each time all keys are read, so seldom."""
PART_FROM: Final = 0.9
"""The share of the first half of Redis's memory from which on a connection is to have no more than its part."""
EXPIRY_RECHECK_SECONDS: Final = 3600.0
"""Seconds until a connection is looked at again whose messages could not leave: within an hour more of them can."""

FOR_ALL: Final = 2**40
"""An hour after all that expire."""


class EarlyExpiry:
    """Those that would expire first leave first, and a day after their end at the earliest. Raises `RedisAway`.

    Open messages, dead letters, and what the state store lacks, or has without its words, stay.
    """

    def __init__(self, lanes: MessageBytes, redis: Redis, settings: Settings) -> None:
        self._lanes = lanes
        self._redis = redis
        self._each = settings.queue_limit.size
        self._all = settings.redis_limit.size
        self._parts = settings.redis_parts
        self._paused: dict[str, float] = {}

    async def run(self, taken: Mapping[str, int]) -> None:
        """Make room where these bytes of connections' messages are nearly all that they may have."""
        now = time.monotonic()
        self._paused = {each: until for each, until in self._paused.items() if until > now}
        limit = await self._limit()
        over = {
            each: size
            for each, size in taken.items()
            if limit and size > EXPIRY_SHARE * limit and each not in self._paused
        }
        goal = int(GOAL * limit)
        hours = {
            each: hour_of(await self._lanes.ends(each), size - goal) for each, size in over.items()
        }
        left = await self._free(hours)
        # Once more, where some of the first hours could not leave.
        again = [each for each, size in left.items() if size > goal and hours[each] < FOR_ALL]
        left |= await self._free(dict.fromkeys(again, FOR_ALL))
        self._paused |= {
            each: now + EXPIRY_RECHECK_SECONDS for each, size in left.items() if size > goal
        }

    async def _free(self, hours: Mapping[str, int]) -> dict[str, int]:
        """Let expire what leaves by these hours of connections; return the bytes that each has left."""
        if not hours:
            return {}
        await self._lanes.expire_early(hours)
        left = await bytes_many(self._redis, hours)
        log.info("expired early", action="queue.expire_early", left=left)
        return left

    async def _limit(self) -> int:
        """The bytes that the messages of a connection may have, or soon; 0 is no limit."""
        found = await memory(self._redis, self._all)
        part = None if found is None else found.part(self._parts, from_share=PART_FROM)
        return min((each for each in (self._each, part) if each), default=0)


def hour_of(ends: Mapping[int, int], missing: int) -> int:
    """The first hour up to which records of so many bytes expire; `FOR_ALL` where there are fewer."""
    hours = sorted(ends)
    sums = accumulate(ends[each] for each in hours)
    return next((hour for hour, size in zip(hours, sums, strict=True) if size >= missing), FOR_ALL)
