"""Numbers root actors by a counter in Redis, so that an older root that was suspended detects a newer one and ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from actors.redis import keys
from actors.redis.client import reach
from actors.redis.scripts import AT_MAXMEMORY

if TYPE_CHECKING:
    from redis.asyncio import Redis

_BEGIN = f"{AT_MAXMEMORY}return redis.call('INCR', KEYS[1])"


class RootGeneration:
    """A number for each root, higher than all before: only the newest root starts and ends owners (G6).

    A suspended root that resumes after the next one began would end that one's owners. Each root
    takes its number once, so that a late one does not become the newest. Without Redis there is no
    answer, and no owner is started either.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis
        self._beginning = asyncio.Lock()
        self._number: int | None = None

    async def begin(self) -> int:
        """Returns the number of this root, taken at the first call. Raises `RedisAway`."""
        async with self._beginning:
            if self._number is None:
                async with reach():
                    self._number = int(await self._redis.eval(_BEGIN, 1, keys.NEWEST_ROOT))
            return self._number

    async def is_newest(self) -> bool:
        """Returns whether no root began later; begins if it did not yet. Raises `RedisAway`."""
        number = await self.begin()
        async with reach():
            newest = int(await self._redis.get(keys.NEWEST_ROOT) or 0)
            if newest < number:  # Redis was emptied: the next number has to be higher
                await self._redis.set(keys.NEWEST_ROOT, number)
        return newest <= number
