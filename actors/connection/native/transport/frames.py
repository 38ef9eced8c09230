"""Splits the server's byte stream into frames by three-byte lengths, and prefixes outgoing payloads with the length.

Frames and WebSocket messages need not coincide: one message may hold several frames or a part of
one.
"""

from __future__ import annotations

from typing import Final

MAX_FRAME: Final = 8 * 1024 * 1024
"""Bytes. The length field could say 16 MiB; WhatsApp's frames stay far below this."""


class FrameTooLarge(Exception):  # noqa: N818 - reads as what it is
    """A frame announces more than `MAX_FRAME` bytes."""


class FrameBuffer:
    """Bytes in, whole frames out; never holds more than one frame beyond what was fed."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that `data` completes, in order. Raises `FrameTooLarge`."""
        self._rest += data
        frames = []
        while len(self._rest) >= 3:
            length = int.from_bytes(self._rest[:3], "big")
            if length > MAX_FRAME:
                raise FrameTooLarge
            if len(self._rest) < 3 + length:
                break
            frames.append(bytes(self._rest[3 : 3 + length]))
            del self._rest[: 3 + length]
        return frames


def routing_header(routing: bytes | None) -> bytes:
    """The bytes before the protocol's own header where WhatsApp sent routing information; else nothing.

    It is no part of the handshake: an edge server takes it off.
    """
    return b"ED\x00\x01" + len(routing).to_bytes(3, "big") + routing if routing else b""


def frame(payload: bytes) -> bytes:
    """The payload with its length before it. Raises `FrameTooLarge`."""
    if len(payload) > MAX_FRAME:
        raise FrameTooLarge
    return len(payload).to_bytes(3, "big") + payload
