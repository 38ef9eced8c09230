"""Tracks the asyncio tasks of one webhook's delivery attempts in progress, and raises a task's failure."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

CANCEL_SECONDS = 1.0
"""Seconds that cancelled attempts have to end."""


class AttemptTasks:
    """Runs attempts as tasks. Calls `landed` whenever one ends; `check` raises what broke one."""

    def __init__(self, landed: Callable[[], None]) -> None:
        self._landed = landed
        self._flying: dict[asyncio.Task[None], bool] = {}  # whether each is a retry
        self._broken: BaseException | None = None

    def __len__(self) -> int:
        return len(self._flying)

    @property
    def retries(self) -> int:
        """Of events that were refused before."""
        return sum(self._flying.values())

    @property
    def new(self) -> int:
        """Of events that were not tried before."""
        return len(self._flying) - self.retries

    def start(self, attempt: Coroutine[None, None, None], *, retry: bool) -> None:
        """Run the attempt as a task of its own."""
        flying = asyncio.create_task(attempt)
        self._flying[flying] = retry
        flying.add_done_callback(self._end)

    def check(self) -> None:
        """Raise, once, what an attempt raised that was not foreseen."""
        broken, self._broken = self._broken, None
        if broken is not None:
            raise broken

    async def cancel(self) -> None:
        """End all; events that an endpoint took meanwhile are delivered again."""
        for flying in self._flying:
            flying.cancel()
        if self._flying:
            await asyncio.wait(list(self._flying), timeout=CANCEL_SECONDS)

    def _end(self, flying: asyncio.Task[None]) -> None:
        del self._flying[flying]
        if not flying.cancelled():
            self._broken = self._broken or flying.exception()
        self._landed()
