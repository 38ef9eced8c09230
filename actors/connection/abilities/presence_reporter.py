"""Writes contacts' online and typing states to Redis; renews subscriptions and the own presence after each login."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from actors.connection.engine import SendError
from actors.redis.client import RedisAway
from actors.redis.presence import PresenceNote
from actors.runtime.limits.bounded_map import BoundedMap

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.engine import Engine, Presence
    from actors.redis.presence import Presences

log = structlog.get_logger()

REPORT_PAUSE_SECONDS = 0.2
"""Seconds between two reports to Redis."""

MAX_WAITING_PRESENCES = 1000
"""News that wait to be reported at most; the oldest are dropped."""

PRESENCE_RETRY_SECONDS = 1.0
"""Seconds between tries while Redis is away."""


class PresenceReporter:
    """Reports the newest presence of each person and chat to Redis; never waits for Redis, and stores nothing.

    News that it cannot report are dropped: they would not be true for long. After each login WhatsApp is
    asked anew for those who are to be seen.
    """

    def __init__(
        self,
        connection: str,
        presences: Presences | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Without `presences` nothing is reported, and nobody is observed."""
        self._connection = connection
        self._presences = presences
        self._clock = clock
        self._news = self._none()
        self._came = asyncio.Event()
        self._login = asyncio.Event()

    @staticmethod
    def _none() -> BoundedMap[tuple[str, str, bool], PresenceNote]:
        return BoundedMap(MAX_WAITING_PRESENCES)

    async def observe(self, heard: Presence) -> None:
        """Somebody came, went, types or stopped."""
        note = PresenceNote(heard.chat, heard.who, heard.state, self._clock(), heard.last_seen)
        key = note.chat, note.who, note.types
        self._news[key] = note
        self._came.set()

    def opened(self) -> None:
        """There is a new socket, without subscriptions."""
        self._login.set()

    async def run(self, engine: Engine) -> None:
        """Until cancelled."""
        if self._presences is not None:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._report(self._presences))
                both.create_task(self._renew(self._presences, engine))

    async def show(self, *, available: bool) -> None:
        """The account is shown like that also by the sockets to come. Raises `RedisAway`."""
        if self._presences is not None:
            await self._presences.show(self._connection, available=available)

    async def watch(self, chat: str) -> None:
        """The person is seen also by the sockets to come. Raises `RedisAway`."""
        if self._presences is not None:
            await self._presences.watch(self._connection, chat, self._clock())

    async def _report(self, presences: Presences) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            news, self._news = self._news, self._none()
            with suppress(RedisAway):
                await presences.note(self._connection, list(news.values()))
            await asyncio.sleep(REPORT_PAUSE_SECONDS)

    async def _renew(self, presences: Presences, engine: Engine) -> None:
        while True:
            await self._login.wait()
            self._login.clear()
            try:
                if await presences.shown(self._connection):
                    await engine.presence(available=True)
                for chat in await presences.watched(self._connection, self._clock()):
                    await engine.subscribe(chat)
            except RedisAway:
                self._login.set()
                await asyncio.sleep(PRESENCE_RETRY_SECONDS)
            except SendError as error:  # closed again: the next login comes here, too
                log.info("not renewed", action="watch.renew", code=error.code)
