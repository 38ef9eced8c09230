"""Encodes and decodes frames of the pipe to the whatsmeow program: JSON header and raw bytes, length-prefixed."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_FRAME_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a frame after its own length."""

_LENGTH: Final = struct.Struct(">I")
_JSON: Final = json.JSONEncoder(separators=(",", ":"))


class MalformedFrame(Exception):
    """The other end wrote what is no frame."""


class Frame(NamedTuple):
    """One frame: its header, and the bytes behind it."""

    header: Mapping[str, Any]
    body: bytes


def encode(header: Mapping[str, Any], body: bytes = b"") -> bytes:
    """The bytes of a frame. Raises `ValueError` where they are more than `MAX_FRAME_BYTES`."""
    encoded = _JSON.encode(header).encode()
    length = _LENGTH.size + len(encoded) + len(body)
    if length > MAX_FRAME_BYTES:
        raise ValueError("frame too large")
    return b"".join((_LENGTH.pack(length), _LENGTH.pack(len(encoded)), encoded, body))


def decode(content: bytes) -> Frame:
    """The frame in what follows its length. Raises `MalformedFrame`."""
    if len(content) < _LENGTH.size:
        raise MalformedFrame("short")
    (length,) = _LENGTH.unpack_from(content)
    end = _LENGTH.size + length
    if end > len(content):
        raise MalformedFrame("header")
    try:
        header = json.loads(content[_LENGTH.size : end])
    except ValueError:
        raise MalformedFrame("json") from None
    if not isinstance(header, dict):
        raise MalformedFrame("json")
    return Frame(header, content[end:])


class Frames:
    """Frames in a stream of bytes that comes in pieces."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def take(self, piece: bytes) -> Iterator[Frame]:
        """The frames that are whole with this piece, in their order. Raises `MalformedFrame`."""
        content: bytes | bytearray = piece
        if self._rest:
            self._rest += piece
            content = self._rest
        at, size = 0, _LENGTH.size
        while len(content) - at >= size:
            (length,) = _LENGTH.unpack_from(content, at)
            if length > MAX_FRAME_BYTES:
                raise MalformedFrame("too large")
            if len(content) - at < size + length:
                break
            begin, at = at + size, at + size + length
            yield decode(bytes(content[begin:at]))
        if content is piece:
            self._rest += piece[at:]
        else:
            del self._rest[:at]
