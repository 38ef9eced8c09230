"""Groups concurrent Redis calls of one process into shared batches (group commit); a lone call does not wait.

Redis writes and syncs its log once for all that one turn of its loop has read, so callers that
come together share one fsync, one write and one read. A lone caller waits for no other.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from hiredis import pack_command
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from actors.metrics.counters import measures
from actors.redis.client import DEADLINE, SOCKET_TIMEOUT, Client, outage
from actors.runtime.group_commit import GroupCommit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

SCRIPTS_PER_BATCH = 128
"""Scripts that go together at most: a batch holds up Redis and its callers for about 5 ms."""

REPLICAS_WITHIN = (4, 16, 80, 400, 1500)
"""Milliseconds of the waits for replicas, one after the other; the last one's answer counts.

A replica reports what it has on disk when a wait begins, before it has synced what came just then, and
each second: with one wait alone a send would take half a second.
"""

ON_THE_WAY = 2
"""Batches: while Redis works on one, the next is written and the last is read."""


class _RedisCall(NamedTuple):
    command: tuple[Any, ...]
    answer: asyncio.Future[Any]
    durable: bool


def _next(waiting: deque[_RedisCall]) -> list[_RedisCall]:
    """Remove the calls that go together, and return those whose callers did not give up."""
    batch = []
    for _ in range(min(SCRIPTS_PER_BATCH, len(waiting))):
        call = waiting.popleft()
        if not call.answer.done():
            batch.append(call)
    return batch


class RedisPipeline:
    """Runs scripts in the order of the calls, each with its own outcome.

    A call ends within `DEADLINE` seconds: one timer watches the oldest, for all. When the connection breaks, all
    callers of the batch get the error: any of theirs may have been applied. The call of a caller that gives up
    before its batch leaves is not sent at all.

    A durable call has its answer once the server and as many replicas as the client asks for have its
    writes on disk (`WAITAOF`); where they have not in time it fails, though it was applied. Replicas
    that are away delay no other call than those of the same batch.
    """

    def __init__(self, redis: Redis, deadline: float = DEADLINE) -> None:
        self._redis = redis
        self._replicas = redis.replicas if isinstance(redis, Client) else 0
        self._deadline = deadline
        self._pending: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._calls = GroupCommit(_next, self._send, concurrent=ON_THE_WAY)
        outage.pipelines.add(self)

    async def evalsha(self, sha: str, keys: int, *parameters: Any, durable: bool = False) -> Any:
        """Return the answer of a script that Redis has loaded; raises errors of redis-py."""
        return await self._request("EVALSHA", sha, keys, *parameters, durable=durable)

    async def eval(self, text: str, keys: int, *parameters: Any, durable: bool = False) -> Any:
        """Return the answer of a script, which Redis loads by it; raises errors of redis-py."""
        return await self._request("EVAL", text, keys, *parameters, durable=durable)

    async def _request(self, *command: Any, durable: bool) -> Any:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        while self._pending and self._pending[0][1].done():
            self._pending.popleft()
        self._pending.append((loop.time() + self._deadline, answer))
        if self._timer is None:
            self._expire()
        self._calls.put(_RedisCall(command, answer, durable and self._replicas > 0))
        return await answer

    def _expire(self) -> None:
        """End what is overdue, and come again when the next is."""
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._pending:
            due, answer = self._pending[0]
            if not answer.done():
                if due > loop.time():
                    self._timer = loop.call_at(due, self._expire)
                    return
                answer.set_exception(TimeoutError())
            self._pending.popleft()

    def end_waits(self) -> None:
        """End all calls that wait, as if they were overdue."""
        for _, answer in self._pending:
            if not answer.done():
                answer.set_exception(TimeoutError())

    async def exchange(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return the answers in order, refusals among them; raises when the connection breaks.

        As redis-py's pipeline, without its account and timer for each answer.
        """
        packed = b"".join(map(pack_command, commands))
        pool = self._redis.connection_pool
        connection = await pool.get_connection()  # type: ignore[no-untyped-call]

        async def attempt() -> list[Any]:
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
            with outage.doubts():
                return await connection.retry.call_with_retry(attempt, failed)
        finally:
            await pool.release(connection)

    async def _send(self, batch: list[_RedisCall]) -> None:
        outcomes: list[Any]
        began = time.monotonic()
        commands = [one.command for one in batch]
        waits = any(one.durable for one in batch)
        if waits:
            commands += [("WAITAOF", 1, self._replicas, within) for within in REPLICAS_WITHIN]
        kept: list[int] | Exception = []
        try:
            outcomes = await self.exchange(commands)
            if waits:
                kept = outcomes[-1]
                del outcomes[len(batch) :]
            measures.observe("teimoso_redis_seconds", time.monotonic() - began)
        except Exception as error:  # noqa: BLE001 - every caller gets it
            outcomes = [error] * len(batch)
        except asyncio.CancelledError:
            for one in (*batch, *self._calls.waiting):
                one.answer.cancel()
            self._calls.waiting.clear()
            raise
        replicated = isinstance(kept, list) and kept >= [1, self._replicas]
        for one, outcome in zip(batch, outcomes, strict=True):
            if one.answer.done():
                continue  # its caller gave up; its calls were applied
            if isinstance(outcome, Exception):
                one.answer.set_exception(outcome)
            elif one.durable and not replicated:
                one.answer.set_exception(RedisTimeout("too few replicas have it on disk"))
            else:
                one.answer.set_result(outcome)
