"""Takes, renews, updates and releases the leases of connections in Redis; each taking raises the epoch.

At most one owner counts at a time (G6). Each taking gives a higher epoch; a call under an older epoch
is refused by the same script that would have executed it. The record (`lease_record`) is also the
only place that has the actor of a connection.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Protocol

from actors.redis import keys
from actors.redis.client import reach, redis_errors
from actors.redis.leases.lease_record import (
    NONE_HELD,
    HeldItems,
    Lease,
    Obstacle,
    Owner,
    read_lease,
    time_of,
)
from actors.redis.pipeline import RedisPipeline
from actors.redis.scripts import AT_MAXMEMORY, Script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from actors.redis.leases.lease_record import Position

__all__ = [
    "EXPIRES",
    "TOMBSTONE",
    "Lease",
    "LeaseLost",
    "LeaseMissing",
    "Leases",
    "Obstacle",
    "Owner",
]

PARTS = ("transitions.lua", "flight.lua", f"{__package__}:lease.lua")
SCRIPT = Script.of(*PARTS, package="actors.redis", at_maxmemory=True)
BURY = f"""{AT_MAXMEMORY}
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
"""
FORGET_BATCH = 1_000

TOMBSTONE = 30 * 24 * 3600
"""Seconds for which a deleted connection is remembered; no request and no owner stands still as long."""

EXPIRES = 30.0
"""Seconds without a renewal after which others may serve, where they cannot end the owner.

Only with several hosts: on one host the previous owner is always within reach.
"""


class LeaseLost(Exception):
    """The epoch is no longer the newest, or was released: stop, nothing of it counts any more."""


class LeaseMissing(Exception):
    """Redis was emptied: take a new lease. Or the connection was deleted: it cannot be taken."""


class Shown(Protocol):
    """A text that is shown to the person who links the device, and until when (seconds since the epoch)."""

    @property
    def text(self) -> str: ...

    @property
    def expires_at(self) -> float: ...


class Leases:
    """The leases of all connections. Every method raises `RedisAway` when Redis does not serve."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._pipeline = RedisPipeline(redis)

    async def take(
        self, connection: str, owner: Owner, session_epoch: int = 0, now: float | None = None
    ) -> Lease:
        """Give `owner` the next epoch: one more than Redis' and the session's, `session_epoch`.

        The same script queues again, at its old place, what an older epoch had in flight, and
        wakes that owner if it still waits. The state becomes ``connecting``, an obstacle stays.
        Safe to repeat: a repetition gives the same epoch unless somebody took the next one meanwhile.
        Raises `LeaseLost` once the connection was deleted and `forget` was called.
        """
        now = time.time() if now is None else now
        who = owner.actor, owner.pid, owner.node, secrets.token_hex(8), owner.started
        fields = await self._run(connection, "take", now, session_epoch, *who)
        lease = read_lease(connection, dict(zip(fields[::2], fields[1::2], strict=True)))
        if lease is None:
            raise LeaseLost(connection)
        return lease

    async def renew(self, connection: str, epoch: int, now: float | None = None) -> bool:
        """Beat. False when the lease is lost; raises `LeaseMissing` when there is no record."""
        now = time.time() if now is None else now
        outcome = await self._run(connection, "renew", now, epoch)
        if outcome == "missing":
            raise LeaseMissing(connection)
        return bool(outcome == "kept")

    async def report(
        self,
        connection: str,
        epoch: int,
        *,
        state: str,
        cause: str | None,
        since: float,
        account: str | None = None,
        qr: Shown | None = None,
        code: Shown | None = None,
        passkey: Shown | None = None,
        retry_at: float | None = None,
        obstacle: Obstacle | None = None,
        version_ends_at: float | None = None,
        limited_until: float | None = None,
        limit_reason: str | None = None,
        mistaken_at: float | None = None,
        held: HeldItems = NONE_HELD,
        linked_at: float | None = None,
    ) -> bool:
        """Write what the owner sees; False when the lease is lost, and then nothing is written.

        `account` None keeps the known one, `obstacle` None says that there is none. `qr`, `code` and
        `passkey` are shown until they expire, or a report without them.
        """
        outcome = await self._run(
            connection,
            "report",
            since,
            epoch,
            state,
            cause or "",
            account or "",
            *_lasting(qr),
            retry_at or "",
            "" if obstacle is None else obstacle.cause,
            "" if obstacle is None else obstacle.until or "",
            *_lasting(code),
            version_ends_at or "",
            *_lasting(passkey),
            limited_until or "",
            limit_reason or "",
            mistaken_at or "",
            *held.arguments,
            "" if linked_at is None else linked_at,
        )
        return bool(outcome == "kept")

    async def release(
        self,
        connection: str,
        epoch: int,
        *,
        state: str,
        cause: str | None,
        now: float | None = None,
    ) -> bool:
        """Give the lease back: no owner, what was in flight is queued again, the epoch stays.

        ``logged_out`` is an obstacle for all that follow, in place of any other. False when the lease is
        lost, True when it was released before already.
        """
        now = time.time() if now is None else now
        outcome = await self._run(connection, "release", now, epoch, state, cause or "")
        return bool(outcome == "kept")

    async def note_session(
        self,
        connection: str,
        epoch: int,
        session: Position | None = None,
        *,
        final: bool = False,
        behind: float | None = None,
    ) -> bool:
        """Note how far the owner's session is (None: as before), and since when it is not backed up.

        The next owner finds the live session by this. False when the lease is lost.
        """
        outcome = await self._run(
            connection,
            "note_session",
            time.time(),
            epoch,
            "" if session is None else f"{session.epoch} {session.commit}",
            int(final),
            behind or "",
        )
        return bool(outcome == "kept")

    async def mark(
        self,
        connection: str,
        epoch: int,
        *,
        state: str,
        cause: str | None,
        now: float | None = None,
    ) -> bool:
        """Write the root's verdict on a dead owner; False unless `epoch` is still the newest."""
        now = time.time() if now is None else now
        outcome = await self._run(connection, "mark", now, epoch, state, cause or "")
        return bool(outcome == "kept")

    async def read(self, connection: str) -> Lease | None:
        """The lease record, None where there is none."""
        async with reach():
            fields: Any = await self._redis.hgetall(keys.of(connection).lease)
        return read_lease(connection, fields)

    async def read_all(self, connections: Sequence[str]) -> dict[str, Lease]:
        """The lease records of those `connections` that have one."""
        if not connections:
            return {}
        async with reach():
            pipeline = self._redis.pipeline(transaction=False)
            for connection in connections:
                pipeline.hgetall(keys.of(connection).lease)
            answers = await pipeline.execute()
        found = zip(connections, map(read_lease, connections, answers), strict=True)
        return {connection: lease for connection, lease in found if lease is not None}

    async def qr(self, connection: str) -> tuple[str, float] | None:
        """The QR to scan and when it expires; None when nothing is to be scanned."""
        async with reach():
            fields: Any = await self._redis.hgetall(keys.of(connection).qr)
        return (fields["text"], float(fields["expires_at"])) if fields else None

    async def pairing_code(self, connection: str) -> tuple[str, float] | None:
        """The code to type and when it is void; None when none is open."""
        async with reach():
            fields: Any = await self._redis.hgetall(keys.of(connection).pairing_code)
        return (fields["text"], float(fields["expires_at"])) if fields else None

    async def passkey(self, connection: str) -> tuple[str, float] | None:
        """The step that linking by passkey waits for (`account.port.Passkey.text`), and until when, or None."""
        async with reach():
            fields: Any = await self._redis.hgetall(keys.of(connection).passkey)
        return (fields["text"], float(fields["expires_at"])) if fields else None

    async def delete(self, connection: str, now: float | None = None) -> None:
        """Refuse every send to a deleted connection from now on, however late it comes (G12).

        Its owner keeps the lease, and may unlink the device. Safe to repeat: the first time stays.
        """
        await self._bury(connection, "at", now)

    async def deleted_at(self, connection: str) -> float | None:
        """The time from which sends to the connection are refused; None while they are accepted."""
        async with reach():
            at: Any = await self._redis.hget(keys.of(connection).deleted, "at")
        return time_of(at)

    async def forget(self, connection: str, now: float | None = None) -> None:
        """Remove every key of a deleted connection but its tombstone. Safe to repeat.

        Its lease cannot be taken any more, so that an owner that was frozen all the while ends.
        """
        of = keys.of(connection)
        await self.delete(connection, now)
        await self._bury(connection, "removed", now)
        async with reach():
            # The fixed keys go at once: without a lease nobody claims while the rest goes.
            await self._redis.unlink(*of.scripted)
        batch: list[str] = []
        async with reach(deadline=300):
            async for key in self._redis.scan_iter(f"{of.base}:*", count=FORGET_BATCH):
                if key == of.deleted:
                    continue
                batch.append(key)
                if len(batch) >= FORGET_BATCH:
                    await self._redis.unlink(*batch)
                    batch.clear()
            if batch:
                await self._redis.unlink(*batch)

    async def _bury(self, connection: str, field: str, now: float | None) -> None:
        at = repr(time.time() if now is None else now)
        tombstone = keys.of(connection).deleted
        with redis_errors:  # a replica that is promoted refuses the sends, too
            await self._pipeline.eval(BURY, 1, tombstone, field, at, TOMBSTONE, durable=True)

    async def _run(self, connection: str, transition: str, now: float, *args: object) -> Any:
        durable = transition == "take"  # a replica that is promoted gives no epoch twice (G6)
        names = keys.of(connection)
        return await SCRIPT.run(self._pipeline, names, transition, now, *args, durable=durable)


def _lasting(shown: Shown | None) -> tuple[str, float, int]:
    """Its text, when it expires, and in how many milliseconds; no text where it did."""
    left = 0 if shown is None else max(0, int((shown.expires_at - time.time()) * 1000))
    return ("", 0.0, 0) if shown is None or left == 0 else (shown.text, shown.expires_at, left)
