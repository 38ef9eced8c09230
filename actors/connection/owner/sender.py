"""Claims a connection's queued messages, sends each through the WhatsApp engine, and reports outcomes to Redis.

A connection claims for itself and nobody stands in between. While the socket is closed nothing is
claimed, so that time spent disconnected is never an attempt. An outcome is reported until Redis has it
(G2); a proof of delivery counts even when the lease was lost meanwhile (G3).
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import structlog

from actors.connection.abilities.action_dispatch import notify
from actors.connection.address_changes.change_reporter import ChangeReporter
from actors.connection.engine import NotConnected, RequestsLimited, SendError, SendRequest
from actors.connection.limits.ack_errors import SendDeferred
from actors.messages.content import Change, Notice, Star, UnknownContent
from actors.metrics.counters import measures
from actors.metrics.mistakes import log_mistake
from actors.queue.outbound_queue import LeaseLost
from actors.redis.client import RedisAway
from actors.runtime.actor_base import end_tasks
from actors.runtime.backoff import DoublingPause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.connection.engine import Engine
    from actors.connection.limits.message_deferral import MessageDeferral
    from actors.messages.content import Content
    from actors.queue.outbound_queue import ClaimedMessage, OutboundQueue

log = structlog.get_logger()
T = TypeVar("T")

CLAIM_WAIT_SECONDS = 20.0
"""Seconds for which Redis is asked to wait for something to send."""

GATHER = 0.005
"""Seconds that an outcome waits for others, where its chat goes on meanwhile."""

FIRST_SEND_PAUSE, LONGEST_SEND_PAUSE = 0.1, 1.0
NOT_OPEN_AFTER_ALL = 0.2
"""Seconds without claims after a send found the socket closed before `run` said so."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """WhatsApp acknowledged the message of an attempt; `reported`: whether Redis has the outcome."""

    attempt: asyncio.Task[bool]
    id: str
    at: float
    reported: asyncio.Future[bool]


@dataclass(frozen=True, slots=True)
class Ticket:
    """The connection whose messages are sent, and the epoch under which they are claimed."""

    connection: str
    epoch: int


class Sender:
    """Keeps up to `concurrency` messages in flight, one of each chat.

    The next one of a chat is in hand already where no other chat waits, and leaves as soon as
    WhatsApp acknowledged the one before it; Redis gets the outcome meanwhile.

    `retry_at(attempts, permanent, now)` says when a failed message is tried again, None that it is
    dead. `on_lost` is called once a newer epoch has the connection.
    """

    def __init__(
        self,
        ticket: Ticket,
        engine: Engine,
        lanes: OutboundQueue,
        standing: MessageDeferral,
        *,
        concurrency: int,
        retry_at: Callable[[int, bool, float], float | None],
        on_lost: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._owner = ticket.connection, ticket.epoch
        self._engine = engine
        self._lanes = lanes
        self._standing = standing
        self._concurrency = concurrency
        self._retry_at = retry_at
        self._on_lost = on_lost
        self._clock = clock
        self._open = self._stopping = self._claiming = False
        self._attempts: set[asyncio.Task[bool]] = set()
        self._flying: set[asyncio.Task[bool]] = set()  # those among them that Redis has in flight
        self._out: dict[str, asyncio.Task[bool]] = {}  # chat → what its next one waits for
        self._next: dict[str, list[ClaimedMessage]] = {}  # chat → those in hand that are to follow
        # A claim gives what is to follow a message, its failure takes that back: one at a time.
        self._turn = asyncio.Lock()
        self.joins = ChangeReporter(self._owner, engine, lanes, standing.joined, on_lost)
        self._sent: list[_Sent] = []
        self._untold = 0
        self._closed_until = 0.0
        self._look = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Attempts whose outcome is not reported yet."""
        return len(self._attempts)

    def look(self) -> None:
        """The engine may have learnt other names of chats."""
        if self.joins.waits:
            self._look.set()

    def opened(self) -> None:
        """The socket is open: claim."""
        self._open = True
        self._look.set()

    def closed(self) -> None:
        """The socket is closed: claim nothing until it is `opened` again."""
        self._open = False

    async def run(self) -> None:
        """Claim and send until cancelled; attempts go on until `stop`. Raises what ends the listening."""
        listening = asyncio.ensure_future(self._listen())
        listening.add_done_callback(lambda _: self._look.set())
        self._claiming = True
        try:
            while True:
                self._look.clear()
                if listening.done():
                    listening.result()
                async with self._turn:
                    again = await self._join_and_claim()
                with suppress(TimeoutError):
                    async with asyncio.timeout(again):
                        await self._look.wait()
        finally:
            self._claiming = False
            _answer(self._sent, reported=False)
            await end_tasks([listening], 1.0)

    async def stop(self, grace: float) -> None:
        """Claim nothing more and wait `grace` seconds for what is in flight.

        A message that was only to follow goes back as not attempted. One that is still out then goes back with
        the lease, which queues it again at its old place.
        """
        self._stopping = True
        end = time.monotonic() + grace
        returning = asyncio.ensure_future(self._return())
        await asyncio.wait([returning], timeout=grace)
        while self._attempts and (left := end - time.monotonic()) > 0:
            await asyncio.wait(self._attempts, timeout=left)
        await end_tasks([returning, *self._attempts], 1.0)

    async def _return(self) -> None:
        """Give back what is in hand and was not attempted."""
        async with self._turn:
            jobs = [job for following in self._next.values() for job in following]
            self._next.clear()
            for job in jobs:
                await self._unclaim(job.id)

    async def _listen(self) -> None:
        """Look whenever something was queued. The one blocking wait is never cut off half way."""
        while True:
            try:
                await self._lanes.claims.wait(self._owner[0], CLAIM_WAIT_SECONDS)
            except RedisAway:
                await asyncio.sleep(LONGEST_SEND_PAUSE)
            self._look.set()

    async def _join_and_claim(self) -> float | None:
        """As `_claim`, once Redis has all names of chats."""
        step = "done" if self._untold else await self.joins.step(self._next)
        if step == "away":
            return LONGEST_SEND_PAUSE
        again = await self._claim(takes=step == "done")
        return 0.0 if step == "more" else again

    async def _claim(self, *, takes: bool) -> float | None:
        """Tell what was sent and, where it `takes` messages, claim what fits, in one call.

        Returns the seconds after which to look again by itself, None for never.
        """
        sent, self._sent = self._sent, []
        again: float | None = None
        # An outcome that Redis may not have is reported first: the next claim would hand it out again.
        ahead = takes and self._open and not self._stopping and not self._untold
        if ahead and (closed := self._closed_until - time.monotonic()) > 0:
            ahead, again = False, closed
        free = max(0, self._concurrency - len(self._flying) + len(sent)) if ahead else 0
        if not free and not sent:
            return again
        reported = False
        try:
            claim = await self._lanes.claims.claim(
                *self._owner,
                free,
                self._clock(),
                sent={each.id: each.at for each in sent},
                ahead=ahead and not self.joins.unfinished,
                linked_at=self._engine.linked_at,
            )
            reported = True
            if sent and self.joins.unfinished:
                self._look.set()
            self._flying -= {each.attempt for each in sent}
        except RedisAway:
            return LONGEST_SEND_PAUSE
        except LeaseLost:
            reported = True
            self._on_lost("lost")
            return None
        finally:
            _answer(sent, reported=reported)
        self.joins.request_names(claim.unnamed)
        for job in claim.jobs:
            if job.chat in self._out:
                self._next.setdefault(job.chat, []).append(job)
            else:
                self._begin(job)
                free -= 1
        if not free or claim.next_due is None:
            return again
        return max(0.0, claim.next_due - self._clock()) + 0.005

    def _begin(self, job: ClaimedMessage, after: asyncio.Task[bool] | None = None) -> None:
        """Attempt `job`; one that was claimed to follow another has that one's attempt as `after`."""
        attempt = asyncio.ensure_future(self._attempt(job, after))
        self._out[job.chat] = attempt
        self._attempts.add(attempt)
        self._flying.add(attempt)
        attempt.add_done_callback(self._done)

    def _done(self, attempt: asyncio.Task[bool]) -> None:
        self._attempts.discard(attempt)
        self._flying.discard(attempt)
        looked = False
        if not attempt.cancelled():
            if (error := attempt.exception()) is not None:
                log_mistake("attempt broke", "send", error)
            else:
                looked = attempt.result()
        if not looked:
            self._look.set()

    async def _attempt(self, job: ClaimedMessage, after: asyncio.Task[bool] | None) -> bool:
        """Send; return whether its room was claimed for when its outcome was reported."""
        attempt = asyncio.current_task()
        assert attempt is not None
        try:
            at = await self._send(job)
        except SendError as error:
            if after is not None:  # until Redis knows of that one, this one only follows it
                await asyncio.wait([after])
            async with self._turn:
                behind = self._next.get(job.chat, [])
                if await self._not_sent(job, error, [each.id for each in behind]):
                    behind.clear()
            self._go_on(job.chat)
            return False
        goes_on = self._go_on(job.chat, after=attempt)
        if self._claiming and await self._report_with_claim(
            _Sent(attempt, job.id, at, asyncio.get_running_loop().create_future()),
            GATHER if goes_on else 0.0,
        ):
            return True
        await self._report(lambda: self._lanes.claims.complete(*self._owner, job.id, at=at))
        return False

    def _go_on(self, chat: str, after: asyncio.Task[bool] | None = None) -> bool:
        """The chat's message is out of the way: begin with what is to follow it, if anything is."""
        del self._out[chat]
        following = self._next.pop(chat, [])
        if following:
            self._begin(following[0], after)
        if following[1:]:
            self._next[chat] = following[1:]
        return bool(following)

    async def _send(self, job: ClaimedMessage) -> float:
        """WhatsApp's time of its acknowledgement. Raises `SendError`."""
        if self._stopping:
            raise NotConnected
        try:
            content = await self._content(job)
            self.joins.check(job.chat)
            if isinstance(content, Notice):
                await notify(self._engine, job.chat, content, job.timestamp or self._clock())
                return self._clock()
            began = time.monotonic()
            outgoing = SendRequest(job.message_id, job.chat, content, job.timestamp)
            at = await self._engine.send(outgoing)
            measures.observe("teimoso_whatsapp_ack_seconds", time.monotonic() - began)
        except SendError:
            raise
        except Exception as error:  # noqa: BLE001
            # An engine that breaks its promise must not lose the message: nobody knows which bytes left.
            log_mistake("engine broke", "send", error, connection=self._owner[0])
            raise SendError(type(error).__name__, uncertain=True) from None
        return at

    async def _unclaim(self, id_: str, behind: Sequence[str] = ()) -> None:
        await self._report(lambda: self._lanes.claims.unclaim(*self._owner, id_, behind=behind))

    async def _content(self, job: ClaimedMessage) -> Content:
        """The content to send. Raises `SendError` where it can be made into nothing any more."""
        try:
            content = job.decoded
        except UnknownContent:
            raise SendError("unsupported_type", permanent=True) from None
        if isinstance(content, Change | Star) and content.target.sender is None:
            # It stood before this one in the lane, and may have died there.
            with suppress(RedisAway):
                target = await self._lanes.reader.get(
                    f"{self._owner[0]}.{content.target.message_id}"
                )
                if target is not None and (refusal := target.refuses(content, self._clock())):
                    raise SendError(refusal, permanent=True)
        return content

    async def _report_with_claim(self, sent: _Sent, within: float) -> bool:
        """Whether the next claim reported it to Redis; there is one after `within` seconds at the latest."""
        self._sent.append(sent)
        if within:
            asyncio.get_running_loop().call_later(within, self._look.set)
        else:
            self._look.set()
        return await sent.reported

    async def _not_sent(self, job: ClaimedMessage, error: SendError, behind: Sequence[str]) -> bool:
        """Tell it; whether those that were to follow it, `behind`, went back as well."""
        if isinstance(error, NotConnected):
            if self._stopping or not self.joins.waits:
                pause = error.seconds if isinstance(error, RequestsLimited) else NOT_OPEN_AFTER_ALL
                self._closed_until = max(self._closed_until, time.monotonic() + pause)
            await self._unclaim(job.id, behind)
            return True
        if isinstance(error, SendDeferred):
            await self._report(lambda: self._standing.defer(job, error, behind))
            return True
        self._standing.failed(error.code)
        retry_at = self._retry_at(job.attempts, error.permanent, self._clock())
        log.warning(
            "send failed",
            action="send",
            connection=self._owner[0],
            id=job.id,
            code=error.code,
            attempts=job.attempts,
            dead=retry_at is None,
        )
        status = await self._report(
            lambda: self._lanes.claims.fail(
                *self._owner,
                job.id,
                code=error.code,
                permanent=error.permanent,
                uncertain=error.uncertain,
                retry_at=retry_at,
                behind=behind,
            )
        )
        return status not in {"dead", "sent"}

    async def _report(self, outcome: Callable[[], Awaitable[T]]) -> T | None:
        """Tell an outcome until Redis has it; its answer, or None once the lease is lost."""
        pause = DoublingPause(FIRST_SEND_PAUSE, LONGEST_SEND_PAUSE)
        refused = False
        try:
            while True:
                try:
                    return await outcome()
                except RedisAway:
                    self._untold += not refused
                    refused = True
                    await asyncio.sleep(pause.next() * random.uniform(0.5, 1))  # noqa: S311 - spread only
        except LeaseLost:
            self._on_lost("lost")
            return None
        finally:
            self._untold -= refused


def _answer(sent: Sequence[_Sent], *, reported: bool) -> None:
    for each in sent:
        if not each.reported.done():
            each.reported.set_result(reported)
