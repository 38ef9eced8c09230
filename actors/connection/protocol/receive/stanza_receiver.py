"""Commits waiting stanzas to the session file in one transaction, then sends the acks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from actors.connection.protocol.receive.messages.stanza_result import StanzaResult
from actors.connection.protocol.request_errors import ConnectionLost
from actors.connection.protocol.session_transactions import (
    SessionRefusal,
    refusals,
    transaction,
)
from actors.connection.session.file import SessionUnavailable
from actors.metrics.counters import measures
from actors.metrics.mistakes import log_mistake
from actors.runtime.limits.limits import DISK_RESERVE

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable, Sequence

    from actors.connection.protocol.session_transactions import Channel, Low
    from actors.connection.protocol.wire_format.nodes import Node
    from actors.connection.session.session import Session


STANZAS_PER_COMMIT: Final = 64
"""Stanzas that share a commit at most."""

MAX_WAITING_STANZAS: Final = 1024
"""Stanzas that wait at most; beyond that the socket is not read."""

MAX_HELD_ANSWERS: Final = 10_000
"""Answers that are held back at most: of what is beyond that, WhatsApp gets none and sends it again."""

RECEIPT_COMMIT_PAUSE_SECONDS: Final = 0.05
"""Seconds between two commits of receipts alone: many share one. All other stanzas are taken at once."""

ARRIVING: Final = frozenset(
    {"message", "undecryptable", "history", "resent", "app_state", "receipt", "call"}
)
"""Tags of stanzas that bring something to be stored or reported to readers of events."""

RESEND_PATIENCE: Final = 60.0
"""Seconds until a placeholder stands for a message whose resend was asked for and did not come."""


class Takes(Protocol):
    """Takes stanzas, inside a transaction of the session."""

    async def take(self, stanza: Node) -> StanzaResult:
        """Apply one stanza."""

    def refuse(self, stanza: Node) -> StanzaResult:
        """Refuse one that cannot be handled."""

    def abandon(self, stanza: Node) -> StanzaResult:
        """Put a placeholder where no resend of a message came."""

    def lapse(self, patience: float) -> StanzaResult:
        """As `abandon`, for all that was last asked for so many seconds ago."""


class Receiver:
    """Takes stanzas in order. Ends with `ConnectionLost` when the socket or the session does.

    An answer leaves only after the commit that it vouches for, one that is held only after `settled`
    got its key. WhatsApp sends again a stanza that a crash or a full disk left unanswered; one that
    cannot be handled is refused.

    While the disk is `low`, messages, receipts and calls are as with a full disk: neither one nor what follows it is taken.
    """

    def __init__(
        self,
        session: Session,
        socket: Channel,
        incoming: Takes,
        *,
        counts: Counter[str],
        on_inbox: Callable[[], Awaitable[None]],
        on_task: Callable[[str, Node], None],
        patience: float = RESEND_PATIENCE,
        low: Low | None = None,
    ) -> None:
        self._session = session
        self._socket = socket
        self._incoming = incoming
        self._counts = counts
        self._on_inbox = on_inbox
        self._on_task = on_task
        self._patience = patience
        self._low = low
        self._queue: asyncio.Queue[Node] = asyncio.Queue(MAX_WAITING_STANZAS)
        self._overdue: list[Node | None] = []
        self._held: dict[int, tuple[Node, ...]] = {}
        self._due = asyncio.Event()
        self._committed_at = 0.0
        self._due_later = False

    async def put(self, stanza: Node) -> None:
        """Queue a stanza; waits while too many do."""
        await self._queue.put(stanza)
        loop = asyncio.get_running_loop()
        wait = (
            self._committed_at + RECEIPT_COMMIT_PAUSE_SECONDS - loop.time()
            if stanza.tag == "receipt"
            else 0.0
        )
        if wait <= 0 or self._queue.qsize() >= STANZAS_PER_COMMIT:
            self._due.set()
        elif not self._due_later:
            self._due_later = True
            loop.call_later(wait, self._take_receipts)

    def _take_receipts(self) -> None:
        self._due_later = False
        self._due.set()

    async def settled(self, keys: Sequence[int]) -> None:
        """The inbox items are stored elsewhere: send what was held for that. Raises `ConnectionLost`."""
        answers = [answer for key in keys for answer in self._held.pop(key, ())]
        if answers:
            await self._socket.send(*answers)

    async def run(self) -> None:
        """Commit and acknowledge what is queued, for ever."""
        if self._session.inbox.wants():
            # Resends that an earlier socket asked for may come now, but need not.
            asyncio.get_running_loop().call_later(self._patience, self._lapse, None)
        while True:
            await self._due.wait()
            self._due.clear()
            while (batch := self._batch()) or self._overdue:
                overdue, self._overdue = self._overdue, []
                batch, withheld = await self._admitted(batch)
                try:
                    outcomes = await self._commit(batch, overdue)
                except ConnectionLost:
                    measures.count("teimoso_acks_withheld", len(batch), reason="session")
                    raise
                self._committed_at = asyncio.get_running_loop().time()
                await self._answer(outcomes)
                if withheld:
                    measures.count("teimoso_acks_withheld", withheld, reason="session")
                    with refusals(self._socket):
                        raise SessionUnavailable(DISK_RESERVE)

    def _batch(self) -> list[Node]:
        count = min(STANZAS_PER_COMMIT, self._queue.qsize())
        return [self._queue.get_nowait() for _ in range(count)]

    async def _admitted(self, batch: list[Node]) -> tuple[list[Node], int]:
        """Return the stanzas before the first that the disk has no room for, and the number of the others."""
        place = next((at for at, one in enumerate(batch) if one.tag in ARRIVING), len(batch))
        if place == len(batch) or self._low is None or not await self._low():
            return batch, 0
        return batch[:place], len(batch) - place

    async def _commit(
        self, batch: Sequence[Node], overdue: Sequence[Node | None]
    ) -> list[tuple[Node | None, StanzaResult]]:
        async with transaction(self._session, self._socket):
            return [
                *[(stanza, await self._take(stanza)) for stanza in batch],
                *((stanza, self._abandon(stanza)) for stanza in overdue),
            ]

    async def _answer(self, outcomes: Sequence[tuple[Node | None, StanzaResult]]) -> None:
        # At once: the drain may have settled the items by the next pause.
        for _, outcome in outcomes:
            if outcome.held is not None and len(self._held) < MAX_HELD_ANSWERS:
                # A message and its resend share an item, and each stanza is answered.
                held = self._held.get(outcome.held, ())
                self._held[outcome.held] = (*held, *outcome.answers)
            if outcome.held is not None:
                measures.count("teimoso_acks_withheld", reason="store")
            self._move_held(outcome)
            if outcome.counted == "message.placeholder":
                measures.count("teimoso_messages_undecryptable")
        self._counts.update(outcome.counted for _, outcome in outcomes)
        if any(outcome.news for _, outcome in outcomes):
            await self._on_inbox()
        answers = [
            answer
            for _, outcome in outcomes
            for answer in (*outcome.at_once, *(outcome.answers if outcome.held is None else ()))
        ]
        if answers:
            await self._socket.send(*answers)
        for origin, outcome in outcomes:
            if outcome.task is not None and origin is not None:
                self._on_task(outcome.task, origin)
            if outcome.wanted is not None:
                asyncio.get_running_loop().call_later(self._patience, self._lapse, outcome.wanted)

    def _move_held(self, outcome: StanzaResult) -> None:
        """Let answers wait for the items that stand now where theirs stood."""
        for old, new in outcome.moved:
            if old is not None and new is not None and (answers := self._held.pop(old, ())):
                self._held[new] = (*self._held.get(new, ()), *answers)

    def _abandon(self, stanza: Node | None) -> StanzaResult:
        if stanza is None:
            return self._incoming.lapse(self._patience)
        return self._incoming.abandon(stanza)

    async def _take(self, stanza: Node) -> StanzaResult:
        """The outcome of a stanza; of one that fails twice, that it is refused.

        A stanza that always fails, unanswered, would come again at each login and end the socket.
        """
        for handle in (self._incoming.take, self._incoming.take, self._refuse):
            try:
                with self._session.savepoint():
                    return await handle(stanza)
            except SessionRefusal:
                raise
            except Exception as error:  # noqa: BLE001 - one stanza must not stop all others
                _log_failure(stanza, error)
        return StanzaResult("stanza.failed")

    async def _refuse(self, stanza: Node) -> StanzaResult:
        return self._incoming.refuse(stanza)

    def _lapse(self, stanza: Node | None) -> None:
        self._overdue.append(stanza)
        self._due.set()


def _log_failure(stanza: Node, error: Exception) -> None:
    log_mistake("stanza not handled", "stanza.failed", error, stanza=stanza.tag)
