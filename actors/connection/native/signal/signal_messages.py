"""Encodes and strictly decodes libsignal's version 3 messages (``msg`` and ``pkmsg``).

Both are a version byte (0x33) and a protobuf; a ``msg`` ends with 8 bytes of MAC. Reading is
strict: a wrong version, truncation, a repeated field, a varint that is longer than it need be or a
key that is no Curve25519 key is `MalformedSignalMessage`. Some fields that are not known are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from actors.connection.native.signal.signatures import KEY_TYPE

VERSION = 0x33
MESSAGE_MAC_BYTES = 8
MAX_FIELDS = 32
"""Fields of a message at most: libsignal's have seven. Of a megabyte of the smallest each would take a third of a second."""

Bytes: TypeAlias = "bytes | memoryview"
Fields: TypeAlias = "dict[int, int | memoryview]"

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_UINT32 = 0xFFFF_FFFF


class MalformedSignalMessage(ValueError):  # noqa: N818 - reads as what it is
    """These bytes are no such message."""


@dataclass(frozen=True, slots=True)
class SignalMessage:
    """One ``msg``. `raw` is all of it, MAC included; `ratchet_key` is 32 bytes, and `ciphertext` a part of `raw`."""

    ratchet_key: bytes
    counter: int
    previous_counter: int
    ciphertext: Bytes
    raw: Bytes

    @classmethod
    def decode(cls, raw: Bytes) -> SignalMessage:
        """Raises `MalformedSignalMessage`. The MAC is not checked here: that takes the ratchet's key."""
        # Bytes too few for a MAC leave no body, in which fields are then missing.
        found = fields(versioned(raw)[:-MESSAGE_MAC_BYTES], numbers={2, 3}, blobs={1, 4})
        return cls(
            curve_key(blob(found, 1)),
            number(found, 2),
            number(found, 3, default=0),
            view(found, 4),
            raw,
        )


def header(ratchet_key: bytes, counter: int, previous_counter: int) -> bytes:
    """The part of a ``msg``'s protobuf that the ratchet determines."""
    return (
        blob_field(1, KEY_TYPE + ratchet_key)
        + number_field(2, counter)
        + number_field(3, previous_counter)
    )


def unsigned_message(header_: bytes, ciphertext: Bytes) -> bytes:
    """A ``msg`` without its MAC, which is over these bytes."""
    return bytes([VERSION]) + header_ + blob_field(4, ciphertext)


@dataclass(frozen=True, slots=True)
class PrekeyMessage:
    """One ``pkmsg``: a ``msg`` with what its recipient needs to set the session up."""

    registration_id: int
    prekey_id: int | None
    signed_prekey_id: int
    base_key: bytes
    identity_key: bytes
    message: Bytes

    def encode(self) -> bytes:
        """The bytes of libsignal's PreKeySignalMessage, with the version before it."""
        prekey = b"" if self.prekey_id is None else number_field(1, self.prekey_id)
        return (
            bytes([VERSION])
            + prekey
            + blob_field(2, KEY_TYPE + self.base_key)
            + blob_field(3, KEY_TYPE + self.identity_key)
            + blob_field(4, self.message)
            + number_field(5, self.registration_id)
            + number_field(6, self.signed_prekey_id)
        )

    @classmethod
    def decode(cls, raw: bytes) -> PrekeyMessage:
        """Raises `MalformedSignalMessage`. The message inside is not decoded."""
        found = fields(versioned(raw), numbers={1, 5, 6}, blobs={2, 3, 4})
        return cls(
            registration_id=number(found, 5, default=0),
            prekey_id=number(found, 1) if 1 in found else None,
            signed_prekey_id=number(found, 6),
            base_key=curve_key(blob(found, 2)),
            identity_key=curve_key(blob(found, 3)),
            message=view(found, 4),
        )


def versioned(raw: Bytes) -> memoryview:
    """The bytes after the version byte, not copied. Raises `MalformedSignalMessage`, as all of these."""
    if not raw or raw[0] != VERSION:
        raise MalformedSignalMessage("not version 3")
    return memoryview(raw)[1:]


def fields(data: memoryview, *, numbers: set[int], blobs: set[int]) -> Fields:
    """The protobuf's fields of these numbers, each of which may be there once; those of bytes are parts of `data`."""
    found: Fields = {}
    position = count = 0
    while position < len(data):
        count += 1
        if count > MAX_FIELDS:
            raise MalformedSignalMessage("too many fields")
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        value, position = _value(data, position, kind)
        if number == 0:
            raise MalformedSignalMessage("field 0")
        if number not in numbers | blobs:
            continue
        if number in found:
            raise MalformedSignalMessage("a field twice")
        if kind != (_VARINT if number in numbers else _BYTES):
            raise MalformedSignalMessage("a field of the wrong type")
        found[number] = value
    return found


def _value(data: memoryview, position: int, kind: int) -> tuple[int | memoryview, int]:
    """The value of a field of this wire type, and the position after it."""
    if kind == _VARINT:
        return _varint(data, position)
    if kind == _BYTES:
        size, position = _varint(data, position)
    elif kind in (_FIXED64, _FIXED32):
        size = 8 if kind == _FIXED64 else 4
    else:
        raise MalformedSignalMessage("a wire type that is not in use")
    if size > len(data) - position:
        raise MalformedSignalMessage("cut short")
    return data[position : position + size], position + size


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for index in range(10):
        if position + index >= len(data):
            raise MalformedSignalMessage("cut short")
        byte = data[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if value >> 64 or (byte == 0 and index > 0):
                raise MalformedSignalMessage("an overlong number")
            return value, position + index + 1
    raise MalformedSignalMessage("an overlong number")


def number(found: Fields, field: int, *, default: int | None = None) -> int:
    """A field of 32 bits."""
    value = found.get(field, default)
    if not isinstance(value, int) or value > _MAX_UINT32:
        raise MalformedSignalMessage("a number is missing or too large")
    return value


def view(found: Fields, field: int) -> memoryview:
    """A field of bytes, as the part of the message that it is."""
    value = found.get(field)
    if not isinstance(value, memoryview):
        raise MalformedSignalMessage("a field is missing")
    return value


def blob(found: Fields, field: int) -> bytes:
    """A field of bytes, copied."""
    return bytes(view(found, field))


def curve_key(value: bytes) -> bytes:
    """The 32 bytes of a Curve25519 key that comes with its type."""
    # X25519 ignores the highest bit: with it set, a used first message would pass for another one.
    if len(value) != 33 or value[:1] != KEY_TYPE or value[32] & 0x80:
        raise MalformedSignalMessage("not a Curve25519 key")
    return value[1:]


def _encode_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number_field(field: int, value: int) -> bytes:
    """A field as it is written."""
    return _encode_varint(field << 3 | _VARINT) + _encode_varint(value)


def blob_field(field: int, value: Bytes) -> bytes:
    """A field as it is written."""
    return _encode_varint(field << 3 | _BYTES) + _encode_varint(len(value)) + value
