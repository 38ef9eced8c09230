"""The queue as others look at it: records, counts, and what is to be mirrored."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from actors.queue.record import Counts, Record, record_of, split_id
from actors.redis import keys
from actors.redis.client import reach
from actors.redis.line import Line
from actors.redis.script import Script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

SCRIPT = Script.of(
    "transitions.lua",
    "actors.queue:pacing.lua",
    "actors.queue:dead_letters.lua",
    "actors.queue:lanes.lua",
    package="actors.redis",
)


class Ledger:
    """What is known of the messages; changes none of them. Raises `RedisAway`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._line = Line(redis)

    async def get(self, id: str) -> Record | None:  # noqa: A002
        """The record of an outgoing message, None if there is none (or not any more)."""
        names = split_id(id)
        if names is None:
            return None
        async with reach():
            fields: Any = await self._redis.hgetall(keys.of(names[0]).message(names[1]))
        return record_of(*names, fields) if fields else None

    async def counts_many(self, connections: Sequence[str]) -> dict[str, Counts]:
        """The size of each connection's queue, all in one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        for connection in connections:
            of = keys.of(connection)
            pipeline.zcard(of.open)
            pipeline.hlen(of.flight)
            pipeline.zcard(of.held)
            pipeline.zcard(of.scheduled)
            pipeline.zcard(of.dead)
            pipeline.zrange(of.open, 0, 0, withscores=True)
        async with reach():
            answers = await pipeline.execute() if connections else []
        return {
            connection: _counts(answers[6 * number : 6 * number + 6])
            for number, connection in enumerate(connections)
        }

    async def unmirrored(self, connections: Sequence[str]) -> list[str]:
        """Those of `connections` that have `changed` records, in one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        for connection in connections:
            pipeline.exists(keys.of(connection).changed)
        async with reach():
            answers = await pipeline.execute() if connections else []
        return [each for each, found in zip(connections, answers, strict=True) if found]

    async def changed(self, connection: str, limit: int) -> list[Record]:
        """Records that changed since they were last `mirrored`, oldest change first."""
        of = keys.of(connection)
        async with reach():
            ids: Any = await self._redis.zrange(of.changed, 0, limit - 1)
        records = await self._records(connection, ids)
        expired = set(ids) - {record.message_id for record in records}
        if expired:
            async with reach():
                await self._redis.zrem(of.changed, *expired)
        return records

    async def mirrored(self, connection: str, records: Sequence[Record]) -> None:
        """Those are stored elsewhere now; what changed since stays listed."""
        pairs = [part for record in records for part in (record.message_id, record.revision)]
        if pairs:
            await self._run(connection, "mirrored", 0, *pairs)

    async def _run(self, connection: str, transition: str, now: float, *args: object) -> Any:
        return await SCRIPT.run(self._line, keys.of(connection), transition, now, *args)

    async def _records(self, connection: str, ids: Sequence[str]) -> list[Record]:
        if not ids:
            return []
        of = keys.of(connection)
        pipeline = self._redis.pipeline(transaction=False)
        for message_id in ids:
            pipeline.hgetall(of.message(message_id))
        async with reach():
            answers = await pipeline.execute()
        found = zip(ids, answers, strict=True)
        return [record_of(connection, each, fields) for each, fields in found if fields]


def _counts(answers: Sequence[Any]) -> Counts:
    opened, active, held, scheduled, dead, oldest = answers
    return Counts(
        waiting=opened - active - held - scheduled,
        active=active,
        delayed=held + scheduled,
        dead=dead,
        oldest_at=float(oldest[0][1]) if oldest else None,
    )


def clock(now: float | None) -> float:
    """The time that a caller gives, or the time."""
    return time.time() if now is None else now


def pairs(flat: Sequence[str]) -> dict[str, str]:
    """What Redis answers for a hash inside of a list."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
