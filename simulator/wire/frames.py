"""Splits a client's byte stream on the server into frames: one header for each connection, a length before each frame."""

from __future__ import annotations

from typing import Final, Protocol

HEADER_SIZE: Final = 4
_ROUTING_MARK: Final = b"ED"
MAX_FRAME: Final = (1 << 24) - 1
MAX_READ: Final = 4 << 20
"""Bytes of a frame that is accepted: no client sends as much."""


class FrameError(Exception):
    """The byte stream is no WhatsApp connection."""


class Socket(Protocol):
    """The methods of a WebSocket that frames need."""

    async def recv(self) -> str | bytes: ...


class FrameReader:
    """Splits the byte stream of a client into frames, independent of its WebSocket messages."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._buffer = bytearray()

    async def header(self) -> bytes:
        """The four header bytes (`WA`, two version bytes), which are the Noise prologue.

        A client with routing info sends it in front: `ED`, two version bytes, a
        three-byte length, the info. It is no part of the prologue. Raises FrameError on other
        bytes.
        """
        first = await self._take(HEADER_SIZE)
        if first[:2] == _ROUTING_MARK:
            await self._take(int.from_bytes(await self._take(3), "big"))
            first = await self._take(HEADER_SIZE)
        if first[:2] != b"WA":
            raise FrameError("unknown header")
        return first

    async def frame(self) -> bytes:
        """Returns the next frame, without its length."""
        return await self._take(int.from_bytes(await self._take(3), "big"))

    async def _take(self, size: int) -> bytes:
        if size > MAX_READ:
            raise FrameError("frame too large")
        while len(self._buffer) < size:
            message = await self._socket.recv()
            if isinstance(message, str):
                raise FrameError("text message")
            self._buffer += message
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def framed(payload: bytes) -> bytes:
    """Returns the payload with its length in front. Raises FrameError above 16 MiB."""
    if len(payload) > MAX_FRAME:
        raise FrameError("frame too large")
    return len(payload).to_bytes(3, "big") + payload
