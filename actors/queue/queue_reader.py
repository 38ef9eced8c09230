"""Reads records and counters of the Redis queue; unlists mirrored records, and drops the words of acknowledged ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from actors.queue import current_addresses
from actors.queue.queue_errors import IdempotencyConflict
from actors.queue.records import Counts, Flow, Record, api_id, flow_of, record_of, split_id
from actors.redis import keys
from actors.redis.client import reach, redis_errors
from actors.redis.pipeline import RedisPipeline
from actors.redis.scripts import Script

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from redis.asyncio import Redis

    from actors.queue.records import Send

DUE = "actors.queue.scripts:due.lua"
PACED = (
    "transitions.lua",
    "flight.lua",
    DUE,
    "actors.queue.scripts:pacing.lua",
    "actors.queue.scripts:proofs.lua",
)
ACCEPTING = Script.of(
    "transitions.lua", DUE, "actors.queue.scripts:accept.lua", package="actors.redis"
)
CLAIMS = "actors.queue.scripts:claims.lua"
SENDING = Script.of(*PACED, CLAIMS, package="actors.redis", at_maxmemory=True)
DEFERRING = Script.of(
    *PACED,
    CLAIMS,
    "actors.queue.scripts:deferrals.lua",
    package="actors.redis",
    at_maxmemory=True,
)
KEEPING = Script.of(
    *PACED,
    "actors.queue.scripts:bytes.lua",
    "actors.queue.scripts:refused_views.lua",
    "actors.queue.scripts:dead_letters.lua",
    "actors.queue.scripts:lanes.lua",
    package="actors.redis",
    at_maxmemory=True,
)
JOINING = Script.of(
    "transitions.lua",
    "flight.lua",
    DUE,
    "actors.queue.scripts:renames.lua",
    package="actors.redis",
    at_maxmemory=True,
)
SCRIPTS = {
    "accept": ACCEPTING,
    **dict.fromkeys(("turn", "complete", "fail", "unclaim"), SENDING),
    **dict.fromkeys(("defer", "lift"), DEFERRING),
    **dict.fromkeys(("rename", "note_renamed"), JOINING),
}
"""By transition, where it is not `KEEPING`: a run defines all that is in its script, needed or not.

At `maxmemory` all run but `accept`: each of them brings messages nearer to their end.
"""


ACKNOWLEDGED = frozenset({"accept", "cancel", "retry", "redrive"})
"""Transitions that the API acknowledges to its caller: they survive the loss of the primary, too."""


class Standing(NamedTuple):
    """The part of a record that is compared with its view; `marked`: the view is still to be written."""

    status: str
    revision: int
    type: str
    marked: bool


class QueueReader:
    """Reads messages and counters of the queue. `mirrored` alone changes them. Raises `RedisAway`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pipeline = RedisPipeline(redis)

    async def get(self, id: str) -> Record | None:  # noqa: A002
        """The record of an outgoing message, None if there is none (or not any more)."""
        names = split_id(id)
        if names is None:
            return None
        async with reach():
            fields: Any = await self._redis.hgetall(keys.of(names[0]).message(names[1]))
        return await self._named(record_of(*names, fields)) if fields else None

    async def names(self, connection: str, chats: Collection[str]) -> dict[str, str]:
        """Today's address of each chat; most have their own."""
        found: dict[str, str] = {}
        requested = set(chats)
        while requested:
            async with reach():
                answer: Any = await self._redis.hmget(keys.of(connection).aliases, list(requested))
            renamed = {chat: new for chat, new in zip(requested, answer, strict=True) if new}
            found = renamed | {chat: renamed.get(last, last) for chat, last in found.items()}
            requested = set(renamed.values())
        return {chat: found.get(chat, chat) for chat in chats}

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
        records = await self._records(connection, ids)
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
        names = await self.names(connection, {record.chat for record in records})
        arguments = [
            part
            for record in records
            if record.chat == names[record.chat]
            for part in (record.message_id, record.revision, int(record.id in lacking))
        ]
        if arguments:
            await self._run(connection, "mirrored", clock(None), *arguments)

    async def _run(self, connection: str, transition: str, now: float, *args: object) -> Any:
        script = SCRIPTS.get(transition, KEEPING)
        return await script.run(
            self._pipeline,
            keys.of(connection),
            transition,
            now,
            *args,
            durable=transition in ACKNOWLEDGED,
        )

    async def _records(self, connection: str, ids: Sequence[str]) -> list[Record]:
        if not ids:
            return []
        of = keys.of(connection)
        async with reach():
            answers = await self._pipeline.exchange([("HGETALL", of.message(each)) for each in ids])
        records = []
        for message_id, fields in zip(ids, answers, strict=True):
            if isinstance(fields, Exception):
                with redis_errors:
                    raise fields
            if fields:
                records.append(record_of(connection, message_id, pairs(fields)))
        names = await self.names(connection, current_addresses.addresses(records))
        return [current_addresses.renamed(record, names) for record in records]

    async def _placed(
        self, connection: str, key: str, limit: int, behind: int
    ) -> list[tuple[int, Record]]:
        """Records in a list of messages by place, behind the place `behind`, with their places."""
        async with reach():
            rows: Any = await self._redis.zrangebyscore(
                key, f"({behind}", "+inf", start=0, num=limit, withscores=True
            )
        places = {message_id: int(place) for message_id, place in rows}
        records = await self._records(connection, list(places))
        return [(places[record.message_id], record) for record in records]

    async def _named(self, record: Record) -> Record:
        """The record in the chat of today."""
        names = await self.names(record.connection, current_addresses.addresses([record]))
        return current_addresses.renamed(record, names)


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


def clock(now: float | None) -> float:
    """The time that a caller gives, or the time."""
    return time.time() if now is None else now


def pairs(answer: Mapping[str, str] | Sequence[str]) -> Mapping[str, str]:
    """Return the fields of a hash, from either form of answer: scripts use the old protocol of Redis in any case."""
    if isinstance(answer, dict):
        return answer
    return dict(zip(answer[::2], answer[1::2], strict=True))  # type: ignore[index]
