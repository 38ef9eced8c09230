"""Runs a delivery worker for each webhook, in the one gateway process that holds the leader lock in Redis."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, get_args

import structlog

from actors.metrics.counters import measures
from actors.redis.client import RedisAway
from actors.runtime.actor_base import end_tasks
from actors.state import own_mistakes
from actors.state.documents import StoreAway
from gateway.metrics.webhook_backlog import Behind
from gateway.webhooks.delivery_policy import Verdict
from gateway.webhooks.delivery_worker import ATTEMPTS, DeliveryWorker
from gateway.webhooks.requests.http_post import share

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.redis.leases.leader_election import Leadership
    from actors.runtime.limits.disk_floor import DiskFloor
    from actors.state.documents import Documents
    from actors.state.webhooks import Webhook, Webhooks
    from gateway.webhooks.event_tail import EventTail
    from gateway.webhooks.requests.delivery_body import DeliveryBodies
    from gateway.webhooks.requests.http_post import Poster, Posters

WEBHOOKS_EVERY, BILLED_WEBHOOKS_EVERY = 2.0, 30.0
"""Seconds until a webhook that another gateway added is noticed."""

HOLD_EVERY = 2.0
WORKER_END_SECONDS, CLOSE_SECONDS = 2.0, 5.0
"""Seconds that a worker has to end, and all of them to note how far they are."""

log = structlog.get_logger()


class WebhookDispatcher:
    """Runs workers. No event is lost with this process: the next leader goes on where the store says (at least once).

    While it holds the turn every webhook that is on has a worker; one that breaks is started
    again. While Redis is away nobody delivers, and what happens waits in the store. So it does while the store's own
    disk is below its `floor`: attempts and deliveries are documents too (G13).
    """

    def __init__(
        self,
        documents: Documents,
        webhooks: Webhooks,
        tail: EventTail,
        posters: Posters,
        turn: Leadership,
        *,
        bodies: DeliveryBodies,
        deletion_time: Callable[[], float],
        floor: DiskFloor | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`floor` is that of the disk with the store; None where that is elsewhere.

        Events are given up by their age at `actors.runtime.deletion_time`.
        """
        self._documents = documents
        self._webhooks = webhooks
        self._tail = tail
        self._posters = posters
        self._turn = turn
        self._bodies = bodies
        self._floor = floor
        self._low = False
        self._clock = clock
        self._deletion_time, self._gives_up_at = deletion_time, 0.0
        self._every = BILLED_WEBHOOKS_EVERY if documents.billed else WEBHOOKS_EVERY
        self._workers: dict[str, tuple[DeliveryWorker, asyncio.Task[None], Poster]] = {}
        self._listed: list[Webhook] = []
        self._listed_at: float | None = None
        self._loaded = False
        self._wake = asyncio.Event()

    def look(self) -> None:
        """A webhook was added, changed or deleted, or is to deliver something again."""
        self._listed_at = None
        self._wake.set()

    def behind(self) -> list[Behind] | None:
        """The lag of each enabled webhook; None before the webhooks are known.

        Of those that another process delivers to, what that one noted last.
        """
        if not self._loaded:
            return None
        return [self._behind(each) for each in self._on().values()]

    def _behind(self, webhook: Webhook) -> Behind:
        entry = self._workers.get(webhook.id)
        if entry is None:
            return Behind(webhook.progress.failing_since, None, webhook.progress.held)
        return entry[0].behind()

    async def run(self) -> None:
        """Deliver until cancelled; `close` ends what is on its way then."""
        for outcome in get_args(Verdict):
            measures.count(ATTEMPTS, 0, outcome=outcome)
        measures.expect("teimoso_webhook_seconds")
        while True:
            self._wake.clear()
            try:
                await self._round()
            except (StoreAway, RedisAway):
                pass  # what is known goes on for as long as the turn is held
            except Exception:  # not foreseen; without this loop nothing would be delivered
                log.exception("events not delivered", action="webhooks")
                await own_mistakes.note_once(self._documents, "webhooks")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HOLD_EVERY):
                    await self._wake.wait()

    async def close(self) -> None:
        """Note how far each is, and let another have the turn now.

        Not at the end of `run`: a task that is cancelled again and again would not come to it.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._end(list(self._workers))
        with contextlib.suppress(RedisAway):
            await self._turn.release()

    async def _round(self) -> None:
        self._gives_up_at = await asyncio.to_thread(self._deletion_time)
        low = self._is_low()
        try:
            await self._list()
            held = self._turn.held
            # A gateway without anything to deliver does not ask who leads.
            mine = bool(self._on()) and not low and await self._turn.hold()
            if mine and not held:
                self._listed_at = None  # the former leader has noted its progress since
                await self._list()
        except (StoreAway, RedisAway):
            if not self._turn.held:
                await self._end(list(self._workers))
            raise
        wanted = self._on() if mine else {}
        await self._end([each for each in self._workers if each not in wanted])
        for webhook in wanted.values():
            await self._serve(webhook, share(len(wanted)))
        if low:
            await self._turn.release()  # to a host whose disk has room

    def _is_low(self) -> bool:
        low = self._floor is not None and self._floor.reached
        if low != self._low:
            self._low = low
            log.warning("disk low" if low else "disk has room", action="webhooks")
        return low

    async def _list(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._listed_at is None or now - self._listed_at >= self._every:
            self._listed_at = now
            self._listed = await self._webhooks.list()
            self._loaded = True

    def _on(self) -> dict[str, Webhook]:
        return {each.id: each for each in self._listed if each.on}

    async def _serve(self, webhook: Webhook, slots: int) -> None:
        entry = self._workers.get(webhook.id)
        if entry is not None:
            worker, task, poster = entry
            worker.slots = slots
            if not task.done():
                worker.update(webhook)
                return
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("delivery worker failed", action="webhooks", error=type(error).__name__)
                await own_mistakes.note(self._documents, "webhooks")
            # The list is older than that: the worker is started again by what the store says then.
            self._listed_at = None
            del self._workers[webhook.id]
            await poster.close()
            return
        poster = self._posters.new()
        worker = DeliveryWorker(
            webhook,
            documents=self._documents,
            webhooks=self._webhooks,
            tail=self._tail,
            poster=poster,
            turn=self._turn,
            bodies=self._bodies,
            clock=self._clock,
            deletion_time=lambda: self._gives_up_at,
        )
        worker.slots = slots
        self._workers[webhook.id] = (worker, asyncio.create_task(worker.run()), poster)

    async def _end(self, names: list[str]) -> None:
        ending = [self._workers.pop(name) for name in names]
        await end_tasks([task for _, task, _ in ending], WORKER_END_SECONDS)
        for worker, _, poster in ending:
            if not worker.over:
                with contextlib.suppress(StoreAway):
                    await worker.save()
            await poster.close()
