"""Whether this root is still the newest: one that stood still may have been replaced."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from actors.redis import keys
from actors.redis.client import reach

if TYPE_CHECKING:
    from redis.asyncio import Redis


class Newest:
    """The root that began last is the only one that starts and ends owners (G6).

    One that thaws after the next one began would take that one's owners for strangers, and end
    them. While Redis is away nobody is told anything: then no owner is made either.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis
        self._token = secrets.token_hex(16)
        self._begun = False

    async def still(self) -> bool:
        """False once another root has begun. The first call begins. Raises `RedisAway`."""
        async with reach():
            newest = await self._redis.get(keys.ROOT) if self._begun else None
            if newest is None:  # or Redis was emptied
                await self._redis.set(keys.ROOT, self._token)
                newest = self._token
        self._begun = True
        return bool(newest == self._token)
