"""Requests, after a login, the stanzas that WhatsApp queued while this client was offline, batch by batch."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from actors.connection.protocol.wire_format.nodes import Node
from actors.runtime.backoff import DoublingPause

if TYPE_CHECKING:
    from actors.connection.native.transport.socket import Socket

STANZAS_PER_REQUEST: Final = 100
"""Stanzas that are asked for at a time."""

FIRST_SILENCE, LONGEST_SILENCE = 3.0, 60.0
"""Seconds without a stanza of the queue after which the rest is asked for again: at first, at most."""


class OfflineQueue:
    """Asks for the whole queue: WhatsApp may hand out a batch and wait to be asked for the next.

    whatsapp-rust (offline_resume.rs) asks again during each batch, Baileys once, whatsmeow never.
    Stanzas that were handed out come with the attribute ``offline``; an ``<offline>`` is the end.
    """

    def __init__(self, socket: Socket, *, patience: float = FIRST_SILENCE) -> None:
        self._socket = socket
        self._patience = patience
        self._left = 0
        self._of_batch = 0
        self._came = asyncio.Event()

    def inform(self, stanza: Node) -> bool:
        """Take an ``<ib>``, which may announce the queue or its end; whether `run` has to be started."""
        preview, begins = stanza.child("offline_preview"), False
        if preview is not None:
            count = preview.number("count")
            begins = self.announce(1 if count is None else count)
        if stanza.child("offline") is not None:
            self.ended()
        return begins

    def announce(self, count: int) -> bool:
        """WhatsApp says that so many stanzas wait; whether `run` has to be started."""
        running, self._left = self._left > 0, count
        return count > 0 and not running

    def arrived(self) -> None:
        """A stanza of the queue came."""
        self._left -= 1
        self._of_batch += 1
        self._came.set()

    def ended(self) -> None:
        """WhatsApp says that nothing is left."""
        self._left = 0
        self._came.set()

    async def run(self) -> None:
        """Ask until nothing is left. Raises `ConnectionLost`."""
        patience = DoublingPause(self._patience, LONGEST_SILENCE)
        while self._left > 0:
            self._of_batch = 0
            await self._socket.send(request())
            if await self._batch(patience.next()):
                patience.reset()

    async def _batch(self, patience: float) -> bool:
        """Wait for the end of a batch, or until nothing comes; whether anything came."""
        while self._of_batch < STANZAS_PER_REQUEST and self._left > 0:
            self._came.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._came.wait()
            except TimeoutError:
                break
        return self._of_batch > 0


def request() -> Node:
    """The stanza that asks for a batch."""
    return Node("ib", {}, (Node("offline_batch", {"count": str(STANZAS_PER_REQUEST)}),))
