"""Events that clients hear, and messages that left: written into the session file in order, then followed up."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from actors.connection.neonize.client import Event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.connection.neonize.client import Client, Heard
    from actors.connection.neonize.incoming import Departed, Incoming
    from actors.connection.session.session import Session

    Batch = Sequence[tuple[Client, Heard]]


class Journal:
    """Keeps what was heard in memory until it is on disk: it was acknowledged already.

    What waits together shares a commit. `learn` reads from a batch whose account it is, and returns
    what takes its events; `follow` is called with each thing that was heard once it is on disk.
    """

    def __init__(
        self,
        session: Session,
        *,
        learn: Callable[[Batch], Incoming | None],
        follow: Callable[[Client, Heard], Awaitable[None]],
        on_inbox: Callable[[], Awaitable[None]],
    ) -> None:
        self._session = session
        self._learn = learn
        self._follow = follow
        self._on_inbox = on_inbox
        self._heard: deque[tuple[Client, Heard]] = deque()
        self._departed: deque[Departed] = deque()
        self._writing = asyncio.Lock()
        self.news = asyncio.Event()

    @property
    def waits(self) -> bool:
        """Whether something that was heard is not dealt with yet."""
        return bool(self._heard)

    def hear(self, client: Client, heard: Heard) -> None:
        """Take what a client hears; `news` is set."""
        self._heard.append((client, heard))
        self.news.set()

    def depart(self, left: Departed) -> None:
        """Take under which id a message left."""
        self._departed.append(left)

    async def write_down(self) -> None:
        """Write down what waits. Raises `SessionRefusal`; nothing is forgotten then."""
        async with self._writing:
            while self._heard or self._departed:
                batch, departed = list(self._heard), list(self._departed)
                if await self._committed(batch, departed):
                    await self._on_inbox()
                for _ in departed:
                    self._departed.popleft()
                for client, heard in batch:
                    self._heard.popleft()
                    client.dealt_with()
                    await self._follow(client, heard)

    async def _committed(self, batch: Batch, departed: Sequence[Departed]) -> bool:
        """Whether the inbox may have grown."""
        incoming = self._learn(batch)
        if incoming is None:
            return False
        news = False
        async with self._session.transaction():
            for sent in departed:
                news |= incoming.departed(sent)
            for _, heard in batch:
                if isinstance(heard, Event):
                    news |= incoming.take(heard.event)
        return news
