"""Reads the heads of JPEG, PNG, GIF and WebP files for the size of the picture."""

from __future__ import annotations

import struct
from typing import IO, Final

from actors.media.conversion.facts import Facts

MAX_SEGMENTS: Final = 200
"""Segments of a JPEG that are passed before the one with its size."""

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_SIZES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG's frame headers, which have its size."""


def facts_of(file: IO[bytes]) -> Facts | None:
    """The size of a picture; None of another file. Raises struct.error, IndexError."""
    start = file.read(32)
    if start.startswith(_PNG):
        return Facts(True, None, *struct.unpack_from(">II", start, 16))
    if start.startswith((b"GIF87a", b"GIF89a")):
        return Facts(True, None, *struct.unpack_from("<HH", start, 6))
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return _webp(start)
    return _jpeg(file) if start.startswith(_JPEG) else None


def _webp(start: bytes) -> Facts | None:
    kind = start[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", start, 26)
        return Facts(True, None, width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", start, 21)
        return Facts(True, None, (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8X":
        width = int.from_bytes(start[24:27], "little") + 1
        return Facts(True, None, width, int.from_bytes(start[27:30], "little") + 1)
    return None


def _jpeg(file: IO[bytes]) -> Facts | None:
    file.seek(len(_JPEG))
    for _ in range(MAX_SEGMENTS):
        mark, marker, length = struct.unpack(">BBH", file.read(4))
        if mark != 0xFF:
            return None
        if marker in _SIZES:
            height, width = struct.unpack(">xHH", file.read(5))
            return Facts(True, None, width, height)
        file.seek(length - 2, 1)
    return None
