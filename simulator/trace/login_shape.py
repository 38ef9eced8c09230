"""Extracts the shape of a login payload for a trace: version, flags and field numbers.

Parsed from the bytes, so that unknown fields count as well. Field numbers: whatsmeow,
`WAWebProtobufsWa6.proto`, ClientPayload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLAGS: Final = {
    "3": "passive",
    "5.1": "platform",
    "5.10": "release_channel",
    "6.4": "web_sub_platform",
    "12": "connect_type",
    "13": "connect_reason",
    "16": "connect_attempt_count",
    "20": "product",
    "23": "oc",
    "24": "lc",
    "33": "pull",
    "41": "lid_db_migrated",
}
"""Numbers that are shown where they are below `_LARGEST`."""
_LARGEST: Final = 10_000
_MOST_FIELDS: Final = 100
_PAIRING: Final = "19"
_VERSION: Final = "5.2"
_OPENED: Final = frozenset({"5", "6", _VERSION})
"""Fields that are messages, and whose fields are listed, too."""
_FIXED: Final = {1: 8, 5: 4}
"""Bytes of a value, by its wire type."""


def shape(payload: bytes) -> dict[str, Any]:
    """Returns the version, whether it is a registration, the flags, and the field numbers.

    Of malformed protobuf: the fields before the error.
    """
    shown: dict[str, Any] = {}
    fields: dict[str, None] = {}
    version: dict[int, int] = {}
    for path, value in _fields(payload, ""):
        above, _, number = path.rpartition(".")
        if above == _VERSION:
            version[int(number)] = min(value or 0, 2**32 - 1)
            continue
        if len(fields) < _MOST_FIELDS:
            fields[path] = None
        if path in _FLAGS and value is not None and value < _LARGEST:
            shown[_FLAGS[path]] = value
    if version:
        shown["version"] = ".".join(str(version[number]) for number in sorted(version)[:5])
    return {**shown, "pairing": _PAIRING in fields, "fields": list(fields)}


def _fields(data: bytes, above: str) -> Iterator[tuple[str, int | None]]:
    """Yields the path of field numbers of each field, and its value if that is a varint."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        path, kind = f"{above}{key >> 3}", key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield path, value
        elif kind == 2:
            size, at = _varint(data, at)
            yield path, None
            if path in _OPENED:
                yield from _fields(data[at : at + size], f"{path}.")
            at += size
        elif kind in _FIXED:
            yield path, None
            at += _FIXED[kind]
        else:
            return


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Returns the varint at `at` and the position after it; 0 where the bytes end."""
    value = shift = 0
    while shift < 70:
        if at >= len(data):
            return 0, at
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return value, at
