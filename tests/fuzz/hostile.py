"""A WhatsApp server with the right keys and the wrong intentions, on loopback."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from actors.connection.protocol.wire_format.codec import decode, encode
from actors.connection.protocol.wire_format.nodes import Node
from simulator.wire.certificates import issue, new_private_key, public_key
from simulator.wire.frames import FrameReader, framed
from simulator.wire.noise import Handshake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

END = Node("stream:error", {"code": "503"})
QUIET = 0.03
"""Seconds without a word from the client after which the server ends the stream."""

FIRST = 30.0
"""The same before the first question of one that is sure to ask."""


@dataclass
class Hostile:
    """A server's stanzas for each client that connects.

    `first` and `stanzas` and `frames` (plaintexts that need not be stanzas) are sent in this order,
    `answers` in turn to what is asked, under the asker's id. Then the stream ends; where it is `asked`
    for sure, not before the first question.
    """

    root: bytes = field(default_factory=new_private_key)
    first: Sequence[Node] = (Node("success", {"lid": "90000000000001:1@lid"}),)
    stanzas: Sequence[Node] = ()
    frames: Sequence[bytes] = ()
    answers: Sequence[Node] = ()
    raw: bytes | None = None
    asked: bool = False
    answered: int = 0

    def __post_init__(self) -> None:
        self.identity = issue(self.root, new_private_key())
        self.root_key = public_key(self.root).hex()
        self.url = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        async with serve(
            self._serve, "127.0.0.1", 0, compression=None, ping_interval=None, close_timeout=0.2
        ) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            yield f"ws://127.0.0.1:{port}/ws/chat"

    async def _serve(self, websocket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            if self.raw is not None:
                await websocket.send(self.raw)
            reader = FrameReader(websocket)
            handshake = Handshake(self.identity, await reader.header())
            reply, _ = handshake.respond(await reader.frame())
            await websocket.send(framed(reply))
            handshake.finish(await reader.frame())
            transport = handshake.transport()
            for node in (*self.first, *self.stanzas):
                await websocket.send(framed(transport.encrypt(encode(node))))
            for frame in self.frames:
                await websocket.send(framed(transport.encrypt(frame)))
            answers = itertools.cycle(self.answers)
            while True:
                try:
                    awaited = self.asked and not self.answered
                    async with asyncio.timeout(FIRST if awaited else QUIET):
                        asked = decode(transport.decrypt(await reader.frame()))
                except TimeoutError:
                    break
                number = asked.attrs.get("id", "")
                if self.answers and asked.tag in ("iq", "message"):
                    answer = next(answers)
                    attrs = {**answer.attrs, "id": number}
                    attrs["type"] = "error" if attrs.get("type") == "error" else "result"
                    if asked.tag == "message":
                        answer, attrs = Node("ack"), {**attrs, "class": "message"}
                    said = Node(answer.tag, attrs, answer.content)
                    await websocket.send(framed(transport.encrypt(encode(said))))
                    self.answered += 1
            await websocket.send(framed(transport.encrypt(encode(END))))
            await websocket.wait_closed()
