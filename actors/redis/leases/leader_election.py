"""Elects one of several processes for a job (the gateway that delivers webhooks), by an expiring lock in Redis."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from actors.redis.client import reach
from actors.redis.scripts import AT_MAXMEMORY

if TYPE_CHECKING:
    from redis.asyncio import Redis

LEADER_SECONDS = 10.0
"""For which it is held without being renewed: as long as a successor of a dead one waits at most."""

_HOLD = f"""{AT_MAXMEMORY}
-- KEYS: the lease of the role, a string: the token of its holder · ARGV: a token, milliseconds
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0
"""


class Leadership:
    """At most one process has it, as long as clocks run alike; nobody while Redis is away.

    Its holder lets go before it runs out in Redis: it counts from when the renewal began.
    """

    def __init__(self, redis: Redis, key: str, *, seconds: float = LEADER_SECONDS) -> None:
        self._redis: Any = redis
        self._key = key
        self._seconds = seconds
        self._token = secrets.token_hex(16)
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Whether it is this one's turn now."""
        return time.monotonic() < self._until

    async def hold(self) -> bool:
        """Take it, or hold it for longer; False while another has it. Raises `RedisAway`."""
        began = time.monotonic()
        async with reach():
            mine = await self._redis.eval(
                _HOLD, 1, self._key, self._token, round(self._seconds * 1000)
            )
        self._until = began + self._seconds if mine else 0.0
        return bool(mine)

    async def release(self) -> None:
        """Let another have it now. Raises `RedisAway`: then it runs out by itself."""
        held, self._until = self.held, 0.0
        if held:
            async with reach():
                await self._redis.eval(_RELEASE, 1, self._key, self._token)
