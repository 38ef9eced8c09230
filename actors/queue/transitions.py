"""Runs the scripts of the Redis queue, each transition one atomic call, and reads records as they are named today."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from actors.queue import current_addresses
from actors.queue.queue_errors import NotCancellable, NotDead, NotFound
from actors.queue.records import Record, record_of, split_id
from actors.redis import keys
from actors.redis.client import reach, redis_errors
from actors.redis.pipeline import RedisPipeline
from actors.redis.scripts import Script

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from redis.asyncio import Redis

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


class Transitions:
    """The scripts on one client. Raises `RedisAway`; a call may then have been applied."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._pipeline = RedisPipeline(redis)

    async def run(self, connection: str, transition: str, now: float, *args: object) -> Any:
        """The answer of a transition; one of `ACKNOWLEDGED` is on disk, and on the replicas, by then."""
        script = SCRIPTS.get(transition, KEEPING)
        return await script.run(
            self._pipeline,
            keys.of(connection),
            transition,
            now,
            *args,
            durable=transition in ACKNOWLEDGED,
        )

    async def records(self, connection: str, ids: Sequence[str]) -> list[Record]:
        """Those records that there are, in the chats of today."""
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

    async def placed(
        self, connection: str, key: str, limit: int, behind: int
    ) -> list[tuple[int, Record]]:
        """Records in a list of messages by place, behind the place `behind`, with their places."""
        async with reach():
            rows: Any = await self.redis.zrangebyscore(
                key, f"({behind}", "+inf", start=0, num=limit, withscores=True
            )
        places = {message_id: int(place) for message_id, place in rows}
        records = await self.records(connection, list(places))
        return [(places[record.message_id], record) for record in records]

    async def named(self, record: Record) -> Record:
        """The record in the chat of today."""
        names = await self.names(record.connection, current_addresses.addresses([record]))
        return current_addresses.renamed(record, names)

    async def decide(
        self,
        id_: str,
        transition: str,
        now: float | None,
        refusal: type[NotCancellable | NotDead],
    ) -> Record:
        """The record after `transition`. Raises `NotFound`, and `refusal` where its status forbids the transition."""
        names = split_id(id_)
        if names is None:
            raise NotFound(id_)
        outcome, *answer = await self.run(names[0], transition, clock(now), names[1])
        if outcome == "missing":
            raise NotFound(id_)
        if outcome == "refused":
            raise refusal(answer[0])
        return await self.named(record_of(*names, pairs(answer[0])))

    async def names(self, connection: str, chats: Collection[str]) -> dict[str, str]:
        """Today's address of each chat; most have their own."""
        found: dict[str, str] = {}
        requested = set(chats)
        while requested:
            async with reach():
                answer: Any = await self.redis.hmget(keys.of(connection).aliases, list(requested))
            renamed = {chat: new for chat, new in zip(requested, answer, strict=True) if new}
            found = renamed | {chat: renamed.get(last, last) for chat, last in found.items()}
            requested = set(renamed.values())
        return {chat: found.get(chat, chat) for chat in chats}


def clock(now: float | None) -> float:
    """The time that a caller gives, or the time."""
    return time.time() if now is None else now


def pairs(answer: Mapping[str, str] | Sequence[str]) -> Mapping[str, str]:
    """Return the fields of a hash, from either form of answer: scripts use the old protocol of Redis in any case."""
    if isinstance(answer, dict):
        return answer
    return dict(zip(answer[::2], answer[1::2], strict=True))  # type: ignore[index]
