"""Defers messages of the Redis queue that WhatsApp's limits on the account hold back; releases them as limits end."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from actors.connection.limits.account_limits import (
    NEW_CHATS_CAPPED,
    NEW_CHATS_PACED,
    NONE,
    REACH_OUT_LIMITED,
)
from actors.connection.limits.ack_errors import MALFORMED
from actors.metrics.counters import measures
from actors.queue.outbound_queue import LeaseLost
from actors.redis.client import RedisAway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from actors.connection.engine import InboxMessage
    from actors.connection.limits.account_limits import Limits
    from actors.connection.limits.ack_errors import SendDeferred
    from actors.connection.owner.reporter import Reporter
    from actors.queue.outbound_queue import ClaimedMessage, OutboundQueue
    from actors.redis.leases.leases import Lease

log = structlog.get_logger()

BEGUN = (NEW_CHATS_CAPPED, NEW_CHATS_PACED)
"""The codes of limits that hold for no chat that was begun."""
LIMIT_CODES = (REACH_OUT_LIMITED, *BEGUN)
REDIS_RETRY_SECONDS = 1.0
"""Seconds between tries while Redis is away."""

LIMIT_SLEEP_SECONDS = 60.0
"""Seconds: the end of a limit is a time of the wall clock, which may be set meanwhile."""


class MessageDeferral:
    """Messages that a limit holds back wait as long as WhatsApp announced last, and no attempt counts.

    That holds across crashes: the engine reports the limits at each login, and each report is applied to
    all messages that wait in Redis. The reporter shows a limit until it ends.
    """

    def __init__(
        self,
        lease: Lease,
        lanes: OutboundQueue,
        reporter: Reporter,
        *,
        on_lost: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection, self._epoch = lease.connection, lease.epoch
        self._lanes = lanes
        self._reporter = reporter
        self._on_lost = on_lost
        self._clock = clock
        self._limits: Limits | None = None  # none known yet; some engines never report any
        # A message that is deferred meanwhile would miss that its limit was lifted: one at a time.
        self._turn = asyncio.Lock()
        self._untold = False  # whether Redis is still to hear of the limits
        self._news: set[tuple[str, str]] = set()
        self._heard: set[tuple[str, str]] = set()
        self._look = asyncio.Event()

    async def update(self, limits: Limits) -> None:
        """Take over the limits of the account: at each login, and at each change."""
        if limits != self._limits:
            log.info(
                "account limits changed",
                action="limits",
                connection=self._connection,
                **limits.ends,
            )
        self._limits, self._untold = limits, True
        self._look.set()

    def lift_for(self, messages: Iterable[InboxMessage]) -> None:
        """Lift the limits for persons who wrote one of these messages.

        The account's phone begins a chat with a message to somebody: for that chat the time-lock stays.
        """
        if self._now == NONE:
            return
        found = set[tuple[str, str]]()
        for each in messages:
            if each.sender == each.chat:
                found |= {(code, each.chat) for code in LIMIT_CODES}
            elif each.from_me:
                found |= {(code, each.chat) for code in BEGUN}
        if news := found - self._heard:
            self._heard |= news
            self._news |= news
            self._look.set()

    def joined(self, chat: str) -> None:
        """Lift the limits for a chat whose lane another one joined.

        Its person may have written under the other address. Where that is not so, the engine defers again.
        """
        if self._now != NONE:
            self._news |= {(code, chat) for code in LIMIT_CODES}
            self._look.set()

    async def defer(
        self, job: ClaimedMessage, deferred: SendDeferred, behind: Sequence[str]
    ) -> None:
        """Have a message wait, as `OutboundQueue.defer`. Raises `RedisAway` and `LeaseLost`."""
        async with self._turn:
            until = deferred.until
            if self._limits is not None:  # it may have come since the attempt began
                until = self._limits.ends[deferred.code] or self._clock()
            try:
                await self._lanes.claims.defer(
                    self._connection,
                    self._epoch,
                    job.id,
                    code=deferred.code,
                    until=until,
                    behind=behind,
                )
            except RedisAway:
                # This limit may yet be applied, also where another one comes until then.
                self._untold = True
                raise
        measures.count("teimoso_sends_deferred", reason=deferred.code)
        self._news |= {(deferred.code, job.chat)} & self._heard
        self._look.set()

    def failed(self, code: str) -> None:
        """A send failed for this reason."""
        if code == MALFORMED:
            self._reporter.mistaken()

    async def run(self) -> None:
        """Apply limits to messages that wait, and lift them in time; for the life of the epoch."""
        while True:
            self._look.clear()
            limits = self._now
            if all(end is None for end in limits.ends.values()):
                self._heard.clear()  # no message waits for a limit, so that none is to be lifted for a person
            if self._limits is not None:
                self._reporter.limited(limits.shown)
            left = [end - self._clock() for end in limits.ends.values() if end is not None]
            pause = min([LIMIT_SLEEP_SECONDS, *left])
            try:
                async with self._turn:
                    await self._carry()
            except RedisAway:
                pause = REDIS_RETRY_SECONDS
            except LeaseLost:
                self._on_lost("lost")
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, pause) + 0.005 if left or self._owes else None):
                    await self._look.wait()

    @property
    def _now(self) -> Limits:
        return NONE if self._limits is None else self._limits.at(self._clock())

    @property
    def _owes(self) -> bool:
        return len(self._news) > 0 or (self._untold and self._limits is not None)

    async def _carry(self) -> None:
        """Raises `RedisAway` and `LeaseLost`."""
        if self._untold and self._limits is not None:
            # The next round applies all limits that come from here on.
            self._untold, limits = False, self._now
            try:
                for code, end in limits.ends.items():
                    until = self._clock() if end is None else end
                    await self._lanes.claims.lift(
                        self._connection, self._epoch, [code], until=until
                    )
            except RedisAway:
                self._untold = True
                raise
        for code, chat in list(self._news):
            await self._lanes.claims.lift_chat(self._connection, self._epoch, [code], chat)
            self._news.discard((code, chat))
