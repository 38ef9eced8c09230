"""Delivers events from the event log to one webhook endpoint, at least once and in order within each chat.

`chat_lanes` has what waits, `delivery_policy` decides, and `DeliveryWorker` does: it reads the log, posts, and
stores how far it is. One task changes all of its state; each attempt is a task that reports to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from actors.metrics.counters import measures
from actors.redis.client import RedisAway
from actors.state.documents import StoreAway
from actors.state.events.deliveries import Delivery
from actors.state.webhooks import Overtaken, Progress, WebhookNotFound
from gateway.metrics.webhook_backlog import Behind
from gateway.webhooks import delivery_policy
from gateway.webhooks.attempt_tasks import AttemptTasks
from gateway.webhooks.chat_lanes import REPEATS, ChatLanes, former_lane_of
from gateway.webhooks.delivery_journal import DeliveryJournal, Endings
from gateway.webhooks.delivery_policy import EndpointBreaker
from gateway.webhooks.lane_attempts import UNWANTED, LaneAttempts, Result
from gateway.webhooks.requests.delivery_body import FileAwaited
from gateway.webhooks.requests.http_post import PER_ENDPOINT
from gateway.webhooks.stored_deliveries import StoredDeliveries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from actors.redis.leases.leader_election import Leadership
    from actors.state.documents import Documents
    from actors.state.events.deliveries import Attempt, Status
    from actors.state.events.outbox import NumberedEvent
    from actors.state.webhooks import Webhook, Webhooks
    from gateway.webhooks.chat_lanes import ChatLane
    from gateway.webhooks.event_tail import EventTail
    from gateway.webhooks.requests.delivery_body import DeliveryBodies
    from gateway.webhooks.requests.http_post import Poster

OUTAGE_RETRY_SECONDS = 1.0
"""Seconds between two tries while the store, Redis, or the turn, is away."""

MAX_HELD_CHATS: Final = 1000
"""Chats of one endpoint that wait with documents; refused events of other chats are dead at once. From a quarter on none waits for a file."""

ATTEMPTS: Final = "teimoso_webhook_attempts"

log = structlog.get_logger()


class DeliveryWorker:
    """Every event that the endpoint wants reaches it at least once, or is a dead delivery.

    Events of one chat go in their order, one at a time; `slots` chats at once. An event that is refused
    holds its own chat, gets a document, and is tried again (`delivery_policy`). A delivery is
    noted a little later: after a crash it goes again, under the same id. Events in memory have a
    bound (`chat_lanes`), and the log or a document has each as well.
    """

    def __init__(
        self,
        webhook: Webhook,
        *,
        documents: Documents,
        webhooks: Webhooks,
        tail: EventTail,
        poster: Poster,
        turn: Leadership,
        bodies: DeliveryBodies,
        clock: Callable[[], float],
        deletion_time: Callable[[], float],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._webhook = webhook
        self._webhooks = webhooks
        self._tail = tail
        self._turn = turn
        self._clock, self._deletion_time, self._chance = clock, deletion_time, chance
        self.slots = PER_ENDPOINT
        self.over = False
        """Nothing more is delivered here."""
        noted = webhook.progress
        self._missed, self._parked = noted.missed, noted.parked
        self._endpoint = EndpointBreaker(noted.failing_since, noted.error, noted.delivered_at)
        self._lanes = ChatLanes(noted.cursor, noted.ranges)
        self._refused = StoredDeliveries(documents, webhook.id)
        self._journal = DeliveryJournal(documents, webhook.id, noted)
        self._attempts = LaneAttempts(
            webhook,
            refused=self._refused,
            journal=self._journal,
            poster=poster,
            bodies=bodies,
            clock=clock,
        )
        self._endings = Endings(self._journal)
        self._unread: deque[NumberedEvent] = deque()
        self._at_end = False
        self._results: deque[Result] = deque()
        self._news: asyncio.Task[None] | None = None
        self._gone = False
        self._wake = asyncio.Event()
        self._tasks = AttemptTasks(self._wake.set)
        self._look_for_repeats()

    def behind(self) -> Behind:
        """Its backlog, for `/metrics`."""
        return Behind(
            self._endpoint.failing_since,
            self._lanes.oldest_at,
            len(self._lanes.held),
            len(self._tasks),
        )

    def update(self, webhook: Webhook) -> None:
        """Take over a changed webhook."""
        if webhook.asked != self._webhook.asked:
            self._endpoint.reset()
            self._lanes.retry_now()
            self._look_for_repeats()
        self._webhook = self._attempts.webhook = webhook
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled, or the endpoint is gone."""
        loaded = False
        try:
            with self._tail.followed():
                while not self.over:
                    self._wake.clear()
                    try:
                        if not loaded:
                            await self._load()
                            loaded = True
                        await self._step()
                    except StoreAway:
                        await asyncio.sleep(OUTAGE_RETRY_SECONDS)
        finally:
            if self._news is not None:
                self._news.cancel()
            await self._tasks.cancel()

    async def save(self) -> None:
        """Store how far it is, where it is this process's turn. Raises `StoreAway`.

        It is over where the webhook was deleted, or somebody else is further.
        """
        self._settle()
        if self._turn.held and not self.over:
            try:
                await self._journal.save(self._place, self._lanes.finish, self._clock())
            except (Overtaken, WebhookNotFound):
                self.over = True

    async def _load(self) -> None:
        # None where a person changed the webhook since.
        at_once = self._webhook.progress.retry_at is None
        async for head in self._refused.heads():
            self._lanes.restore(head, at_once=at_once)

    async def _step(self) -> None:
        self._settle()
        wait = self._journal.wait
        if self._gone or (wait is not None and wait <= 0):
            await self.save()
        if self.over:
            return
        if self._gone:
            await self._webhooks.gone(self._webhook.id, self._journal.progress)
            self.over = True
            return
        await self._read()
        self._settle()  # what came meanwhile: an endpoint that is down by now gets no more
        if not self._journal.urgent and not self._gone:
            self._start()
        await self._rest()

    @property
    def _may_retry(self) -> bool:
        """Retries have half of the slots at most: they may all hang."""
        return self._tasks.retries < max(1, self.slots // 2)

    @property
    def _wants_more(self) -> bool:
        """Whether the log is to be read on; events that an endpoint misses while it is down stay there."""
        return not self._lanes.full and not (self._endpoint.down and self._lanes.has_new)

    async def _read(self) -> None:
        self._at_end = False
        if self._wants_more and not self._unread:
            look = await self._tail.after(self._lanes.position)
            self._unread.extend(look.events)
            self._at_end = not look.events
        while self._unread and self._wants_more:
            event = self._unread.popleft()
            wanted = self._webhook.wants(event.event) or self._lanes.follows(event.event)
            self._missed += self._lanes.read(event, wanted=wanted)
            self._journal.moved()
        if self._lanes.full and not (self._endpoint.down and self._lanes.has_new):
            for lane, event in self._lanes.spill():
                status: Status = "waiting" if event.seq == lane.head else "behind"
                self._journal.put(Delivery(self._webhook.id, event, status, lane.key), urgent=True)
                self._parked += 1

    def _start(self) -> None:
        now = self._clock()
        self._lanes.end_file_waits(now)
        while self._turn.held and len(self._tasks) < self.slots:
            lane = self._lanes.take_retry(now) if self._may_retry else None
            retry = lane is not None
            if lane is None and self._endpoint.admits(now, self._tasks.new):
                lane = self._lanes.take_new()
            if lane is None:
                return
            fresh = not (retry or lane.behind)
            self._tasks.start(
                self._try(lane, lane.spills, fresh, self._attempts.finder(lane)), retry=retry
            )

    async def _try(
        self,
        lane: ChatLane,
        spills: int,
        fresh: bool,
        find: Callable[[], Awaitable[Delivery | None]],
    ) -> None:
        new = lane.head is None and lane.key != REPEATS
        delivery = attempt = None
        try:
            delivery = await find()
            if not (delivery and new and self._lanes.must_wait(lane, delivery.numbered)):
                few = len(self._lanes.held) < MAX_HELD_CHATS // 4
                attempt = await self._attempts.make(delivery, may_wait=few)
        except (StoreAway, RedisAway):
            await asyncio.sleep(OUTAGE_RETRY_SECONDS)
        self._results.append(Result(lane, fresh, spills, delivery, attempt))

    def _settle(self) -> None:
        """Take in what came of the attempts that are over."""
        self._tasks.check()
        while self._results:
            result = self._results.popleft()
            lane, delivery, attempt = result.lane, result.delivery, result.attempt
            lane.busy = False
            self._journal.moved()
            if attempt is None or isinstance(attempt, FileAwaited):
                self._hold(lane, delivery, attempt)
            elif delivery is None:
                self._found_nothing(lane, result.spills)
            elif attempt is UNWANTED:
                self._pass(lane, delivery, fresh=result.fresh)
            elif lane.key == REPEATS:
                self._repeated(delivery, attempt)
            else:
                self._judge(lane, delivery, attempt, fresh=result.fresh)
            self._lanes.queue(lane)

    def _found_nothing(self, lane: ChatLane, spills: int) -> None:
        if lane.head is not None:  # it is older than what is kept
            self._parked -= 1
            self._lanes.release(lane)
        elif lane.spills == spills:
            lane.behind = False
            self._endings.close(lane.key)
        if not self._lanes.held and not self._lanes.behind:
            self._parked = 0

    def _hold(self, lane: ChatLane, delivery: Delivery | None, file: FileAwaited | None) -> None:
        """Have an event tried later that could not be, or that waits for its file or its chat's former lane."""
        until = self._clock() if file is None else file.until
        self._lanes.hold_on(lane, 0.0 if lane.file_news else until)
        if delivery is None or lane.head is not None or lane.key == REPEATS:
            return
        event, former = delivery.numbered, former_lane_of(delivery.numbered.event)
        if not lane.behind:
            if file is not None:
                self._lanes.wait_for_file(lane, until)
        elif file is not None or former is not None:
            retry_at = 0.0 if file is None or lane.file_news else until
            lane.last = event.seq
            self._lanes.hold(lane, event.seq, event.event.at, 0, retry_at, former=former)
            waiting = replace(delivery, status="waiting", retry_at=retry_at or None)
            self._endings.put(waiting, more=False)

    def _pass(self, lane: ChatLane, delivery: Delivery, *, fresh: bool) -> None:
        """Go on behind an event that only kept the order of a chat with two addresses."""
        lane.last = delivery.numbered.seq
        if fresh:
            lane.waiting.popleft()
            self._lanes.finish(delivery.numbered.seq)
            return
        self._parked -= 1
        self._lanes.release(lane)
        self._endings.put(replace(delivery, status="passed"), more=lane.behind)

    def _look_for_repeats(self) -> None:
        lane = self._lanes.lane(REPEATS)
        lane.behind = True
        lane.spills += 1
        self._lanes.queue(lane)

    def _repeated(self, delivery: Delivery, attempt: Attempt) -> None:
        status: Status = "delivered" if attempt.error is None else "dead"
        # Urgent, or it is found once more.
        self._journal.put(delivery.tried(attempt, status), urgent=True)
        measures.count(ATTEMPTS, outcome=status)

    def _judge(self, lane: ChatLane, delivery: Delivery, attempt: Attempt, *, fresh: bool) -> None:
        now, event = self._clock(), delivery.numbered
        verdict = delivery_policy.judged(attempt, event, self._deletion_time())
        if verdict == "retry" and lane.head is None and len(self._lanes.held) >= MAX_HELD_CHATS:
            verdict = "dead"
        measures.count(ATTEMPTS, outcome=verdict)
        if fresh:
            lane.waiting.popleft()
        lane.last = event.seq
        if verdict == "delivered":
            if self._endpoint.took(now):
                self._lanes.retry_now()
            if fresh:
                self._lanes.finish(event.seq)
                self._journal.took(event.seq, attempt)
                return
        else:
            self._failed(delivery, attempt, verdict, now)
        if verdict == "retry":
            retry_at = now + delivery_policy.pause(delivery.attempts + 1, self._chance())
            tried = delivery.tried(attempt, "waiting", retry_at)
            self._parked += fresh
            self._lanes.hold(lane, event.seq, event.event.at, tried.attempts, retry_at)
        else:
            tried = delivery.tried(attempt, "delivered" if verdict == "delivered" else "dead")
            self._parked -= not fresh
            self._lanes.release(lane)
            self._gone = self._gone or verdict == "gone"
        self._endings.put(tried, more=lane.behind and verdict != "retry")

    def _failed(self, delivery: Delivery, attempt: Attempt, verdict: str, now: float) -> None:
        if attempt.error not in delivery_policy.HOPELESS:
            self._endpoint.failed(attempt, now)
        if verdict == "retry" and delivery.attempts == 0:
            self._endpoint.refused(now, self._chance())
        log.warning(
            "not delivered",
            action="webhook",
            webhook=self._webhook.id,
            verdict=verdict,
            error=attempt.error,
            attempts=delivery.attempts + 1,
        )

    def _place(self, stored: Collection[int]) -> Progress:
        cursor, done = self._lanes.place(stored)
        held, endpoint = self._lanes.held, self._endpoint
        oldest = next(iter(held.values()), None)
        return Progress(
            cursor=cursor,
            attempts=0 if oldest is None else oldest.attempts,
            error=endpoint.error if held or endpoint.failing_since is not None else None,
            retry_at=self._lanes.due(),
            failing_since=endpoint.failing_since,
            delivered_at=endpoint.delivered_at,
            missed=self._missed,
            done=done,
            held=len(held),
            parked=max(0, self._parked),
        )

    async def _rest(self) -> None:
        """Wait until something is to be done."""
        reads_on = self._wants_more and not self._at_end
        if self._results or (self._turn.held and (self._journal.urgent or reads_on)):
            await asyncio.sleep(0)
            return
        if self._wants_more and (self._news is None or self._news.done()):
            self._news = asyncio.create_task(self._tail.news(self._lanes.position))
            self._news.add_done_callback(lambda _: self._wake.set())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience()):
                await self._wake.wait()

    def _patience(self) -> float | None:
        """Seconds until something is due by itself."""
        if not self._turn.held:
            return OUTAGE_RETRY_SECONDS
        now, waits = self._clock(), []
        if len(self._tasks) < self.slots:
            dues = self._lanes.next_file_wait(), self._lanes.due() if self._may_retry else None
            waits = [min(due - now, delivery_policy.MAX_PAUSE) for due in dues if due is not None]
            if self._lanes.has_new and self._tasks.new == 0:
                waits.append(self._endpoint.left(now))
        if self._journal.wait is not None:
            waits.append(self._journal.wait)
        return max(0.01, min(waits)) if waits else None
