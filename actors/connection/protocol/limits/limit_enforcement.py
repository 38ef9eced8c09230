"""Defers sends to new people while the account is limited or paced; queries and stores WhatsApp's limits."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.engine import NotConnected, SendError
from actors.connection.limits import account_limits
from actors.connection.limits.account_limits import NEW_CHATS_CAPPED, NEW_CHATS_PACED, NONE
from actors.connection.limits.ack_errors import REACH_OUT_REFUSED, SendDeferred
from actors.connection.protocol.limits import limit_queries
from actors.connection.protocol.limits.limit_queries import AccountLock, Cap, UnreadableMex
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed, RequestTimeout
from actors.connection.protocol.session_transactions import transaction
from actors.runtime.limits.account_pace import next_day
from actors.runtime.limits.durations import DAY

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Coroutine, Sequence

    from actors.connection.engine import EngineEvents
    from actors.connection.limits.account_limits import Limits
    from actors.connection.protocol.identities.addresses import Address
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.session_transactions import Requester
    from actors.connection.protocol.wire_format.nodes import Node
    from actors.connection.session.session import Session

log = structlog.get_logger()

LIMIT_QUERY_PAUSE_SECONDS: Final = 60.0
"""Seconds between two questions for the same limit at least, however many messages are refused."""


def note(session: Session, limits: Sequence[AccountLock | Cap]) -> None:
    """Store limits as WhatsApp sent them, inside a transaction of the session."""
    for each in limits:
        if isinstance(each, AccountLock):
            log.info("time lock", action="limits.lock", until=each.until, kind=each.kind)
            session.outreach.note_lock(each.until)
        else:
            session.outreach.note_cap(each.until, reported=each.reported)


class LimitEnforcement:
    """Nothing leaves for somebody who never wrote while WhatsApp said that nothing may.

    Under a cap on new chats, a chat that the account itself began goes on. A refusal alone limits nothing:
    it makes the account ask. A limit is in the session file before its notification is acknowledged, and
    counts until it ends or WhatsApp reports another one, whatever dies. Beside that, the account begins no more
    chats on a day than its owner allows (`EngineEvents.new_chats`).
    """

    def __init__(
        self,
        session: Session,
        socket: Requester,
        people: LidMapping,
        events: EngineEvents,
        counts: Counter[str],
        *,
        start: Callable[[str, Coroutine[object, object, None]], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`start` runs what asks WhatsApp beside everything else."""
        self._session = session
        self._socket = socket
        self._people = people
        self._events = events
        self._counts = counts
        self._start = start
        self._clock = clock
        self._queried_at: dict[str, float] = {}
        self._reported_pace: float | None = None

    def check(self, chat: Address) -> None:
        """Raises `SendDeferred` where a message to this person has to wait."""
        # Read anew: a notification may have been committed a moment ago.
        limits, most = self._session.outreach.limits(), self._events.new_chats()
        if not most and limits.at(self._clock()) == NONE:
            return
        person = self._people.canonical(chat)
        answers = person == self._people.account or self._session.outreach.wrote(str(person))
        begun = answers or self._session.outreach.begun(str(person))
        if not begun:
            limits = self._with_pace(limits, most)
        if waits := account_limits.wait(limits, self._clock(), answers=answers, begun=begun):
            raise SendDeferred(*waits)

    async def met(self, refused: SendError) -> None:
        """WhatsApp refused a message: see what holds for the others. Raises `NotConnected`."""
        if refused.code == REACH_OUT_REFUSED:
            self.query_limit(limit_queries.lock_query())
        elif isinstance(refused, SendDeferred) and refused.code == NEW_CHATS_PACED:
            if refused.until != self._reported_pace:
                await self.report()
        elif isinstance(refused, SendDeferred) and self._is_news(refused):
            try:
                async with transaction(self._session, self._socket):
                    self._session.outreach.note_cap(refused.until, reported=False)
            except ConnectionLost:
                raise NotConnected from None
            await self.report()
            self.query_limit(limit_queries.cap_query())

    def _is_news(self, deferred: SendDeferred) -> bool:
        """Whether WhatsApp refused it for a cap of which nothing was known."""
        now = self._session.outreach.limits().at(self._clock())
        return deferred.code == NEW_CHATS_CAPPED and now.capped_until is None

    async def open(self) -> None:
        """The device is logged in: report the stored limits, and query whether they still hold."""
        await self.report()
        self.query_limit(limit_queries.lock_query())
        if self._session.outreach.limits().at(self._clock()).capped_until is not None:
            self.query_limit(limit_queries.cap_query())

    async def report(self) -> None:
        """Report the limits and the pacing that hold now to the owner; also where they are the same."""
        limits = self._with_pace(self._session.outreach.limits(), self._events.new_chats())
        self._reported_pace = limits.paced_until
        await self._events.on_limits(limits)

    def _with_pace(self, limits: Limits, most: int) -> Limits:
        """The limits, with the end of the day where `most` new chats were begun today."""
        now = self._clock()
        today, end = now // DAY * DAY, next_day(now)
        # Chats of days to come do not count: the clock was ahead when they were begun.
        if not most or self._session.outreach.begun_between(today, end) < most:
            return limits
        return replace(limits, paced_until=end)

    def query_limit(self, query: Node) -> None:
        """Ask for a limit, unless that was done just now."""
        number = query.children("query")[0].attrs["query_id"]
        now = time.monotonic()
        if (
            now - self._queried_at.get(number, -LIMIT_QUERY_PAUSE_SECONDS)
            >= LIMIT_QUERY_PAUSE_SECONDS
        ):
            self._queried_at[number] = now
            self._start("limits", self._learn(query))

    async def _learn(self, query: Node) -> None:
        newest = False
        while not newest:
            before = self._session.outreach.limits()
            try:
                limits = limit_queries.answered(await self._socket.request(query), self._clock())
            except (RequestFailed, RequestTimeout, UnreadableMex) as error:
                # The numbers of queries change: without an answer notifications and refusals tell.
                self._counts["limits.unanswered"] += 1
                log.info(
                    "limits unanswered", action="limits.unanswered", error=type(error).__name__
                )
                return
            async with transaction(self._session, self._socket):
                # A notification that came meanwhile may be newer than the answer: ask again.
                newest = self._session.outreach.limits() == before
                if newest:
                    note(self._session, limits)
        await self.report()
