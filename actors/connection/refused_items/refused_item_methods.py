"""Implements a WhatsApp engine's methods for refused inbox items on the session file; the engine inherits them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.connection.engine import EngineEvents
    from actors.connection.refused_items.port import RefusedItem
    from actors.connection.session.session import Session

T = TypeVar("T")


class SessionRefusedItems(ABC):
    """`RefusedItems` on the session; raises as the engine's `settle` does."""

    _session: Session
    _events: EngineEvents

    @abstractmethod
    async def _change(self, change: Callable[[], T]) -> T:
        """Run the change in a transaction of the session."""

    async def _settled(self, keys: Sequence[int]) -> None:  # noqa: B027 - an engine may hold nothing
        """Let go what waited until these items are stored elsewhere, or are set aside: nothing."""

    async def set_aside(self, key: int) -> bool:
        done = await self._change(lambda: self._session.refused.set_aside(key))
        if done:
            await self._settled([key])
        return done

    async def refused_items(self, limit: int, after: int) -> Sequence[RefusedItem]:
        return self._session.refused.items(limit, after)

    async def retry_refused(self, key: int) -> bool:
        there = await self._change(lambda: self._session.refused.retry(key))
        await self._events.on_inbox()
        return there

    async def count_words(self, sender: str, size: int) -> None:
        await self._change(lambda: self._session.downloads.count(sender, size))

    async def discard_refused(self, key: int) -> bool:
        there = await self._change(lambda: self._session.refused.discard(key))
        await self._settled([key])
        await self._events.on_inbox()
        return there
