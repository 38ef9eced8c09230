"""Writes a send to the Redis queue, or to the host's spool while Redis is away; finds sends by idempotency key or id."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from actors.media.store import StoreUnavailable
from actors.queue.outbound_queue import Accepted, RedisAway, mint
from actors.queue.records import api_id, derive
from actors.queue.spool.file import EXCEPTED, SpoolUnavailable

if TYPE_CHECKING:
    from actors.queue.outbound_queue import OutboundQueue, Record, Send
    from actors.queue.spool.file import Spool
    from actors.runtime.limits.limits import LimitReached
    from actors.state.tenants.store_floor import StoreFloor
    from gateway.acceptance.spool_drain import SpoolDrain
    from gateway.redis_memory import RedisMemoryMonitor


class Acceptor:
    """A send that was accepted is on disk (G1) and follows what its chat has accepted (G4).

    Redis being away refuses none, and a Redis that hangs delays only the first (G11): sends that
    it cannot take wait in the spool. So does what follows, in any chat until the drain has found
    Redis again, and in the same chat until the drain has moved what is before it.

    Once half of the memory of Redis is used, a connection has its part of the other half (G13). While Redis is
    nearly full sends are refused, not spooled: perhaps nobody makes room. The spool takes those that come
    between two readings of its memory (`redis_memory`). While Redis is away it takes what has room there by the last
    reading, beside what waits already. Sends are refused as well while the disk of the data directory is below its
    floor, and those of a connection that keeps all that it may in the state store (`StoreFloor`).
    """

    def __init__(
        self,
        lanes: OutboundQueue,
        spool: Spool,
        drain: SpoolDrain,
        room: RedisMemoryMonitor,
        floor: StoreFloor,
        *,
        spools: bool = True,
    ) -> None:
        """`spools`: whether what Redis does not take waits on disk; else it is refused."""
        self._room = room
        self._floor = floor
        self._spools = spools
        self._lanes = lanes
        self._spool = spool
        self._drain = drain

    async def accept(
        self,
        send: Send,
        idempotency_key: str | None,
        *,
        message_id: str | None = None,
        now: float | None = None,
    ) -> Accepted:
        """Raises `IdempotencyConflict`, and `SpoolUnavailable` when neither takes it.

        Where nothing waits on disk it raises `RedisAway`. Raises `LimitReached` of the memory of Redis, of the
        disk or of the state store, but not for a send that was accepted under the same key.

        `message_id` is one that was minted before; a send with a key has the id of the key.
        """
        # An id that is known before: a script whose answer was lost may have run.
        message_id = None if idempotency_key else message_id or mint()
        now = time.time() if now is None else now  # an id that a key names has its time in it
        if (refusal := self._refusal(send.connection)) is not None:
            accepted = idempotency_key and await self.first(send, idempotency_key)
            if not accepted:
                raise refusal
            return accepted
        if not self._drain.away and not self._spool.holds(send.connection, send.chat):
            try:
                if not await self._waits_by_another_name(send):
                    return await self._lanes.accept(
                        send,
                        message_id=message_id,
                        idempotency_key=idempotency_key,
                        now=now,
                        part=self._room.part,
                    )
            except RedisAway:
                self._drain.away = True
        if not self._spools:
            self._drain.look()
            raise RedisAway
        spooled, replayed = await self._spool.put(
            send,
            message_id=message_id,
            idempotency_key=idempotency_key,
            now=now,
            budgets=self._room.budgets,
        )
        self._drain.look()
        return Accepted(spooled.record, replayed=replayed)

    async def require_room(self, connection: str) -> None:
        """Raise `LimitReached` where a message of the connection, however short, has no room.

        Asked before a file is fetched for a send: later steps may refuse it all the same.
        """
        if (refusal := self._refusal(connection)) is not None:
            raise refusal
        with suppress(RedisAway):
            await self._lanes.require_room(connection, self._room.part)

    def _refusal(self, connection: str) -> LimitReached | None:
        """The refusal of each send, while Redis or the disk has no room for any, or not for this connection's."""
        if self._room.full:
            return self._room.limit.reached("instance")
        return self._floor.refusal_of(connection)

    async def _waits_by_another_name(self, send: Send) -> bool:
        """Whether the spool may have something of the chat under another address. Raises `RedisAway`."""
        waiting = self._spool.chats(send.connection)
        if not waiting:
            return False
        if len(waiting) == EXCEPTED:
            return True  # there may be more
        names = await self._lanes.names(send.connection, [send.chat, *waiting])
        return any(names[chat] == names[send.chat] for chat in waiting if chat != send.chat)

    async def first(self, send: Send, idempotency_key: str) -> Accepted | None:
        """The acceptance that this key and this send had before; None if there was none.

        `send` need have only what was asked for. Raises `IdempotencyConflict`, and
        `SpoolUnavailable` if nobody can say.
        """
        try:
            record = await self._lanes.first(send, idempotency_key)
        except RedisAway:
            record = None
        if record is None:
            record = await self.waiting(
                api_id(send.connection, derive(send, idempotency_key, time.time()))
            )
        return None if record is None else Accepted(record, replayed=True)

    async def get(self, id: str) -> Record | None:  # noqa: A002 - the field's word
        """The message as the queue has it, or as it waits for that.

        Raises `RedisAway` or `SpoolUnavailable` if it is not found and may be where nobody looked.
        """
        # The spool first: a message that the drain moves is in the queue before it leaves the spool.
        spooled, missed = None, None
        try:
            spooled = await self.waiting(id)
        except SpoolUnavailable as error:
            missed = error
        try:
            record = await self._lanes.get(id)
        except RedisAway:
            if spooled is None:
                raise
            return spooled
        if record is None and missed is not None:
            raise missed
        return record or spooled

    async def waits(self, id: str) -> bool:  # noqa: A002 - the field's word
        """Whether the message may still be sent. Raises `StoreUnavailable` if nobody can say."""
        try:
            record = await self.get(id)
        except (RedisAway, SpoolUnavailable):
            raise StoreUnavailable("queue away") from None
        if record is None or record.redacted:
            return False
        if record.status == "dead":  # it can be sent again as long as it is listed
            return record.expired_at is None
        return record.status in {"queued", "waiting", "sending"}

    async def waiting(self, id: str) -> Record | None:  # noqa: A002 - the field's word
        """The message if it waits in the spool. Raises `SpoolUnavailable`."""
        connection, _, message_id = id.partition(".")
        spooled = await self._spool.get(connection, message_id)
        return None if spooled is None else spooled.record
