"""Reads Ogg files for Opus (RFC 3533, RFC 7845): how many channels, how long."""

from __future__ import annotations

import os
import struct
from typing import IO, Final

from actors.media.conversion.facts import Facts

_PAGE: Final = b"OggS"
_HEAD: Final = b"OpusHead"
_MAX_PAGE_BYTES: Final = 65_307
_RATE: Final = 48_000
"""Positions of Opus count samples of this rate, whatever the sound had."""


def facts_of(file: IO[bytes]) -> Facts | None:
    """The facts of a file that begins as Opus in Ogg; None of any other."""
    start = file.read(512)
    if not start.startswith(_PAGE):
        return None
    head = 27 + start[26]  # a page's segment table is as long as its last byte but one says
    if start[head : head + len(_HEAD)] != _HEAD:
        return None
    channels = start[head + 9]
    (skipped,) = struct.unpack_from("<H", start, head + 10)
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _MAX_PAGE_BYTES))
    end = file.read()
    (position,) = struct.unpack_from("<q", end, end.rindex(_PAGE) + 6) if _PAGE in end else (0,)
    seconds = max(1, round((position - skipped) / _RATE)) if position > 0 else None
    return Facts(channels == 1, seconds)
