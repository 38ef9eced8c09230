"""Holds sends that Redis did not take until it answers again, for REDIS_WAIT at most; bounds their bytes."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from actors.redis.client import RedisAway, reach
from actors.runtime.backoff import DoublingPause
from actors.runtime.limits.limits import Limit, LimitReached
from actors.runtime.limits.quotas import Quota

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from redis.asyncio import Redis

    from actors.config.settings import Settings

MAX_WAITING_BYTES: Final = 64 * 2**20
"""Bytes of the sends that wait in one gateway process; half of them is reserved for connections in equal parts."""

FIRST_PING_SECONDS, LAST_PING_SECONDS = 0.05, 0.5
"""Seconds before the first ping of a Redis that is away, which double, and at most."""

T = TypeVar("T")


class RedisWait:
    """A Redis that is away for less than REDIS_WAIT refuses no send (G11), and sends go on in their order (G4).

    They are bounded: the requests of a tenant by its places (`ConcurrencyLimiter`), their bytes by
    `MAX_WAITING_BYTES`. A send without room, and one that waited for so long, ends in `RedisAway`.
    """

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._seconds = settings.redis_wait / 1000
        limit = Limit("REDIS_WAIT", MAX_WAITING_BYTES, RedisAway.__name__, 1)
        self._quota = Quota(None, limit, settings.max_connections)
        self._bytes = Counter[str]()
        self._pause = DoublingPause(FIRST_PING_SECONDS, LAST_PING_SECONDS)
        self._answer: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def serve(self, connection: str, size: int, call: Callable[[], Awaitable[T]]) -> T:
        """Return what `call` does, for a send of `size` bytes. It may be made several times: it has to be safe to repeat.

        Raises what it raises: `RedisAway` where Redis did not serve in time. It may have been applied then.
        """
        if not self._bytes:
            with suppress(RedisAway):
                return await call()
        until = asyncio.get_running_loop().time() + self._seconds
        with self._place(connection, size):
            while True:
                try:
                    async with asyncio.timeout_at(until):
                        await self._answered()
                        # Calls at once, on several sockets, would overtake each other.
                        await self._turn.acquire()
                except TimeoutError:
                    raise RedisAway("REDIS_WAIT") from None
                try:
                    with suppress(RedisAway):
                        result = await call()
                        self._pause.reset()
                        return result
                finally:
                    self._turn.release()

    @contextmanager
    def _place(self, connection: str, size: int) -> Iterator[None]:
        try:
            self._quota.check([connection], self._bytes, size)
        except LimitReached:
            raise RedisAway("too much waits") from None
        self._bytes[connection] += size
        try:
            yield
        finally:
            self._bytes[connection] -= size
            if not self._bytes[connection]:
                del self._bytes[connection]

    async def _answered(self) -> None:
        """Wait for an answer of Redis: one ping serves all that wait, and wakes them in their order."""
        if self._answer is None or self._answer.done():
            self._answer = asyncio.create_task(self._ping())
        await asyncio.shield(self._answer)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._pause.next())
            with suppress(RedisAway):
                async with reach():
                    await self._redis.ping()
                return

    async def close(self) -> None:
        """End the ping, where one runs."""
        if self._answer is not None:
            self._answer.cancel()
            with suppress(asyncio.CancelledError):
                await self._answer
