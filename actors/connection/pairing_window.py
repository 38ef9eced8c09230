"""Tracks in memory how long an unpaired device's socket can still pair; awaits a fresh socket before requesting a code."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from actors.connection.engine import NotConnected

if TYPE_CHECKING:
    from collections.abc import Callable

CODE_SOCKET_TIMEOUT: Final = 6.0
"""Seconds that a code waits for a socket over which it can be asked for."""

CODE_TIME_SHARE: Final = 0.6
"""The share of a socket's time that has to be left for a code: somebody has to type it."""


class PairingWindow:
    """Whether a phone can link the device now, and until when."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lasts = self._until = 0.0
        self._there = asyncio.Event()

    def begin(self, seconds: float) -> None:
        """WhatsApp waits for so many seconds from now."""
        self._lasts, self._until = seconds, self._clock() + seconds
        self._there.set()

    def end(self) -> None:
        """The socket is closed, or the device is linked."""
        self._there.clear()

    async def left(self, renew: Callable[[], None]) -> float:
        """Seconds for which a code that is asked for now would serve.

        Where those are few `renew` is called once, to have another socket. Raises `NotConnected`.
        """
        if self._there.is_set() and self._until - self._clock() < CODE_TIME_SHARE * self._lasts:
            self._there.clear()
            renew()
        try:
            async with asyncio.timeout(CODE_SOCKET_TIMEOUT):
                await self._there.wait()
        except TimeoutError:
            raise NotConnected from None
        return self._until - self._clock()
