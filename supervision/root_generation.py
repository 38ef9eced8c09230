"""Whether this root is still the newest: one that stood still may have been replaced."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from actors.redis import keys
from actors.redis.client import reach
from actors.redis.scripts import AT_MAXMEMORY

if TYPE_CHECKING:
    from redis.asyncio import Redis

_BEGIN = f"{AT_MAXMEMORY}return redis.call('INCR', KEYS[1])"


class Newest:
    """The root that began last is the only one that starts and ends owners (G6).

    One that thaws after the next one began would take that one's owners for strangers, and end
    them. Each has a number above those before it, taken once: who asks late takes it from nobody.
    While Redis is away nobody is told anything: then no owner is made either.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis
        self._beginning = asyncio.Lock()
        self._number: int | None = None

    async def begin(self) -> int:
        """The number of this root; begins at the first call. Raises `RedisAway`."""
        async with self._beginning:
            if self._number is None:
                async with reach():
                    self._number = int(await self._redis.eval(_BEGIN, 1, keys.ROOT))
            return self._number

    async def still(self) -> bool:
        """False once another root has begun; begins if that was not done. Raises `RedisAway`."""
        number = await self.begin()
        async with reach():
            newest = int(await self._redis.get(keys.ROOT) or 0)
            if newest < number:  # Redis was emptied: the next root's number has to be above
                await self._redis.set(keys.ROOT, number)
        return newest <= number
