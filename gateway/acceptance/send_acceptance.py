"""Writes a send to the Redis queue, waiting for a Redis that is away for a short time; finds sends by idempotency key."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from actors.media.store import StoreUnavailable
from actors.queue.outbound_queue import Accepted, RedisAway, mint

if TYPE_CHECKING:
    from actors.queue.outbound_queue import OutboundQueue, Send
    from actors.runtime.limits.limits import LimitReached
    from actors.state.tenants.store_floor import StoreFloor
    from gateway.acceptance.former_spool import FormerSpool
    from gateway.acceptance.redis_wait import RedisWait
    from gateway.redis_memory import RedisMemoryMonitor


class Acceptor:
    """A send that was accepted is in the queue, on disk (G1); under one Idempotency-Key it is there once.

    A send that Redis does not take waits for it (`RedisWait`), and is refused then.

    Once half of the memory of Redis is used, a connection has its part of the other half (G13). While Redis is
    nearly full sends are refused. So they are while the disk of the data directory is below its floor, and those of a
    connection that keeps all that it may in the state store (`StoreFloor`).
    """

    def __init__(
        self,
        lanes: OutboundQueue,
        wait: RedisWait,
        former: FormerSpool,
        room: RedisMemoryMonitor,
        floor: StoreFloor,
    ) -> None:
        self._lanes = lanes
        self._wait = wait
        self._former = former
        self._room = room
        self._floor = floor

    async def accept(
        self, send: Send, idempotency_key: str | None, *, message_id: str | None = None
    ) -> Accepted:
        """Raises `IdempotencyConflict`, and `RedisAway`: it may have been accepted then.

        Raises `LimitReached` of the memory of Redis, of the disk or of the state store, but not for a send that was
        accepted under the same key.

        `message_id` is one that was minted before.
        """
        # One id for all tries of this request: a script whose answer was lost may have run.
        message_id, now = message_id or mint(), time.time()
        if (refusal := self._refusal(send.connection)) is not None:
            accepted = idempotency_key and await self.first(send, idempotency_key)
            if not accepted:
                raise refusal
            return accepted

        async def put() -> Accepted:
            if not self._former.moved:
                raise RedisAway("former spool")
            if self._room.full:  # by now: a server at its `maxmemory` answers as one that is away
                raise self._room.limit.reached("instance")
            return await self._lanes.accept(
                send,
                message_id=message_id,
                idempotency_key=idempotency_key,
                now=now,
                part=self._room.part,
            )

        return await self._wait.serve(send.connection, len(send.text) + len(send.content), put)

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

    async def first(self, send: Send, idempotency_key: str) -> Accepted | None:
        """The acceptance that this key and this send had before; None if there was none.

        `send` need have only what was asked for. Raises `IdempotencyConflict` and `RedisAway`.
        """
        record = await self._wait.serve(
            send.connection,
            len(send.asked),
            lambda: self._lanes.reader.first(send, idempotency_key),
        )
        return None if record is None else Accepted(record, replayed=True)

    async def waits(self, id: str) -> bool:  # noqa: A002 - the field's word
        """Whether the message may still be sent. Raises `StoreUnavailable` if nobody can say."""
        try:
            record = await self._lanes.reader.get(id)
        except RedisAway:
            raise StoreUnavailable("queue away") from None
        if record is None or record.redacted:
            return False
        if record.status == "dead":  # it can be sent again as long as it is listed
            return record.expired_at is None
        return record.status in {"queued", "waiting", "sending"}
