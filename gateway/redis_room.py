"""Reads the memory of Redis once a second, so that sends are refused before none is left."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from actors.redis.client import RedisAway, memory

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from actors.redis.client import Memory

log = structlog.get_logger()

EVERY = 1.0
"""Seconds between two readings: sends that are accepted meanwhile fit into what the limit leaves free."""


class RedisRoom:
    """The memory of Redis at the last reading; unknown, and so not full, while Redis is away."""

    def __init__(self, redis: Redis, limit: int) -> None:
        """`limit` is REDIS_MEMORY_LIMIT in bytes; 0 leaves it to what the server reports."""
        self._redis = redis
        self._limit = limit
        self.memory: Memory | None = None

    @property
    def full(self) -> bool:
        """Whether sends are to be refused."""
        return self.memory is not None and self.memory.full

    async def look(self) -> None:
        """Read the memory once."""
        before, self.memory = self.full, None
        with suppress(RedisAway):
            self.memory = await memory(self._redis, self._limit)
            if self.full != before:
                log.warning("redis full" if self.full else "redis has room", action="redis.room")

    async def run(self) -> None:
        """Read every `EVERY` seconds, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY)
