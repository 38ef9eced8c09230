"""Encrypts and decrypts one backup (compressed, in AES-GCM chunks), rejects a changed bit, and rewraps data keys.

``TMOVAULT`` · version (1 byte) · length of the header (2 bytes) · header (JSON) · wrapped data key ·
chunks. Numbers are big-endian. Each backup has a data key of its own, which is wrapped by a master
key. The compressed session is encrypted in chunks of 64 KiB (the last may be shorter), each
with AES-256-GCM under its number, and the last one says that it is: none can be left out, moved or
appended (the STREAM construction).

The header is authenticated twice: with its key id by the wrapping, and without it by each chunk, so
that a data key can be wrapped anew and the rest stays.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.connection.backup.keyring import BACKUP_KEY_BYTES, WRAPPED_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from actors.connection.backup.keyring import Keyring
    from actors.redis.leases.lease_record import Position

MAGIC: Final = b"TMOVAULT"
VERSION: Final = 1
SEALED_CHUNK_BYTES: Final = 65_536
TAG_BYTES: Final = 16

_FIXED: Final = len(MAGIC) + 1 + 2


class Tampered(Exception):
    """The bytes are not the backup that was written: changed, cut off, another one's, or no backup at all."""

    code: Final = "backup_damaged"

    def __init__(self, what: str) -> None:
        super().__init__(f"The backup is not as it was written ({what}).")


@dataclass(frozen=True, slots=True)
class Header:
    """The subject of a backup. `at` is when it was made, in seconds since the epoch."""

    connection: str
    epoch: int
    commit: int
    at: float
    key_id: str = ""

    def belongs(self, connection: str, position: Position) -> bool:
        """Whether it is the copy that its name says."""
        return (self.connection, self.epoch, self.commit) == (connection, *position)

    @property
    def context(self) -> bytes:
        """The data that every chunk is bound to."""
        return _dump(replace(self, key_id=""))


class Sink(Protocol):
    """A target for unsealed bytes."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`; raises OSError."""


def seal(session: BinaryIO, header: Header, keyring: Keyring, *, level: int = 6) -> Iterator[bytes]:
    """The backup of a session, piece by piece; `some` joins them to parts.

    `level` is how hard it is compressed, 0 not at all.
    """
    header = replace(header, key_id=keyring.newest)
    plain = _dump(header)
    data_key = os.urandom(BACKUP_KEY_BYTES)
    yield MAGIC + bytes([VERSION]) + len(plain).to_bytes(2, "big") + plain
    yield keyring.wrap(data_key, plain)
    cipher, context = AESGCM(data_key), header.context
    number = 0
    held = b""
    for piece in _compressed(session, level):
        held += piece
        # The last chunk is marked, so one is always held back.
        while len(held) > SEALED_CHUNK_BYTES:
            chunk, held = held[:SEALED_CHUNK_BYTES], held[SEALED_CHUNK_BYTES:]
            yield cipher.encrypt(_nonce(number, last=False), chunk, context)
            number += 1
    yield cipher.encrypt(_nonce(number, last=True), held, context)


def some(pieces: Iterator[bytes], size: int) -> bytes:
    """The next pieces, until they have so many bytes together; none at the end."""
    part = bytearray()
    for piece in pieces:
        part += piece
        if len(part) >= size:
            break
    return bytes(part)


def peek(sealed: BinaryIO) -> Header:
    """The header of the backup; nothing of it is proven. Raises `Tampered`."""
    return _read_header(sealed)[0]


def unseal(sealed: BinaryIO, keyring: Keyring, session: Sink) -> Header:
    """Write the session that is in the backup; return what it is of, proven.

    Raises `Tampered` or `WrongKey`; the caller throws away the bytes that were written until then.
    """
    header, plain = _read_header(sealed)
    wrapped = sealed.read(WRAPPED_BYTES)
    data_key = keyring.unwrap(header.key_id, wrapped, plain)
    if data_key is None:
        raise Tampered("key")
    cipher, context = AESGCM(data_key), header.context
    inflate, number = zlib.decompressobj(), 0
    chunk = sealed.read(SEALED_CHUNK_BYTES + TAG_BYTES)
    while True:
        following = sealed.read(SEALED_CHUNK_BYTES + TAG_BYTES)
        try:
            piece = cipher.decrypt(_nonce(number, last=not following), chunk, context)
        except (InvalidTag, ValueError):
            raise Tampered("content") from None
        while piece:
            session.write(inflate.decompress(piece, SEALED_CHUNK_BYTES * 16))
            piece = inflate.unconsumed_tail
        if not following:
            break
        chunk, number = following, number + 1
    session.write(inflate.flush())
    if not inflate.eof:
        raise Tampered("length")
    return header


def rewrap(sealed: bytes, keyring: Keyring) -> bytes:
    """The same backup with its data key under the newest master key.

    Raises `Tampered` (of the content nothing is looked at) or `WrongKey`.
    """
    size = int.from_bytes(sealed[_FIXED - 2 : _FIXED], "big")
    header, plain = _parse(sealed[:_FIXED], sealed[_FIXED : _FIXED + size])
    start = _FIXED + size
    data_key = keyring.unwrap(header.key_id, sealed[start : start + WRAPPED_BYTES], plain)
    if data_key is None:
        raise Tampered("key")
    renewed = _dump(replace(header, key_id=keyring.newest))
    return (
        sealed[: _FIXED - 2]
        + len(renewed).to_bytes(2, "big")
        + renewed
        + keyring.wrap(data_key, renewed)
        + sealed[start + WRAPPED_BYTES :]
    )


def _compressed(session: BinaryIO, level: int) -> Iterator[bytes]:
    deflate = zlib.compressobj(level)
    while plaintext := session.read(SEALED_CHUNK_BYTES * 16):
        yield deflate.compress(plaintext)
    yield deflate.flush()


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _dump(header: Header) -> bytes:
    return json.dumps(asdict(header), sort_keys=True, separators=(",", ":")).encode()


def _read_header(sealed: BinaryIO) -> tuple[Header, bytes]:
    fixed = sealed.read(_FIXED)
    return _parse(fixed, sealed.read(int.from_bytes(fixed[-2:], "big")))


def _parse(fixed: bytes, plain: bytes) -> tuple[Header, bytes]:
    if len(fixed) < _FIXED or not fixed.startswith(MAGIC):
        raise Tampered("no backup")
    if fixed[len(MAGIC)] != VERSION:
        raise Tampered("a version that this release does not know")
    try:
        fields = json.loads(plain)
        header = Header(**fields)
        sound = (
            plain == _dump(header)
            and re.fullmatch(r"[0-9a-f]{16}", header.key_id) is not None
            and isinstance(header.connection, str)
            and type(header.epoch) is int
            and type(header.commit) is int
        )
    except (ValueError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise Tampered("header")
    return header, plain
