"""Limits how many tasks run at once under each key, in the order in which they came; other keys do not wait."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

K = TypeVar("K")


class _Turns(asyncio.Semaphore):
    """The semaphore of one key, and how many tasks have or want it."""

    wanted = 0


class KeyedSemaphores(Generic[K]):
    """At most `at_once` tasks of a key go on; the next one does when one ends. A key that nobody wants takes no memory."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._turns: dict[K, _Turns] = {}

    @asynccontextmanager
    async def of(self, key: K) -> AsyncIterator[None]:
        """Wait for a turn of the key, and have it until the block ends."""
        await self._take(key)
        try:
            yield
        finally:
            self._give_back(key)

    async def start(self, key: K) -> None:
        """Wait for a turn of the key, and have it for one round of the event loop: tasks of other keys come between."""
        await self._take(key)
        asyncio.get_running_loop().call_soon(self._give_back, key)

    async def _take(self, key: K) -> None:
        turns = self._turns.setdefault(key, _Turns(self._at_once))
        turns.wanted += 1
        try:
            await turns.acquire()
        except BaseException:
            self._leave(key, turns)
            raise

    def _give_back(self, key: K) -> None:
        turns = self._turns[key]
        turns.release()
        self._leave(key, turns)

    def _leave(self, key: K, turns: _Turns) -> None:
        turns.wanted -= 1
        # A semaphore that was just released for a task that waits does not say that it is locked.
        if turns.wanted == 0:
            del self._turns[key]
