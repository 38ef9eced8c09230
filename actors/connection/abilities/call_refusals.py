"""Rejects ringing calls in the connection's process while `reject_calls` is set; queues one text to the caller in Redis."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.engine import SendError
from actors.connection.owner.reporter import FIRST_RETRY_SECONDS, LONGEST_REPORT_PAUSE
from actors.queue.outbound_queue import ConnectionDeleted, IdempotencyConflict, Send
from actors.redis.client import RedisAway
from actors.runtime.backoff import persist

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.abilities.port import Call
    from actors.connection.engine import Engine
    from actors.queue.outbound_queue import OutboundQueue
    from actors.runtime.connection_options import ConnectionOptions

log = structlog.get_logger()

MAX_WAITING_REFUSALS: Final = 100
"""Calls, and texts, that wait at most; the oldest are dropped."""

RINGS: Final = 120.0
"""Seconds after which an offer tells of a call that was missed, and is let be."""

QUEUED_WITHIN: Final = 2.0
"""Seconds that a call goes on ringing at most while its text cannot be queued."""


class CallRefusals:
    """Refuses each call that rings while `reject_calls` is set; its text is sent once, whatever dies.

    The text is in the queue before the call is refused, under a key of the call's id: an owner that dies
    in between leaves a call that rings on, and the next one, which gets it again, queues no second
    text. While Redis is away calls are refused all the same; texts wait in memory, and die with the owner.
    """

    def __init__(
        self,
        connection: str,
        lanes: OutboundQueue,
        options: Callable[[], ConnectionOptions],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection, self._lanes, self._options = connection, lanes, options
        self._clock = clock
        self._ringing: deque[Call] = deque(maxlen=MAX_WAITING_REFUSALS)
        self._late: deque[tuple[Call, str]] = deque(maxlen=MAX_WAITING_REFUSALS)
        self._due, self._for_late = asyncio.Event(), asyncio.Event()

    def received(self, call: Call) -> None:
        """A call rings, or is over; returns at once."""
        if call.state == "offered" and self._options().reject_calls:
            self._ringing.append(call)
            self._due.set()

    async def run(self, engine: Engine) -> None:
        """Refuse calls; for the life of the epoch."""
        while True:
            await self._due.wait()
            self._due.clear()
            while self._ringing:
                await self._refuse(engine, self._ringing.popleft())

    async def send_late(self) -> None:
        """Queue the texts that Redis did not take in time; for the life of the epoch."""
        while True:
            await self._for_late.wait()
            self._for_late.clear()
            while self._late:
                queue = partial(self._queue, *self._late.popleft())
                await persist(
                    queue, RedisAway, first=FIRST_RETRY_SECONDS, longest=LONGEST_REPORT_PAUSE
                )

    async def _refuse(self, engine: Engine, call: Call) -> None:
        options = self._options()
        if not options.reject_calls or self._clock() - call.at > RINGS:
            return
        text = options.reject_calls_text
        if text is not None and call.group is None:
            try:
                async with asyncio.timeout(QUEUED_WITHIN):
                    await self._queue(call, text)
            except (RedisAway, TimeoutError):
                self._late.append((call, text))
                self._for_late.set()
        try:
            await engine.reject_call(call.id)
        except SendError as error:
            # It is over, or the socket is: then WhatsApp tells of it again.
            log.warning(
                "call not refused",
                action="call.refuse",
                connection=self._connection,
                error=error.code,
            )

    async def _queue(self, call: Call, text: str) -> None:
        """Queue the text of a call, unless it was queued. Raises `RedisAway`."""
        send = Send(self._connection, call.caller, text)
        try:
            await self._lanes.accept(send, idempotency_key=f"call\0{call.id}", limited=False)
        except IdempotencyConflict:
            return  # it was queued, with the text that was set then
        except ConnectionDeleted:
            return
