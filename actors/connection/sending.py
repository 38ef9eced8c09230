"""From the lanes to WhatsApp: claim, send, tell the outcome.

A connection claims for itself and nobody stands in between. While the socket is closed nothing is
claimed, so that time spent disconnected is never an attempt. An outcome is told until Redis has it
(G2); a proof of delivery counts even when the lease was lost meanwhile (G3).
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from actors.connection.engine import NotConnected, Outgoing, SendError
from actors.queue.lanes import LeaseLost
from actors.redis.client import RedisAway
from actors.shell import end_tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.connection.engine import Engine
    from actors.queue.lanes import Job, Lanes

log = structlog.get_logger()

WAIT = 20.0
"""Seconds for which Redis is asked to wait for something to send."""

PAUSE = 0.1
LONGEST_PAUSE = 1.0
NOT_OPEN_AFTER_ALL = 0.2
"""Seconds without claims after a send found the socket closed before `run` said so."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Whose messages are sent, and under which epoch they are claimed."""

    connection: str
    epoch: int


class Sender:
    """Keeps up to `concurrency` messages in flight, one of each chat.

    `retry_at(attempts, permanent, now)` says when a failed message is tried again, None that it is
    dead. `on_lost` is called once a newer epoch has the connection.
    """

    def __init__(
        self,
        ticket: Ticket,
        engine: Engine,
        lanes: Lanes,
        *,
        concurrency: int,
        retry_at: Callable[[int, bool, float], float | None],
        on_lost: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ticket = ticket
        self._engine = engine
        self._lanes = lanes
        self._concurrency = concurrency
        self._retry_at = retry_at
        self._on_lost = on_lost
        self._clock = clock
        self._open = False
        self._stopping = False
        self._attempts: set[asyncio.Task[None]] = set()
        self._untold = 0
        self._closed_until = 0.0
        self._look = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Attempts whose outcome is not told yet."""
        return len(self._attempts)

    def opened(self) -> None:
        """The socket is open: claim."""
        self._open = True
        self._look.set()

    def closed(self) -> None:
        """The socket is closed: claim nothing until it is `opened` again."""
        self._open = False

    async def run(self) -> None:
        """Claim and send until cancelled; attempts go on until `stop`.

        Raises what ends the listening: sends that nobody is woken for would wait for ever.
        """
        listening = asyncio.ensure_future(self._listen())
        listening.add_done_callback(lambda _: self._look.set())
        try:
            while True:
                self._look.clear()
                if listening.done():
                    listening.result()
                again = await self._claim()
                with suppress(TimeoutError):
                    async with asyncio.timeout(again):
                        await self._look.wait()
        finally:
            await end_tasks([listening], 1.0)

    async def stop(self, grace: float) -> None:
        """Claim nothing more and wait `grace` seconds for what is in flight.

        What is still out then goes back with the lease, which queues it again at its old place.
        """
        self._stopping = True
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=grace)
        await end_tasks(set(self._attempts), 1.0)

    async def _listen(self) -> None:
        """Look whenever something was queued. The one blocking wait is never cut off half way."""
        while True:
            try:
                await self._lanes.wait(self._ticket.connection, WAIT)
            except RedisAway:
                await asyncio.sleep(LONGEST_PAUSE)
            self._look.set()

    async def _claim(self) -> float | None:
        """Claim what fits; the seconds after which to look again by itself, None for never."""
        free = self._concurrency - len(self._attempts)
        # An outcome that Redis may not have is told first: the next claim would hand it out again.
        if not self._open or self._stopping or self._untold or free <= 0:
            return None
        closed = self._closed_until - time.monotonic()
        if closed > 0:
            return closed
        now = self._clock()
        try:
            claim = await self._lanes.claim(self._ticket.connection, self._ticket.epoch, free, now)
        except RedisAway:
            return LONGEST_PAUSE
        except LeaseLost:
            self._on_lost("lost")
            return None
        for job in claim.jobs:
            attempt = asyncio.ensure_future(self._attempt(job))
            self._attempts.add(attempt)
            attempt.add_done_callback(self._done)
        if len(claim.jobs) == free or claim.next_due is None:
            return None
        return max(0.0, claim.next_due - self._clock()) + 0.005

    def _done(self, attempt: asyncio.Task[None]) -> None:
        self._attempts.discard(attempt)
        if not attempt.cancelled() and (error := attempt.exception()) is not None:
            log.error("attempt broke", action="send", error=type(error).__name__)
        self._look.set()

    async def _attempt(self, job: Job) -> None:
        connection, epoch = self._ticket.connection, self._ticket.epoch
        try:
            if job.type != "text":
                raise SendError("unsupported_type", permanent=True)  # noqa: TRY301
            at = await self._engine.send(
                Outgoing(job.message_id, job.chat, "text", job.text, job.reply_to)
            )
        except NotConnected:
            self._closed_until = time.monotonic() + NOT_OPEN_AFTER_ALL
            await self._tell(lambda: self._lanes.unclaim(connection, epoch, [job.id]))
            return
        except SendError as error:
            await self._failed(job, error)
            return
        except Exception as error:  # noqa: BLE001
            # An engine that breaks its promise must not lose the message: what left is not known.
            log.error(  # noqa: TRY400 - a traceback may quote what was sent
                "engine broke", action="send", connection=connection, error=type(error).__name__
            )
            await self._failed(job, SendError(type(error).__name__, uncertain=True))
            return
        await self._tell(lambda: self._lanes.complete(connection, epoch, job.id, at=at))

    async def _failed(self, job: Job, error: SendError) -> None:
        retry_at = self._retry_at(job.attempts, error.permanent, self._clock())
        log.warning(
            "send failed",
            action="send",
            connection=self._ticket.connection,
            id=job.id,
            code=error.code,
            attempts=job.attempts,
            dead=retry_at is None,
        )
        await self._tell(
            lambda: self._lanes.fail(
                self._ticket.connection,
                self._ticket.epoch,
                job.id,
                code=error.code,
                permanent=error.permanent,
                uncertain=error.uncertain,
                retry_at=retry_at,
            )
        )

    async def _tell(self, outcome: Callable[[], Awaitable[object]]) -> None:
        """Tell an outcome until Redis has it or the lease is lost."""
        pause = PAUSE
        refused = False
        try:
            while True:
                try:
                    await outcome()
                except RedisAway:
                    self._untold += not refused
                    refused = True
                    await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spread only
                    pause = min(LONGEST_PAUSE, pause * 2)
                else:
                    return
        except LeaseLost:
            self._on_lost("lost")
        finally:
            self._untold -= refused
