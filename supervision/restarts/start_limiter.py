"""Delays the root's starts of connection actors after a mass failure: few at a time by `policy.Wave`, in order."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from supervision.restarts.policy import Wave


class StartLimiter:
    """Admits starts in their order of arrival, as many at a time as the wave allows."""

    def __init__(self, wave: Wave) -> None:
        self._wave = wave
        self._company = 0
        self._waiting: dict[str, asyncio.Event] = {}
        self._running: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._none_waits = asyncio.Event()
        self._none_waits.set()

    async def admitted(self) -> None:
        """Waits until no start waits for a slot."""
        await self._none_waits.wait()

    @asynccontextmanager
    async def slot(self, name: str) -> AsyncIterator[None]:
        """Waits for a slot for `name` and occupies it."""
        company = self._company
        self._company += 1
        try:
            # Spreads starts after a common failure, and occupies no slot; a single one is not delayed.
            await asyncio.sleep(self._wave.jitter(company, random.random()))  # noqa: S311
            mine = self._waiting[name] = asyncio.Event()
            self._none_waits.clear()
            self._admit()
            await mine.wait()
            yield
        finally:
            self._company -= 1
            self._waiting.pop(name, None)
            self._running.pop(name, None)
            self._admit()

    def _admit(self) -> None:
        now = time.monotonic()
        for name in self._wave.admit(list(self._waiting), self._running, now):
            self._running[name] = now
            self._waiting.pop(name).set()
        if not self._waiting:
            self._none_waits.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        left = self._wave.next_look(self._running, now)
        if self._waiting and left is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(left + 0.01, self._admit)
