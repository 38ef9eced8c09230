"""Serializes an engine's sends within each chat in call order, by locks in memory; other chats do not wait."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.connection.protocol.identities.addresses import Address


@dataclass(slots=True)
class _Turn:
    """A lock of one chat; asyncio's lock wakes those who wait in their order."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0


class PerChatLocks:
    """Turns in chats; no chat waits for another's."""

    def __init__(self) -> None:
        self._turns: dict[Address, _Turn] = {}

    @asynccontextmanager
    async def of(self, chat: Address) -> AsyncIterator[None]:
        """Wait for the chat's turn, and have it until the block ends."""
        turn = self._turns.setdefault(chat, _Turn())
        turn.wanted += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.wanted -= 1
            # A lock that was just released for somebody who waits does not say that it is locked.
            if turn.wanted == 0:
                del self._turns[chat]
