"""Converts a login's client payload to the shape that a trace shows: which fields exist, and some values.

Read off the bytes as protobuf has them, so that no engine's classes are needed. Field numbers:
whatsmeow, `WAWebProtobufsWa6.proto`, ClientPayload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLAGS: Final = {
    (3,): "passive",
    (5, 1): "platform",
    (5, 10): "release_channel",
    (6, 4): "web_sub_platform",
    (12,): "connect_type",
    (13,): "connect_reason",
    (16,): "connect_attempt_count",
    (20,): "product",
    (23,): "oc",
    (24,): "lc",
    (33,): "pull",
    (41,): "lid_db_migrated",
}
"""Numbers that are shown where they are below `FLAG_LIMIT`."""

FLAG_LIMIT: Final = 10_000

_MESSAGES: Final = {(5,), (6,), (5, 2)}
_VERSION: Final = (5, 2)
_PAIRING: Final = (19,)


def shape(payload: bytes) -> dict[str, Any]:
    """The login's flags, the version that it announces, whether it asks for a pairing, its fields.

    Bytes that are no protobuf give what could be read before them.
    """
    shown: dict[str, Any] = {}
    fields: list[str] = []
    version: dict[int, int] = {}
    for path, value in _fields(payload, ()):
        if path[:-1] == _VERSION:
            version[path[-1]] = min(value or 0, 2**32 - 1)
        elif (name := ".".join(map(str, path))) not in fields and len(fields) < MOST_FIELDS:
            fields.append(name)
        if path in _FLAGS and value is not None and value < FLAG_LIMIT:
            shown[_FLAGS[path]] = value
    if version:
        shown["version"] = ".".join(str(version[number]) for number in sorted(version)[:5])
    shown["pairing"] = ".".join(map(str, _PAIRING)) in fields
    shown["fields"] = fields
    return shown


MOST_FIELDS: Final = 100


def _fields(data: bytes, above: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], int | None]]:
    """Each field's path of numbers, and its value where that is a number (of at most 64 bits)."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        path = (*above, key >> 3)
        if key & 7 == 0:
            value, at = _varint(data, at)
            yield path, value
        elif key & 7 == 2:
            size, at = _varint(data, at)
            yield path, None
            if path in _MESSAGES:
                yield from _fields(data[at : at + size], path)
            at += size
        elif key & 7 in _FIXED:
            yield path, None
            at += _FIXED[key & 7]
        else:
            return


_FIXED = {1: 8, 5: 4}


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, and where the next thing does; 0 where the bytes end."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            return 0, at
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    return value, at
