"""Drains inboxes of session files that no engine has open (older, deleted connections') to state store and Redis."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from actors.connection.backup.quarantine import DRAINED, remove_former
from actors.connection.backup.restore import OLDER_DIRECTORY
from actors.connection.owner.inbox_drain import InboxDrain
from actors.connection.session import SESSION_FILE
from actors.connection.session.session import (
    Session,
    SessionBlocked,
    SessionDamaged,
    SessionTooNew,
    SessionUnavailable,
    StaleEpoch,
)
from actors.runtime.backoff import persist

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from actors.connection.engine import InboxItem, InboxKind
    from actors.connection.owner.sender import Ticket
    from actors.connection.state_manager.port import State
    from actors.queue.outbound_queue import OutboundQueue
    from actors.redis.leases.lease_record import HeldItems

log = structlog.get_logger()


class StrandedInbox:
    """Drains the inbox of each older file of a connection, before and beside the live one's (G5).

    A file is done once the store has all of it; a file that a crash or an outage interrupts begins anew
    at the next try or by the next owner, and items that were stored twice are there once. Files that it was
    still to fetch are the live session's to fetch.
    """

    def __init__(
        self,
        ticket: Ticket,
        directory: Path,
        lanes: OutboundQueue,
        state: State,
    ) -> None:
        """`on_lost` is to be set before `run`: a newer epoch has the connection."""
        self.on_lost: Callable[[str], None] = lambda _: None
        self._ticket = ticket
        self._directory = directory
        self._lanes = lanes
        self._state = state

    async def run(self) -> None:
        """Drain until nothing is left."""
        for file in sorted((self._directory / OLDER_DIRECTORY).glob("*/session.db")):
            try:
                await persist(partial(self._drain, file), _NotAll, first=0.2, longest=5.0)
            except (SessionDamaged, SessionTooNew, StaleEpoch) as error:
                log.error(  # noqa: TRY400 - the code says it
                    "older session not read",
                    action="leftovers",
                    connection=self._ticket.connection,
                    reason=error.code,
                )

    async def _drain(self, file: Path) -> None:
        async with _drained(file, self._ticket, self._lanes, self._state, self.on_lost) as older:
            await self._hand_over(older)
        done = self._directory / DRAINED
        await asyncio.to_thread(done.mkdir, mode=0o700, exist_ok=True)
        await asyncio.to_thread(file.parent.rename, done / file.parent.name)
        log.info("older session drained", action="leftovers", connection=self._ticket.connection)
        await asyncio.to_thread(remove_former, self._directory)

    async def _hand_over(self, older: Session) -> None:
        """Let the live session have what the store refused, and fetch the files that the older one did not."""
        transfers, refused = older.downloads.due(math.inf, -1), older.refused.rows()
        if not transfers and not refused:
            return
        try:
            with closing(Session.open(self._directory / SESSION_FILE, self._ticket.epoch)) as live:
                async with live.transaction():
                    live.refused.adopt(refused)
                    for transfer in transfers:
                        live.downloads.add(replace(transfer, next_at=time.time()))
        except SessionUnavailable:  # the live session is being written, or the disk is full
            raise _NotAll from None


async def empty(ticket: Ticket, directory: Path, lanes: OutboundQueue, state: State) -> bool:
    """Drain the live file of a connection that is served no more, and its older ones (G5).

    False where something has to be tried again later. A file that cannot be read is passed over.
    """
    older = (directory / OLDER_DIRECTORY).glob("*/session.db")
    for file in (*sorted(older), directory / SESSION_FILE):
        try:
            if (position := Session.stored_position(file)).epoch:
                mine = replace(ticket, epoch=max(ticket.epoch, position.epoch))
                async with _drained(file, mine, lanes, state, lambda _: None):
                    pass
        except (_NotAll, SessionUnavailable):
            return False
        except (SessionBlocked, SessionDamaged, SessionTooNew) as error:
            log.error(  # noqa: TRY400 - the code says it
                "session not read",
                action="empty",
                connection=ticket.connection,
                reason=error.code,
            )
    return True


@asynccontextmanager
async def _drained(
    file: Path, ticket: Ticket, lanes: OutboundQueue, state: State, on_lost: Callable[[str], None]
) -> AsyncIterator[Session]:
    """The session in the file, once its inbox is empty. Raises `_NotAll`, and as `Session.open`."""
    held = _Held(Session.open(file, ticket.epoch))
    try:
        await held.show()
        if not await InboxDrain(ticket, held, lanes, state, on_lost=on_lost).once():
            raise _NotAll
        yield held.session
    finally:
        held.session.close()


class _NotAll(Exception):
    """The store or Redis is away."""


class _Held:
    """The inbox of a file that no engine serves."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def show(self) -> None:
        """Nobody waits any more for what was asked for: a resend goes to the live session."""
        async with self.session.transaction():
            self.session.inbox.show_wanted(time.time())

    async def pending(self, kind: InboxKind, limit: int) -> Sequence[InboxItem]:
        return self.session.inbox.pending(kind, limit)

    async def settle(self, keys: Sequence[int]) -> None:
        async with self.session.transaction():
            self.session.inbox.settle(keys)

    async def set_aside(self, key: int) -> bool:
        """Set aside without a bound: nothing more arrives in this file, and perhaps nobody decides on its items."""
        async with self.session.transaction():
            return self.session.refused.set_aside(key, bounded=False)

    async def held_items(self) -> HeldItems:
        return self.session.held_items()
