"""Implements the engine interface's inbox methods on the session file: lists and settles items, queues merges of chats."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from actors.connection.refused_items.refused_item_methods import SessionRefusedItems
from actors.connection.session.session import SessionDamaged, StaleEpoch

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Sequence

    from actors.connection.engine import InboxKind
    from actors.connection.session.identities.chat_renames import ChatRenames
    from actors.redis.leases.lease_record import HeldItems


T = TypeVar("T")


class SessionInbox(SessionRefusedItems):
    """An engine's methods that read and settle its inbox.

    A stale owner changes nothing (G6): `run` ends as replaced, and once it did these raise `StaleEpoch`;
    so with `SessionDamaged`. `SessionUnavailable` changed nothing: try again.
    """

    _idle: asyncio.Event

    @abstractmethod
    def _end_by(self, refusal: Exception) -> None:
        """Let `run` return with the cause of the session's refusal."""

    @abstractmethod
    async def _settled(self, keys: Sequence[int]) -> None:
        """Let go what waited until these items are stored elsewhere, or are set aside."""

    @property
    def names(self) -> ChatRenames:
        """The names of chats that the session learnt."""
        return self._session.names

    @property
    def linked_at(self) -> float | None:
        """The time at which the account was linked first."""
        return self._session.account_link.first_at

    async def pending(self, kind: InboxKind, limit: int) -> Sequence[Any]:
        """The oldest unsettled inbox items of that kind."""
        return self._session.inbox.pending(kind, limit)

    async def settle(self, keys: Sequence[int]) -> None:
        """Forget items that are stored elsewhere."""
        async with self._changing():
            async with self._session.transaction():
                self._session.inbox.settle(keys)
            await self._settled(keys)

    async def held_items(self) -> HeldItems:
        """The numbers of items that are held back."""
        return self._session.held_items()

    async def merge(self, chats: Sequence[tuple[str, str]]) -> None:
        """Have what is stored of former chats moved; see the port."""
        async with self._changing(), self._session.transaction():
            self._session.inbox_moves.merge_chats(chats)
        await self._events.on_inbox()

    async def _change(self, change: Callable[[], T]) -> T:
        async with self._changing(), self._session.transaction():
            return change()

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[None]:
        try:
            yield
        except (StaleEpoch, SessionDamaged) as refusal:
            self._end_by(refusal)
            # The cause of the end is reported first: the caller breaks on this error, and knows less.
            await self._idle.wait()
            raise
