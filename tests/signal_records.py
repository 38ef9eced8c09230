"""Reads the keys of Signal sessions and sender keys from the records that the whatsmeow program stores.

Written from the format (`actors/connection/whatsmeow/bridge/records`), apart from the program's own decoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

FORM: Final = 1
"""The first byte of a record: the version of its form."""


@dataclass(frozen=True, slots=True)
class Number:
    """A uvarint; a flag is one as well."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes behind their length, which is a uvarint and one more than it is; 0 stands for none."""


@dataclass(frozen=True, slots=True)
class One:
    """A flag, and where it is set a structure."""

    fields: Fields


@dataclass(frozen=True, slots=True)
class Many:
    """The number of entries, counted as of a blob, and each entry as `One`."""

    fields: Fields


Fields = tuple[Number | Blob | One | Many, ...]

_NUMBER, _BLOB = Number(), Blob()

_CHAIN: Final[Fields] = (
    *(_BLOB, _BLOB),  # public and private ratchet key
    One((_BLOB, _NUMBER)),  # chain key
    Many((_BLOB, _BLOB, _BLOB, _NUMBER)),  # message keys: cipher, MAC, IV
)
_SESSION: Final[Fields] = (
    _NUMBER,
    _BLOB,  # own identity
    *(_NUMBER, _NUMBER),
    One((_NUMBER, *(_BLOB,) * 6)),  # pending key exchange: base, ratchet and identity key pairs
    One((One((_NUMBER, _NUMBER)), _NUMBER, _BLOB)),  # pending prekey: base key
    _NUMBER,
    Many(_CHAIN),  # receiving
    _BLOB,  # the peer's identity
    _NUMBER,
    *(_BLOB, _BLOB),  # root key, base key
    One(_CHAIN),  # sending
)
_SENDER_KEY: Final[Fields] = (
    _NUMBER,
    Many((_NUMBER, _BLOB, _BLOB, _BLOB)),  # message keys: IV, cipher, seed
    One((_NUMBER, _BLOB)),  # chain key
    *(_BLOB, _BLOB),  # private and public key of signatures
)

SESSIONS: Final[Fields] = (One(_SESSION), Many(_SESSION))
SENDER_KEYS: Final[Fields] = (Many(_SENDER_KEY),)

COLUMNS: Final = {
    ("whatsmeow_sessions", "session"): SESSIONS,
    ("whatsmeow_sender_keys", "sender_key"): SENDER_KEYS,
}
"""Columns of whatsmeow.db that have records, by table and name."""


def keys(record: bytes, fields: Fields) -> list[bytes]:
    """Returns all bytes that a record has. AssertionError for one of another form or of other fields."""
    assert record[:1] == bytes((FORM,)), f"a record of the form {record[:1].hex() or 'none'}"
    reader = _Reader(record)
    found = list(reader.structure(fields))
    assert reader.at == len(record), f"{len(record) - reader.at} bytes of a record are left"
    return found


class _Reader:
    def __init__(self, record: bytes) -> None:
        self._record = record
        self.at = 1

    def structure(self, fields: Fields) -> Iterator[bytes]:
        for field in fields:
            match field:
                case Number():
                    self._number()
                case Blob():
                    yield self._blob()
                case One(inner):
                    yield from self._one(inner)
                case Many(inner):
                    for _ in range(self._number() - 1):
                        yield from self._one(inner)

    def _one(self, fields: Fields) -> Iterator[bytes]:
        flag = self._number()
        assert flag in (0, 1), "a flag of a record is neither set nor clear"
        if flag:
            yield from self.structure(fields)

    def _blob(self) -> bytes:
        return self._bytes(max(self._number() - 1, 0))

    def _number(self) -> int:
        number = shift = 0
        while True:
            (byte,) = self._bytes(1)
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    def _bytes(self, count: int) -> bytes:
        found = self._record[self.at : self.at + count]
        assert len(found) == count, "a record ends within a field"
        self.at += count
        return found
