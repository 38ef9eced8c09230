"""From the inbox in the session file to the state store and the queue.

An item leaves the inbox only when what it says is stored elsewhere (G5). Repeats are harmless on
the other side: a document's id is the message's, and receipts only ever move a message forward.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

from actors.connection.engine import InboxMessage, InboxReceipt
from actors.connection.reporting import LONGEST_PAUSE, PAUSE, StateAway
from actors.redis.client import RedisAway

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.engine import Engine
    from actors.connection.reporting import State
    from actors.queue.lanes import Lanes

BATCH = 200


class Drain:
    """Empties the inbox of one connection for as long as `run` runs.

    While the StateManager or Redis is away the items stay in the session file, and each kind is
    retried by itself: receipts do not wait for messages of the same batch.
    """

    def __init__(
        self,
        connection: str,
        engine: Engine,
        lanes: Lanes,
        state: State,
    ) -> None:
        self._connection = connection
        self._engine = engine
        self._lanes = lanes
        self._state = state
        self._look = asyncio.Event()

    def look(self) -> None:
        """Something new is in the inbox."""
        self._look.set()

    async def run(self) -> None:
        """Drain now, and again whenever there is something new."""
        pause = PAUSE
        while True:
            self._look.clear()
            if await self.once():
                pause = PAUSE
                await self._look.wait()
            else:
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 2)

    async def once(self) -> bool:
        """Settle all that is there; False when something has to be tried again later."""
        while True:
            items = await self._engine.pending(BATCH)
            if not items:
                return True
            messages = [item for item in items if isinstance(item, InboxMessage)]
            receipts = [item for item in items if isinstance(item, InboxReceipt)]
            done = await asyncio.gather(self._store(messages), self._note(receipts))
            if not all(done):
                return False

    async def _store(self, messages: Sequence[InboxMessage]) -> bool:
        if not messages:
            return True
        items = [asdict(message) for message in messages]
        try:
            await self._state.store_messages(self._connection, items)
        except StateAway:
            return False
        await self._engine.settle([message.key for message in messages])
        return True

    async def _note(self, receipts: Sequence[InboxReceipt]) -> bool:
        noted = []
        try:
            for receipt in receipts:
                await self._lanes.receipt(
                    self._connection, receipt.message_ids, receipt.status, receipt.at
                )
                noted.append(receipt.key)
        except RedisAway:
            pass
        if noted:
            await self._engine.settle(noted)
        return len(noted) == len(receipts)
