"""Reads the boxes of MP4 files (ISO/IEC 14496-12) for their codecs, length and size."""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from actors.media.conversion.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BOXES: Final = 1000
MAX_INDEX_BYTES: Final = 8 * 2**20
"""Boxes of a file, and bytes of its index, that are read at most."""

LARGEST_BOX: Final = 2**48
"""Bytes of a box at most: no file has more, and none of `MAX_BOXES` leads beyond what a place in a file can be."""

_QUICKTIME: Final = b"qt  "
_PLAYED_PROFILES: Final = frozenset({66, 77, 88, 100})
"""Profiles of H.264 with 8 bits and 4:2:0: Baseline, Main, Extended, High."""

_AAC: Final = frozenset({0x40, 0x66, 0x67, 0x68})
_VISUAL, _SOUND = 78, 20
"""Bytes of a sample entry before its own boxes, those of `mp4a` after its 8 first."""


class _Track(NamedTuple):
    kind: bytes
    plays: bool
    width: int = 0
    height: int = 0


def facts_of(file: IO[bytes]) -> Facts | None:
    """The facts of a file that begins as MP4 and has an index; None of any other. Raises struct.error, IndexError."""
    brand: bytes | None = None
    for _ in range(MAX_BOXES):
        start = file.read(16)
        if len(start) < 8:
            return None
        size, name = struct.unpack_from(">I4s", start)
        header = 8
        if size == 1:
            (size,), header = struct.unpack_from(">Q", start, 8), 16
        if brand is None and name != b"ftyp":
            return None
        if name == b"moov":
            length = size - header if size else MAX_INDEX_BYTES
            if not 0 < length <= MAX_INDEX_BYTES:
                return None
            file.seek(header - len(start), 1)
            return _facts(file.read(length), brand or b"")
        if name == b"ftyp":
            brand = start[8:12]
        if not header <= size <= LARGEST_BOX:  # 0: it goes on to the end
            return None
        file.seek(size - len(start), 1)
    return None


def _facts(index: bytes, brand: bytes) -> Facts | None:
    tracks, seconds, plays = [], None, brand != _QUICKTIME
    for name, body in _boxes(index):
        if name == b"mvhd":
            seconds = _seconds(body)
        elif name == b"mvex":  # in pieces, each with an index of its own
            plays = False
        elif name == b"trak":
            tracks.append(_track(body))
    films = [each for each in tracks if each.kind == b"vide"]
    media = [each for each in tracks if each.kind in {b"vide", b"soun"}]
    plays = plays and bool(films) and all(each.plays for each in media)
    if not films:
        return Facts(plays, seconds)
    return Facts(plays, seconds, films[0].width or None, films[0].height or None)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size < 8:
            return
        yield name, data[at + 8 : at + size]
        at += size


def _seconds(header: bytes) -> int | None:
    form, at = (">IQ", 20) if header[0] else (">II", 12)
    scale, length = struct.unpack_from(form, header, at)
    return max(1, round(length / scale)) if scale and length else None


def _track(data: bytes) -> _Track:
    boxes = dict(_boxes(data))
    media = dict(_boxes(boxes.get(b"mdia", b"")))
    tables = dict(_boxes(dict(_boxes(media.get(b"minf", b""))).get(b"stbl", b"")))
    kind = media.get(b"hdlr", b"")[8:12]
    name, entry = next(_boxes(tables.get(b"stsd", b"")[8:]), (b"", b""))
    if kind == b"vide":
        width, height = struct.unpack_from(">HH", entry, 24)
        if _is_turned(boxes.get(b"tkhd", b"")):
            width, height = height, width
        config = dict(_boxes(entry[_VISUAL:])).get(b"avcC", b"\0\0")
        return _Track(kind, name == b"avc1" and config[1] in _PLAYED_PROFILES, width, height)
    if kind == b"soun":
        described = dict(_boxes(entry[8 + _SOUND :])).get(b"esds", b"")
        return _Track(kind, name == b"mp4a" and _object_type(described) in _AAC)
    return _Track(kind, plays=True)


def _is_turned(header: bytes) -> bool:
    """Whether a track is shown turned by a quarter, by the matrix of its header."""
    down, _, across, _ = struct.unpack_from(">iiii", header, (52 if header[0] else 40) + 4)
    return down != 0 and across != 0


def _object_type(described: bytes) -> int:
    """The number of the codec in an `esds` box (ISO/IEC 14496-1); 0 where it names none."""
    at = _skipped(described, 4, 0x03)
    flags = described[at + 2]
    at += 3 + (2 if flags & 0x80 else 0) + (2 if flags & 0x20 else 0)
    if flags & 0x40:
        at += 1 + described[at]
    return described[_skipped(described, at, 0x04)]


def _skipped(described: bytes, at: int, tag: int) -> int:
    """The place behind the tag and the length of a descriptor. Raises IndexError for another tag."""
    if described[at] != tag:
        raise IndexError
    at += 1
    while described[at] & 0x80:
        at += 1
    return at + 1
