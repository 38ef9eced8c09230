"""Reads records and counters of the Redis queue; unlists mirrored records, and drops the words of acknowledged ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from actors.queue.queue_errors import IdempotencyConflict
from actors.queue.records import Counts, Flow, Record, api_id, flow_of, record_of, split_id
from actors.queue.transitions import clock
from actors.redis import keys
from actors.redis.client import reach

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from actors.queue.records import Send
    from actors.queue.transitions import Transitions


class Standing(NamedTuple):
    """The part of a record that is compared with its view; `marked`: the view is still to be written."""

    status: str
    revision: int
    type: str
    marked: bool


class QueueReader:
    """Reads messages and counters of the queue. `mirrored` alone changes them. Raises `RedisAway`."""

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions
        self._redis = transitions.redis

    async def get(self, id: str) -> Record | None:  # noqa: A002
        """The record of an outgoing message, None if there is none (or not any more)."""
        names = split_id(id)
        if names is None:
            return None
        async with reach():
            fields: Any = await self._redis.hgetall(keys.of(names[0]).message(names[1]))
        return await self._transitions.named(record_of(*names, fields)) if fields else None

    async def names(self, connection: str, chats: Collection[str]) -> dict[str, str]:
        """Today's address of each chat; most have their own."""
        return await self._transitions.names(connection, chats)

    async def first(self, send: Send, idempotency_key: str) -> Record | None:
        """The message accepted first under this idempotency key within its time; None if there is none.

        Raises `IdempotencyConflict` where that was another send.
        """
        async with reach():
            found: Any = await self._redis.get(
                keys.of(send.connection).idempotency(idempotency_key)
            )
        if found is None:
            return None
        message_id, fingerprint = str(found).split(" ")
        if fingerprint != send.fingerprint:
            raise IdempotencyConflict
        return await self.get(api_id(send.connection, message_id))

    async def counts_many(self, connections: Sequence[str]) -> dict[str, Counts]:
        """The size of each connection's queue, all in one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        for connection in connections:
            of = keys.of(connection)
            pipeline.zcard(of.open)
            pipeline.hlen(of.flight)
            pipeline.hlen(of.ahead)
            pipeline.zcard(of.held)
            pipeline.zcard(of.scheduled)
            pipeline.zcard(of.dead)
            pipeline.zrange(of.since, 0, 0, withscores=True)
            pipeline.zrange(of.scheduled, 0, 0, withscores=True)
            pipeline.hget(of.counters, "paced")
        async with reach():
            answers = await pipeline.execute() if connections else []
        return {
            connection: _counts(answers[9 * number : 9 * number + 9])
            for number, connection in enumerate(connections)
        }

    async def flows_many(self, connections: Sequence[str]) -> dict[str, Flow]:
        """The counters of many connections, read in one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        for connection in connections:
            of = keys.of(connection)
            pipeline.hgetall(of.counters)
            pipeline.zcard(of.open)
        async with reach():
            answers = await pipeline.execute() if connections else []
        return {
            connection: flow_of(answers[2 * number], answers[2 * number + 1])
            for number, connection in enumerate(connections)
        }

    async def unmirrored(self, connections: Sequence[str]) -> dict[str, int]:
        """Those of `connections` that have `changed` records, in one round trip.

        Each with the revision of its newest change.
        """
        pipeline = self._redis.pipeline(transaction=False)
        for connection in connections:
            pipeline.zrange(keys.of(connection).changed, -1, -1, withscores=True)
        async with reach():
            answers = await pipeline.execute() if connections else []
        found = zip(connections, answers, strict=True)
        return {each: int(newest[0][1]) for each, newest in found if newest}

    async def unfinished(self, connection: str, limit: int) -> list[str]:
        """Return message ids: of open messages, those that may leave first, then of dead letters; `limit` of each at most."""
        of = keys.of(connection)
        async with reach():
            opened: Any = await self._redis.zrange(of.open, 0, limit - 1)
            dead: Any = await self._redis.zrange(of.dead, 0, limit - 1)
        return [*opened, *dead]

    async def standings(
        self, connection: str, message_ids: Sequence[str]
    ) -> dict[str, Standing | None]:
        """Return the standing of each of these messages, None where the queue has no record; one round trip."""
        of = keys.of(connection)
        pipeline = self._redis.pipeline(transaction=False)
        for each in message_ids:
            pipeline.zscore(of.changed, each)
            pipeline.hmget(of.message(each), "status", "revision", "type")
        async with reach():
            answers = await pipeline.execute() if message_ids else []
        found: dict[str, Standing | None] = {}
        for number, each in enumerate(message_ids):
            mark, (status, revision, kind) = answers[2 * number : 2 * number + 2]
            found[each] = (
                Standing(status, int(revision), kind, mark is not None) if status else None
            )
        return found

    async def changed(self, connection: str, limit: int, upto: int | None = None) -> list[Record]:
        """Records that changed since they were last `mirrored`, oldest change first.

        With `upto` those that have not changed since that revision.
        """
        of = keys.of(connection)
        until = "+inf" if upto is None else upto
        async with reach():
            ids: Any = await self._redis.zrangebyscore(of.changed, "-inf", until, 0, limit)
        records = await self._transitions.records(connection, ids)
        expired = set(ids) - {record.message_id for record in records}
        if expired:
            async with reach():
                await self._redis.zrem(of.changed, *expired)
        return records

    async def mirrored(
        self,
        connection: str,
        records: Sequence[Record],
        lacking: Collection[str] = (),
    ) -> None:
        """Unlist records that are stored elsewhere, unless they changed, or their chat was renamed, since.

        A message that WhatsApp acknowledged loses its words in Redis (`Record.stored`). One whose id is in `lacking`,
        since the state store lacks something of it, stays once it is finished.
        """
        names = await self._transitions.names(connection, {record.chat for record in records})
        arguments = [
            part
            for record in records
            if record.chat == names[record.chat]
            for part in (record.message_id, record.revision, int(record.id in lacking))
        ]
        if arguments:
            await self._transitions.run(connection, "mirrored", clock(None), *arguments)


def _counts(answers: Sequence[Any]) -> Counts:
    opened, flying, ahead, held, scheduled, dead, *firsts, paced = answers
    active = flying + ahead
    oldest = min((float(first[0][1]) for first in firsts if first), default=None)
    return Counts(
        waiting=opened - active - held - scheduled,
        active=active,
        delayed=held + scheduled,
        dead=dead,
        oldest_at=None if oldest is None else max(oldest, float(paced or 0)),
    )
