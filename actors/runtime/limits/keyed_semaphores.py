"""Limits how many tasks run at once under each key, in the order in which they came; other keys do not wait."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

K = TypeVar("K")


class NoTurn(Exception):
    """No turn of the key came in time."""


class _Turns(asyncio.Semaphore):
    """The semaphore of one key, and how many tasks have or want it."""

    wanted = 0


class KeyedSemaphores(Generic[K]):
    """At most `at_once` tasks of a key run; the next one starts when one ends. A key without tasks takes no memory.

    The turns are those of one process; `HostTurns` are shared by all processes of a host.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._turns: dict[K, _Turns] = {}

    @asynccontextmanager
    async def of(self, key: K, within: float | None = None) -> AsyncIterator[None]:
        """Wait for a turn of the key, and hold it until the block ends. Raises `NoTurn` after `within` seconds."""
        turns = self._turns.setdefault(key, _Turns(self._at_once))
        turns.wanted += 1
        try:
            try:
                async with asyncio.timeout(within if turns.locked() else None):
                    await turns.acquire()
            except TimeoutError:
                raise NoTurn from None
            try:
                yield
            finally:
                turns.release()
        finally:
            turns.wanted -= 1
            # A semaphore that was just released for a task that waits does not say that it is locked.
            if turns.wanted == 0:
                del self._turns[key]
