"""Measures Redis memory once a second: sends are refused when it is full, and connections get equal shares from half on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from actors.redis.client import RedisAway, memory
from actors.runtime.limits.quotas import QuotaPart

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.redis.client import RedisMemory
    from actors.runtime.limits.limits import Limit

log = structlog.get_logger()

MEMORY_CHECK_SECONDS = 1.0
"""Seconds between two readings: sends that are accepted meanwhile fit into what the limit leaves free."""


class RedisMemoryMonitor:
    """The memory of Redis at the last reading; unknown, and so not full, while Redis is away."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._parts = settings.redis_parts
        self._redis = redis
        self._limit = settings.redis_limit  # a size of 0 leaves it to the server
        self.memory: RedisMemory | None = None

    @property
    def full(self) -> bool:
        """Whether sends are to be refused."""
        return self.memory is not None and self.memory.full

    @property
    def limit(self) -> Limit:
        """The limit that holds: the server's own where it has less than the setting, or that is 0."""
        size = None if self.memory is None else self.memory.limit
        return self._limit if size is None else replace(self._limit, size=size)

    @property
    def part(self) -> QuotaPart | None:
        """Bytes that the messages of a connection may have once half of the memory is used; None before that.

        The other half is reserved in equal parts, so that no connection fills Redis for the others.
        """
        size = None if self.memory is None else self.memory.part(self._parts)
        return None if size is None else QuotaPart(size, self.limit)

    async def look(self) -> None:
        """Read the memory once. The last reading counts until Redis answers, however long that takes."""
        before, found = self.full, None
        with suppress(RedisAway):
            found = await memory(self._redis, self._limit.size)
        self.memory = found
        if found is not None and found.full != before:
            log.warning("redis full" if found.full else "redis has room", action="redis.room")

    async def run(self) -> None:
        """Read every `MEMORY_CHECK_SECONDS`, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(MEMORY_CHECK_SECONDS)
