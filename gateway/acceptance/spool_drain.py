"""Moves messages from the host's spool (SQLite) to the Redis queue once Redis is back, in order within each chat."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

import structlog

from actors.queue.mirror import mirror_store
from actors.queue.outbound_queue import (
    ConnectionDeleted,
    IdempotencyConflict,
    OutboundQueue,
    RedisAway,
)
from actors.queue.spool.file import SpoolUnavailable
from actors.queue.spool.rows import SPOOL_UNREADABLE
from actors.runtime.atomic_files import held
from actors.runtime.backoff import doubled
from actors.runtime.limits.limit_uses import ALERT_SHARE
from actors.runtime.limits.limits import LimitReached
from actors.state import own_mistakes
from actors.state.documents import HEALTH_STATUS, StoreAway

if TYPE_CHECKING:
    from pathlib import Path

    from actors.queue.spool.file import Spool
    from actors.queue.spool.rows import Spooled
    from actors.state.documents import Documents
    from gateway.connection_cache import ConnectionCache
    from gateway.redis_memory import RedisMemoryMonitor

SENDS_PER_ROUND = 200
SPOOL_POLL_SECONDS = 0.5  # while nothing is spooled, or it cannot be drained
REGISTRY_TIMEOUT = 2.0  # seconds for the state store to say whether a connection is there
OVER = 1.0
"""Seconds for which a connection that has no room in Redis is left out."""
ASIDE = 1.0
LONGEST_ASIDE = 20.0
"""Seconds for which a chat that could not be moved is left out; doubles each time, up to that."""

log = structlog.get_logger()


class FullLimit(TypedDict):
    """A limit of the spool that is used to four fifths or more."""

    setting: str
    """The setting that has it."""
    used: int
    size: int
    """Its use and its size, in messages for SPOOL_LIMIT, else in bytes."""


class SpoolDocument(TypedDict):
    """The part of a host's spool that cannot be moved to the queue."""

    stuck: int
    """Chats that cannot be moved."""
    unreadable: int
    """Sends that nobody can read."""
    limits: list[FullLimit]
    """Limits that are used to four fifths or more."""
    at: float
    """When it was written."""


class SpoolDrain:
    """Moves the spool to the queue. Chats move side by side, each in its order (G4).

    A chat that cannot be moved is set aside for a while, so that it holds up no other however much
    it holds, and an alert says that there is one. A connection whose next send has no room in Redis (G13) keeps its place
    in the same way, without an alert: the spool is durable. A row that is no send any more ends as cancelled and
    stays in the file; that is an alert too. One process per host drains: the one with the lock. A send leaves the
    spool when the queue has it, so that a drain that dies in between is repeated by the next,
    harmlessly (`OutboundQueue.accept`). While Redis is away nothing moves.
    """

    def __init__(
        self,
        spool: Spool,
        lanes: OutboundQueue,
        connections: ConnectionCache,
        documents: Documents,
        lock: Path,
        *,
        room: RedisMemoryMonitor,
    ) -> None:
        self._spool = spool
        self._lanes = lanes
        self._connections = connections
        self._documents = documents
        self._lock = lock
        self._room = room
        self._wake = asyncio.Event()
        self._aside: dict[tuple[str, str], tuple[int, float]] = {}
        self._stuck: set[tuple[str, str]] = set()
        # Until when others pass a connection that is over its budget.
        self._over: dict[str, float] = {}
        self._reported: tuple[int, ...] | None = None
        self._ended = 0
        self.away = False
        """Redis was away when it was asked last. Only the drain asks it again."""

    def look(self) -> None:
        """Something was spooled, or Redis may be back."""
        self._wake.set()

    async def run(self) -> None:
        """Drain until cancelled."""
        while True:
            self._wake.clear()
            try:
                moved = await self.once()
            except (SpoolUnavailable, OSError):
                moved = 0  # the disk is away; the next look may find it back
                self.away = False  # and sends have nowhere else to go
            except Exception:  # not foreseen; without this loop what is spooled would stay
                log.exception("spool not drained", action="drain_spool")
                await own_mistakes.note_once(self._documents, "drain_spool")
                moved = 0
            if moved:
                log.info("spool drained", action="drain_spool", count=moved)
            else:
                try:
                    async with asyncio.timeout(SPOOL_POLL_SECONDS):
                        await self._wake.wait()
                except TimeoutError:
                    continue

    async def once(self) -> int:
        """Move a batch; how many moved."""
        now = time.monotonic()
        aside = [chat for chat, (_, until) in self._aside.items() if until > now]
        self._over = {each: until for each, until in self._over.items() if until > now}
        waiting = await self._spool.oldest(SENDS_PER_ROUND, aside, self._over)
        if not waiting:
            if not self._over:  # else it is asked when their time is over
                self.away = False
            await self._report()
            return 0
        with held(self._lock) as ours:
            if not ours:
                return 0
            oldest = await self._spool.oldest(SENDS_PER_ROUND, aside, self._over)
            try:
                names = await self._names(oldest)
            except RedisAway:
                await self._report()
                return 0
            await self._room.look()
            chats = _by_chat(self._with_room(oldest), names)
            await self._renew({connection for connection, _ in chats})
            moved = await asyncio.gather(*(self._move(chat) for chat in chats.values()))
            done = [spooled for chat in moved for spooled in chat]
            if done or self._over:
                self.away = False
            if done:
                await self._spool.remove(done)
            await self._report()
        return len(done)

    def _with_room(self, waiting: list[Spooled]) -> list[Spooled]:
        """Those that fit into Redis; a connection whose next one does not is passed for a while, whole."""
        fit: list[Spooled] = []
        moving: defaultdict[str, int] = defaultdict(int)
        for spooled in waiting:
            connection = spooled.send.connection
            if connection in self._over:
                continue
            try:
                self._room.budgets.check(connection, moving, spooled.weight)
            except LimitReached:
                self._pass(connection)
            else:
                moving[connection] += spooled.weight
                fit.append(spooled)
        return fit

    def _pass(self, connection: str) -> None:
        self._over[connection] = time.monotonic() + OVER
        self._wake.set()  # there may be others behind it

    async def _names(self, waiting: list[Spooled]) -> dict[str, dict[str, str]]:
        """The address of today of each chat, by connection. Raises `RedisAway`."""
        requested: defaultdict[str, set[str]] = defaultdict(set)
        for spooled in waiting:
            requested[spooled.send.connection].add(spooled.send.chat)
        return {name: await self._lanes.names(name, chats) for name, chats in requested.items()}

    async def _renew(self, connections: set[str]) -> None:
        """Know by the store which of them are there: another gateway may have deleted one meanwhile.

        While the store is away, what was known counts.
        """
        for connection in connections:
            if not self._connections.fresh:
                return
            with suppress(StoreAway, TimeoutError):
                async with asyncio.timeout(REGISTRY_TIMEOUT):
                    await self._connections.renewed(connection)

    async def _move(self, chat: list[Spooled]) -> list[Spooled]:
        moved = []
        names = {(each.send.connection, each.send.chat) for each in chat}
        try:
            for spooled in chat:
                await self._accept(spooled)
                moved.append(spooled)
        except RedisAway:
            return moved  # the rest of the chat keeps its place
        except LimitReached:  # another process took the room
            self._pass(chat[0].send.connection)
            return moved
        except StoreAway:
            self._set_aside(names)
            return moved
        except Exception as error:  # noqa: BLE001 - one chat must not hold up the others
            log.error(  # noqa: TRY400 - a traceback may quote what was sent
                "chat not drained",
                action="drain_spool",
                connection=chat[0].send.connection,
                error=type(error).__name__,
            )
            self._set_aside(names)
            self._stuck |= names
            await own_mistakes.note_once(self._documents, "drain_spool")
            return moved
        for name in names:
            self._aside.pop(name, None)
        self._stuck -= names
        return moved

    def _set_aside(self, chats: set[tuple[str, str]]) -> None:
        failures = 1 + max(self._aside.get(chat, (0, 0.0))[0] for chat in chats)
        until = time.monotonic() + doubled(failures, ASIDE, LONGEST_ASIDE)
        for chat in chats:
            self._aside[chat] = (failures, until)

    async def _report(self) -> None:
        """Report blocked chats and a spool that is nearly full to the HealthMonitor, which raises alerts.

        The chats themselves are not named. Of a limit each twentieth of it is news, from `ALERT_SHARE` on.
        """
        depth = await self._spool.depth()
        limits = [use for use in depth.limits if use.share >= ALERT_SHARE]
        news = (len(self._stuck), depth.unreadable, *(int(20 * use.share) for use in limits))
        if self._reported == news:
            return
        document: SpoolDocument = {
            "stuck": len(self._stuck),
            "unreadable": depth.unreadable,
            "limits": [
                {"setting": use.setting, "used": use.used, "size": use.size} for use in limits
            ],
            "at": time.time(),
        }
        try:
            await self._end_unreadable()
            await self._documents.set(HEALTH_STATUS, f"spool.{socket.gethostname()}", document)
        except StoreAway:
            return  # the next look tells it
        self._reported = news

    async def _end_unreadable(self) -> None:
        """Also of those that who died meanwhile moved aside. Raises `StoreAway`."""
        while True:
            number, records = await self._spool.unreadable(self._ended, SENDS_PER_ROUND)
            if number == self._ended:
                return
            if records:
                await mirror_store.store(self._documents, records)
            log.error(
                "damaged in the spool, never to be sent",
                action="drain_spool",
                messages=[each.id for each in records],
                error=SPOOL_UNREADABLE,
            )
            self._ended = number

    async def _accept(self, spooled: Spooled) -> None:
        if not await self._connections.exists(spooled.send.connection):
            await self._end(spooled, ConnectionDeleted.code)
            return
        try:
            await self._lanes.accept(
                spooled.send,
                message_id=spooled.message_id,
                idempotency_key=spooled.idempotency_key,
                now=spooled.accepted_at,
                part=self._room.part,
            )
        except ConnectionDeleted:
            await self._end(spooled, ConnectionDeleted.code)
        except IdempotencyConflict:
            # The key named another body before Redis went away, which nobody here could know.
            await self._end(spooled, IdempotencyConflict.code)

    async def _end(self, spooled: Spooled, error: str) -> None:
        """End sends that cannot be queued, visibly (G2). Raises `StoreAway`."""
        now = time.time()
        record = replace(
            spooled.record,
            status="cancelled",
            error=error,
            times={**spooled.record.times, "cancelled": now},
        )
        await mirror_store.store(self._documents, [record])


def _by_chat(
    waiting: list[Spooled], names: dict[str, dict[str, str]]
) -> dict[tuple[str, str], list[Spooled]]:
    """The sends in their order, by connection and by the chat's address of today."""
    found: defaultdict[tuple[str, str], list[Spooled]] = defaultdict(list)
    for spooled in waiting:
        connection = spooled.send.connection
        found[connection, names[connection][spooled.send.chat]].append(spooled)
    return found
