"""Decides for how long an account asks WhatsApp nothing after it refused a request by 429 (pure)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from actors.runtime.backoff import DoublingPause

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 30.0, 900.0
RATE_LIMITED: Final = 429
"""WhatsApp's number for too many requests of an account."""


class RequestPause:
    """The pause of an account's requests, across logins; the first after a quiet quarter of an hour is short again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause = DoublingPause(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self._until = float("-inf")

    @property
    def left(self) -> float:
        """The seconds for which nothing is asked; 0 where there is no pause."""
        return max(0.0, self._until - self._clock())

    def refused(self) -> bool:
        """WhatsApp refused a request; whether a pause begins: one that left before the pause makes no longer one."""
        now = self._clock()
        if now < self._until:
            return False
        if now - self._until > LONGEST_PAUSE_SECONDS:
            self._pause.reset()
        self._until = now + self._pause.next()
        return True
