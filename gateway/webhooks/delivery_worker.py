"""Delivering to one endpoint, one event after the other."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from actors.redis.client import RedisAway
from actors.state.documents import DELIVERIES, Order, StoreAway, Where, Write
from actors.state.events import outbox
from actors.state.webhooks import progressing
from gateway.schemas.event_presenters import Unreadable
from gateway.webhooks import delivery_policy, event_body, signatures

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.redis.leader_election import Turn
    from actors.redis.leases import Leases
    from actors.state.documents import Document, Documents
    from actors.state.events.outbox import Told
    from actors.state.webhooks import Progress, Webhook, Webhooks
    from gateway.webhooks.event_tail import Tail
    from gateway.webhooks.http_post import Poster

SAVE, BILLED_SAVE = 0.5, 5.0
"""Seconds for which what was delivered may go unnoted, and is delivered again after a crash."""

AWAY = 1.0
"""Seconds between two tries while the store, or the turn, is away."""

REPEATS = 50

log = structlog.get_logger()


class Courier:
    """Every event that the endpoint wants reaches it at least once, in order, or is a dead delivery.

    One is on its way at a time, and a head that fails holds what is behind it (`delivery_policy`).
    What was delivered is noted a little later: after a crash it goes again, under the same id.
    Nothing waits in memory.
    """

    def __init__(
        self,
        webhook: Webhook,
        *,
        documents: Documents,
        webhooks: Webhooks,
        tail: Tail,
        poster: Poster,
        turn: Turn,
        leases: Leases,
        clock: Callable[[], float],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._webhook = webhook
        self.progress = webhook.progress
        self._documents = documents
        self._webhooks = webhooks
        self._tail = tail
        self._poster = poster
        self._turn = turn
        self._leases = leases
        self._clock = clock
        self._chance = chance
        self._every = BILLED_SAVE if documents.billed else SAVE
        self._answered = -1  # the last `asked` that was done
        self._saved = (webhook.progress, 0.0)
        self._wake = asyncio.Event()
        self.oldest_at: float | None = None
        """When what is to be delivered next happened; None where nothing is known to wait."""
        self.over = False
        """The endpoint said that it is gone."""

    def update(self, webhook: Webhook) -> None:
        """What is wanted of it now."""
        if webhook.asked != self._webhook.asked:
            self.progress = replace(self.progress, retry_at=None)
            self._wake.set()
        self._webhook = webhook

    async def run(self) -> None:
        """Deliver until cancelled, or the endpoint is gone."""
        with self._tail.followed():
            while not self.over:
                try:
                    if not await self._repeat():
                        await self._deliver()
                except StoreAway:
                    await asyncio.sleep(AWAY)

    async def save(self) -> None:
        """Note how far it is. Raises `StoreAway`."""
        progress = self.progress
        if progress != self._saved[0]:
            await self._documents.batch([progressing(self._webhook.id, progress)])
        self._saved = (progress, self._now())

    async def _deliver(self) -> None:
        look = await self._tail.after(self.progress.cursor)
        if look.events:
            self.progress = delivery_policy.found_missing(self.progress, look.events[0].seq)
        for told in look.events:
            if not self._webhook.wants(told.event):
                self.progress = delivery_policy.skipped(self.progress, told.seq)
                continue
            self.oldest_at = told.event.at
            if not await self._due():
                return
            outcome = await self._attempt(told)
            if outcome is None or not await self._judge(told, outcome):
                return
        if self._now() - self._saved[1] >= self._every:
            await self.save()
        if not look.events:
            self.oldest_at = None
            await self._rest()

    async def _due(self) -> bool:
        """Wait until the next attempt is due; False where something else came up meanwhile."""
        while self.progress.retry_at is not None:
            self._wake.clear()
            # Never longer than the longest pause, though the clock was set back.
            left = min(self.progress.retry_at - self._clock(), delivery_policy.LONGEST)
            if left <= 0 or self._answered != self._webhook.asked:
                break
            try:
                async with asyncio.timeout(left):
                    await self._wake.wait()
            except TimeoutError:
                break
        return self._answered == self._webhook.asked

    async def _judge(self, told: Told, outcome: int | str) -> bool:
        """Note what came of an attempt; whether the next event's turn is come."""
        now = self._clock()
        verdict = delivery_policy.judged(outcome, told, now)
        attempts = self.progress.attempts + 1
        progress = delivery_policy.advanced(
            self.progress, verdict, outcome, told, now=now, chance=self._chance()
        )
        if verdict == "delivered":
            self.progress = progress
            if self._now() - self._saved[1] >= self._every:
                await self.save()
            return True
        log.warning(
            "not delivered",
            action="webhook",
            webhook=self._webhook.id,
            verdict=verdict,
            error=delivery_policy.error_of(outcome),
            attempts=attempts,
        )
        if verdict != "retry":
            # Whoever is ended meanwhile notes how far he is: not past what is not buried.
            await self._bury(told, attempts, outcome, now, progress)
        self.progress = progress
        if verdict == "gone":
            await self._webhooks.gone(self._webhook.id, self.progress)
            self.over = True
            return False
        await self.save()
        return verdict == "dead"

    async def _bury(
        self, told: Told, attempts: int, outcome: int | str, now: float, progress: Progress
    ) -> None:
        buried = kept(
            self._webhook.id, told, "dead", attempts=attempts, outcome=outcome, tried_at=now
        )
        while True:
            try:
                await self._documents.batch([buried, progressing(self._webhook.id, progress)])
            except StoreAway:
                await asyncio.sleep(AWAY)
            else:
                return

    async def _repeat(self) -> bool:
        """Try once what a person wants to be tried again; whether there was any."""
        asked = self._webhook.asked
        if self._answered == asked:
            return False
        page = await self._documents.query(
            DELIVERIES,
            where=[Where("webhook", "==", self._webhook.id), Where("status", "==", "waiting")],
            order=[Order("seq")],
            limit=REPEATS,
        )
        for document in page.items:
            told = outbox.read(document["event"])
            outcome = await self._attempt(told)
            if outcome is None:
                return True
            delivered = delivery_policy.error_of(outcome) is None
            again = kept(
                self._webhook.id,
                told,
                "delivered" if delivered else "dead",
                attempts=document["attempts"] + 1,
                outcome=outcome,
                tried_at=self._clock(),
            )
            await self._documents.batch([again])
        if page.next is None:
            self._answered = asked
        return bool(page.items)

    async def _attempt(self, told: Told) -> int | str | None:
        """Outcome of one attempt; None where it is not this process's turn, or Redis is away."""
        if not self._turn.held:
            await asyncio.sleep(AWAY)
            return None
        now = self._clock()
        try:
            # Only an admin sets up a webhook, so that it may be told what links an account.
            body = await event_body.body(told, self._leases, may_link=True)
        except Unreadable:
            return delivery_policy.UNREADABLE
        except RedisAway:
            await asyncio.sleep(AWAY)
            return None
        signed = signatures.headers(self._webhook.signs(now), told.event.id, int(now), body)
        return await self._poster.post(self._webhook.url, body, signed)

    async def _rest(self) -> None:
        """Wait for news, but no longer than until what is not noted has to be."""
        self._wake.clear()
        if self._answered != self._webhook.asked:
            return
        waiting = [
            asyncio.ensure_future(self._tail.news(self.progress.cursor)),
            asyncio.ensure_future(self._wake.wait()),
        ]
        noted = self.progress == self._saved[0]
        try:
            await asyncio.wait(
                waiting,
                timeout=None if noted else self._every,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for each in waiting:
                each.cancel()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def kept(
    webhook: str,
    told: Told,
    status: str,
    *,
    attempts: int,
    outcome: int | str | None,
    tried_at: float | None,
) -> Write:
    """The write that keeps a delivery which did not get through at first. Its event is in it."""
    document: Document = {
        "webhook": webhook,
        "seq": told.seq,
        "event": outbox.written(told),
        "status": status,
        "attempts": attempts,
        "error": None if outcome is None else delivery_policy.error_of(outcome),
        "at": told.at,
        "tried_at": tried_at,
    }
    return Write("set", DELIVERIES, delivery_id(webhook, told.seq), document)


def delivery_id(webhook: str, seq: int) -> str:
    """The id of its document."""
    return f"{webhook}.{seq:0{outbox.DIGITS}d}"
