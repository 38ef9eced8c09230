"""One line to Redis for many callers: what is asked while a batch is on its way goes with the next.

Redis writes and syncs its log once for all that one turn of its loop has read, so callers that
come together share one fsync, one write and one read. A lone caller waits for nobody.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from hiredis import pack_command
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from actors.metrics.counters import measures
from actors.redis.client import DEADLINE, SOCKET_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

BATCH = 128
"""Scripts that go together at most: a batch holds up Redis and its callers for about 5 ms."""

ON_THE_WAY = 2
"""Batches: while Redis works on one, the next is written and the last is read."""


class Line:
    """Runs scripts in the order in which they were asked for, each with its own outcome.

    A call ends within `DEADLINE` seconds: one timer watches the oldest, for all. When the connection breaks, all callers of the batch get the error: any of theirs may have been
    applied. A caller that gives up before its batch leaves is not sent at all.
    """

    def __init__(self, redis: Redis, deadline: float = DEADLINE) -> None:
        self._redis = redis
        self._deadline = deadline
        self._asked: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        self._moving: set[asyncio.Task[None]] = set()

    async def evalsha(self, sha: str, keys: int, *parameters: Any) -> Any:
        """The answer of a script that Redis knows; raises what redis-py does."""
        return await self._ask("EVALSHA", sha, keys, *parameters)

    async def eval(self, text: str, keys: int, *parameters: Any) -> Any:
        """The answer of a script, which Redis then knows; raises what redis-py does."""
        return await self._ask("EVAL", text, keys, *parameters)

    async def _ask(self, *command: Any) -> Any:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        while self._asked and self._asked[0][1].done():
            self._asked.popleft()
        self._asked.append((loop.time() + self._deadline, answer))
        if self._timer is None:
            self._expire()
        self._waiting.append((command, answer))
        if len(self._moving) < ON_THE_WAY:
            self._moving.add(asyncio.create_task(self._move()))
        return await answer

    def _expire(self) -> None:
        """End what is overdue, and come again when the next is."""
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._asked:
            due, answer = self._asked[0]
            if not answer.done():
                if due > loop.time():
                    self._timer = loop.call_at(due, self._expire)
                    return
                answer.set_exception(TimeoutError())
            self._asked.popleft()

    async def _move(self) -> None:
        try:
            while self._waiting:
                batch = [one for one in self._waiting[:BATCH] if not one[1].done()]
                del self._waiting[:BATCH]
                await self._send(batch)
        finally:
            # Not in a done callback: who asks before it ran would wait for a task that is over.
            moving = asyncio.current_task()
            assert moving is not None
            self._moving.discard(moving)

    async def exchange(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The answers in order, refusals among them; raises when the connection breaks.

        What redis-py's pipeline does, without its account and timer for each answer.
        """
        packed = b"".join(map(pack_command, commands))
        pool = self._redis.connection_pool
        connection = await pool.get_connection()  # type: ignore[no-untyped-call]

        async def ask() -> list[Any]:
            answers: list[Any] = []
            await connection.send_packed_command(packed)
            try:
                async with asyncio.timeout(SOCKET_TIMEOUT):
                    for _ in commands:
                        try:
                            answers.append(await connection.read_response(timeout=math.inf))
                        except ResponseError as refusal:
                            answers.append(refusal)
            except TimeoutError:  # the connection is closed: an answer may be half read
                raise RedisTimeout("no answer in time") from None
            return answers

        async def failed(_: Exception) -> None:
            await connection.disconnect()

        try:
            return await connection.retry.call_with_retry(ask, failed)
        finally:
            await pool.release(connection)

    async def _send(self, batch: list[tuple[tuple[Any, ...], asyncio.Future[Any]]]) -> None:
        outcomes: list[Any]
        began = time.monotonic()
        try:
            outcomes = await self.exchange([command for command, _ in batch])
            measures.observe("teimoso_redis_seconds", time.monotonic() - began)
        except Exception as error:  # noqa: BLE001 - every caller gets it
            outcomes = [error] * len(batch)
        except asyncio.CancelledError:
            for _, answer in (*batch, *self._waiting):
                answer.cancel()
            self._waiting.clear()
            raise
        for (_, answer), outcome in zip(batch, outcomes, strict=True):
            if answer.done():
                continue  # its caller gave up; what it asked was applied
            if isinstance(outcome, Exception):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)
