"""Implements the outbound queue in Redis (accept, receipts, cancel, remove), and composes its parts.

One lane per chat, one message of a chat in flight at a time, fair turns between the chats of a
connection (`scripts/lanes.lua`). An accepted message is delivered at least once or ends visibly
(G2); each attempt carries the id minted at acceptance (G3); within a chat and priority the order
of acceptance holds, across retries and crashes (G4); an old epoch changes nothing (G6).

Every method raises `RedisAway` when Redis does not serve; the call may then have been applied, and
repeating it is safe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from actors.queue.claims import Claims
from actors.queue.dead_letters import EVERY_LETTER, DeadLetters, Redriven, Which
from actors.queue.lane_joins import LaneJoins, Renamed
from actors.queue.mirror.refused_views import RefusedViews
from actors.queue.queue_errors import (
    ConnectionDeleted,
    IdempotencyConflict,
    NotCancellable,
    NotDead,
    NotFound,
)
from actors.queue.queue_reader import QueueReader
from actors.queue.records import (
    Accepted,
    Claim,
    ClaimedMessage,
    Counts,
    Record,
    Send,
    Status,
    api_id,
    mint,
    record_of,
    split_id,
)
from actors.queue.retry_policy import decide
from actors.queue.transitions import Transitions, clock, pairs
from actors.redis import keys
from actors.redis.client import RedisAway
from actors.redis.leases.leases import LeaseLost
from actors.runtime import host_identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.runtime.host_identity import Uptime
    from actors.runtime.limits.limits import LimitReached
    from actors.runtime.limits.quotas import QuotaPart

MIN_MESSAGE_BYTES = 1000
"""Bytes that an open message counts beside its words: `WEIGHT` of `redis/transitions.lua`."""
RECEIPT_BATCH = 200
ABANDON_BATCH = 200

__all__ = [
    "EVERY_LETTER",
    "Accepted",
    "Claim",
    "ClaimedMessage",
    "ConnectionDeleted",
    "Counts",
    "IdempotencyConflict",
    "LeaseLost",
    "NotCancellable",
    "NotDead",
    "NotFound",
    "OutboundQueue",
    "Record",
    "RedisAway",
    "Redriven",
    "Renamed",
    "Send",
    "Status",
    "Which",
    "decide",
    "mint",
]  # fmt: skip


class OutboundQueue:
    """The queue of all connections; safe for concurrent use by the tasks of one event loop.

    `reader` reads records and counters, `claims` takes messages for an owner and reports their outcomes, `joins` makes
    one of two lanes, `dead_letters` and `refused_views` are lists for a person.
    """

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._transitions = Transitions(redis)
        self._settings = settings
        self.reader = QueueReader(self._transitions)
        self.claims = Claims(self._transitions, settings)
        self.joins = LaneJoins(self._transitions, self.claims)
        self.dead_letters = DeadLetters(self._transitions)
        self.refused_views = RefusedViews(self._transitions)

    async def accept(
        self,
        send: Send,
        *,
        idempotency_key: str | None = None,
        message_id: str | None = None,
        now: float | None = None,
        limited: bool = True,
        part: QuotaPart | None = None,
    ) -> Accepted:
        """Put a message at the tail of its lane; when this returns, it is on disk (G1).

        With `idempotency_key` (scope it by API key) the same body gives the first record again, another
        raises `IdempotencyConflict`, until a day after the message's end: the record leaves then, and the key names
        the next message. Until then the acceptance may also be repeated with `message_id`, minted before.

        The record has the chat of today, where the address of `send` is a former one (`rename`).

        Raises `ConnectionDeleted` from `Leases.delete` on, and, where it is `limited`, `LimitReached` once the
        messages of the connection have `QUEUE_MEMORY_PER_CONNECTION` bytes, or their `part` of the memory of Redis
        where that is all that is left for them; never for one that was accepted before.
        """
        now = clock(now)
        key, fingerprint, message_id = "", "", message_id or mint()
        if idempotency_key is not None:
            key, fingerprint = keys.digest(idempotency_key), send.fingerprint
        outcome, *answer = await self._transitions.run(
            send.connection,
            "accept",
            now,
            message_id,
            key,
            fingerprint,
            send.chat,
            send.type,
            send.text,
            send.priority,
            "" if send.send_at is None else repr(send.send_at),
            send.content,
            (limited and self._most(part)) or "",
        )
        if outcome == "deleted":
            raise ConnectionDeleted(send.connection)
        if outcome == "full":
            raise self._full(part, *map(int, answer))
        if outcome == "conflict":
            raise IdempotencyConflict
        if outcome == "known":
            first_id, fields = answer
            first = record_of(send.connection, first_id, pairs(fields))
            return Accepted(await self._transitions.named(first), replayed=first_id != message_id)
        message_id, revision, status, chat = answer
        record = Record(
            id=api_id(send.connection, message_id),
            message_id=message_id,
            connection=send.connection,
            chat=chat,
            type=send.type,
            text=send.text,
            priority=send.priority,
            status=status,
            attempts=0,
            error=None,
            uncertain=False,
            accepted_at=now,
            send_at=send.send_at,
            times={status: now},
            revision=int(revision),
            content=send.content,
        )
        return Accepted(record, replayed=False)

    async def require_room(self, connection: str, part: QuotaPart | None = None) -> None:
        """Raise what `accept` would of the shortest message of the connection for want of room."""
        limit = self._most(part)
        if not limit:
            return
        needed = (await self.reader.flows_many([connection]))[connection].bytes + MIN_MESSAGE_BYTES
        if needed > limit:
            raise self._full(part, needed)

    def _most(self, part: QuotaPart | None) -> int:
        """The bytes that the messages of a connection may have; 0 is no limit."""
        sizes = (self._settings.queue_limit.size, 0 if part is None else part.size)
        return min((each for each in sizes if each), default=0)

    def _full(self, part: QuotaPart | None, needed: int) -> LimitReached:
        each = self._settings.queue_limit
        if part is not None and (not each.size or part.size < each.size):
            return part.limit.reached("instance")
        return each.reached("connection", needed=needed)

    async def receipts(
        self,
        connection: str,
        receipts: Sequence[tuple[str, Literal["sent", "delivered", "read"], float]],
        now: float | None = None,
    ) -> frozenset[str]:
        """Note receipts: WhatsApp's message id, what became of it, WhatsApp's time.

        They also prove a message sent in whatever state it is (G3). Idempotent and monotone: read
        is never delivered again. Returns the ids, of the form minted here, that have no record: the state store
        may have the messages of those that left.
        """
        now, unknown = clock(now), set[str]()
        for begin in range(0, len(receipts), RECEIPT_BATCH):
            batch = receipts[begin : begin + RECEIPT_BATCH]
            parts = [part for name, status, at in batch for part in (name, status, repr(at))]
            unknown.update(await self._transitions.run(connection, "receipts", now, *parts))
        return frozenset(each for each in unknown if split_id(api_id(connection, each)))

    async def redact(self, connection: str, message_id: str, now: float | None = None) -> None:
        """Forget what a message said: it was deleted for everyone. Harmless twice, or for no message.

        A message that is still to be sent keeps its words.
        """
        await self._transitions.run(connection, "redact", clock(now), message_id)

    async def promote(
        self, connection: str, now: float | None = None, uptime: Uptime | None = None
    ) -> float | None:
        """Ready what is due; return when the next is (None: nothing is held back).

        Removes records that ended a day of the `uptime` of this host ago (None: as it is now).
        """
        boot, seconds = uptime or host_identity.uptime()
        due = await self._transitions.run(connection, "promote", clock(now), boot, repr(seconds))
        return float(due) if due else None

    async def cancel(self, id: str, now: float | None = None) -> Record:  # noqa: A002
        """Cancel a message that is not being sent. Of a cancel and a claim, one wins.

        Raises `NotCancellable` and `NotFound`; a cancelled message is cancelled again.
        """
        return await self._transitions.decide(id, "cancel", now, NotCancellable)

    async def abandon(self, connection: str, code: str, now: float | None = None) -> None:
        """End everything that is open as cancelled, with `code` as the error; dead letters stay.

        A message that is being sent may yet arrive, so it is `uncertain`. For a connection without an owner;
        safe to repeat, also after a half.
        """
        now = clock(now)
        while await self._transitions.run(connection, "abandon", now, code, ABANDON_BATCH):
            pass

    async def remove(self, connection: str) -> bool:
        """Remove the queue and the lease; False, and nothing is removed, if there is more to do.

        That is: something is open, or changed and not `mirrored`. Records stay, until `Leases.forget`.
        """
        return bool(await self._transitions.run(connection, "close", clock(None)) == "closed")

    async def close(self) -> None:
        """Close the blocking connection of `claims.wait`; not the client, which is the caller's."""
        await self.claims.close()
