"""G10: what is in the bucket tells nothing, and nothing of it can be changed unnoticed."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.connection.backup import backup_format
from actors.connection.backup.backup_format import (
    SEALED_CHUNK_BYTES,
    Header,
    Tampered,
    peek,
    rewrap,
    seal,
    unseal,
)
from actors.connection.backup.keyring import WRAPPED_BYTES, Keyring, WrongKey
from actors.redis.leases.lease_record import Position

OLD, NEW = "11" * 32, "22" * 32
KEYS = Keyring.of(OLD)
HEADER = Header("shop", 3, 41, 1_800_000_000.5)
LONG = os.urandom(SEALED_CHUNK_BYTES * 3 + 17)  # does not compress: several chunks


def sealed(session: bytes, keyring: Keyring = KEYS, header: Header = HEADER) -> bytes:
    return b"".join(seal(io.BytesIO(session), header, keyring))


def opened(backup: bytes, keyring: Keyring = KEYS) -> tuple[Header, bytes]:
    out = io.BytesIO()
    header = unseal(io.BytesIO(backup), keyring, out)
    return header, out.getvalue()


SHORT = sealed(b"a session with a secret in it" * 20)
WHOLE = sealed(LONG)


@given(st.binary(max_size=300_000))
@settings(max_examples=60, deadline=None)
def test_what_was_sealed_comes_back(session: bytes) -> None:
    header, content = opened(sealed(session))
    assert content == session
    assert header == replace(HEADER, key_id=KEYS.newest)
    assert header.belongs("shop", Position(3, 41))
    assert not header.belongs("shop", Position(3, 42))
    assert not header.belongs("other", Position(3, 41))


def test_nothing_of_it_is_in_clear() -> None:
    assert b"secret" not in SHORT
    assert sealed(b"a session with a secret in it" * 20) != SHORT
    assert len(sealed(bytes(10_000_000))) < 20_000


@pytest.mark.parametrize("backup", [SHORT, WHOLE], ids=["one chunk", "several chunks"])
@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_a_flipped_bit_anywhere_is_refused(backup: bytes, data: Any) -> None:
    bit = data.draw(st.integers(0, len(backup) * 8 - 1))
    changed = bytearray(backup)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises((Tampered, WrongKey)):
        opened(bytes(changed))


def test_each_bit_of_the_head_counts() -> None:
    """All of it, one by one: what stands in clear is authenticated as well."""
    for bit in range(len(_head(SHORT)) * 8):
        changed = bytearray(SHORT)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((Tampered, WrongKey)):
            opened(bytes(changed))


@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=80))
@settings(max_examples=200, deadline=None)
def test_what_is_cut_off_or_goes_on_is_refused(end: int, more: bytes) -> None:
    with pytest.raises(Tampered):
        opened(WHOLE[:end])
    with pytest.raises(Tampered):
        opened(WHOLE + more + b"\0")


def test_a_cut_anywhere_in_the_head_is_refused() -> None:
    for end in range(len(_head(SHORT))):
        with pytest.raises(Tampered):
            opened(SHORT[:end])
        with pytest.raises(Tampered):
            rewrap(SHORT[:end], KEYS)


def test_chunks_that_changed_places_or_backups_are_refused() -> None:
    size = SEALED_CHUNK_BYTES + backup_format.TAG_BYTES
    start = len(WHOLE) - (len(WHOLE) - len(_head(WHOLE))) % size - 3 * size
    first, second = WHOLE[start : start + size], WHOLE[start + size : start + 2 * size]
    with pytest.raises(Tampered):
        opened(WHOLE[:start] + second + first + WHOLE[start + 2 * size :])
    with pytest.raises(Tampered):
        opened(_head(SHORT) + WHOLE[len(_head(WHOLE)) :])


@pytest.mark.parametrize("field", ["connection", "epoch", "commit", "at"])
def test_what_it_is_of_cannot_be_changed(field: str) -> None:
    other = {"connection": "shoe", "epoch": 9, "commit": 99, "at": 1_800_000_000.7}[field]
    plain = backup_format._dump(replace(HEADER, key_id=KEYS.newest))
    forged = backup_format._dump(replace(HEADER, key_id=KEYS.newest, **{field: other}))  # type: ignore[arg-type]
    changed = SHORT.replace(
        len(plain).to_bytes(2, "big") + plain, len(forged).to_bytes(2, "big") + forged
    )
    assert getattr(peek(io.BytesIO(changed)), field) == other
    with pytest.raises(Tampered):
        opened(changed)


def test_the_wrong_key_is_refused_with_a_sentence() -> None:
    with pytest.raises(WrongKey, match=r"encrypted with the key [0-9a-f]{16}, which is none"):
        opened(SHORT, Keyring.of(NEW))


def test_the_newest_key_encrypts_and_all_decrypt() -> None:
    both = Keyring.of(f"{NEW},{OLD}")
    assert opened(SHORT, both)[1] == opened(SHORT)[1]
    assert peek(io.BytesIO(sealed(b"x", both))).key_id == Keyring.of(NEW).newest


def test_a_backup_is_wrapped_anew_and_stays_the_same() -> None:
    both = Keyring.of(f"{NEW},{OLD}")
    renewed = rewrap(WHOLE, both)
    header, content = opened(renewed, Keyring.of(NEW))
    assert content == LONG
    assert header == replace(HEADER, key_id=Keyring.of(NEW).newest)
    with pytest.raises(WrongKey):
        opened(renewed, KEYS)
    with pytest.raises(Tampered):
        rewrap(_flipped(WHOLE, len(_head(WHOLE)) - 1), both)


@pytest.mark.parametrize("junk", [b"", b"TMOVAULT", b"SQLite format 3\0" * 40, bytes(500)])
def test_what_is_no_backup_is_refused(junk: bytes) -> None:
    with pytest.raises(Tampered, match="no backup"):
        opened(junk)


def test_a_newer_format_is_refused() -> None:
    with pytest.raises(Tampered, match="version that this release does not know"):
        opened(SHORT[:8] + b"\x02" + SHORT[9:])


def _head(backup: bytes) -> bytes:
    size = int.from_bytes(backup[9:11], "big")
    return backup[: 11 + size + WRAPPED_BYTES]


def _flipped(backup: bytes, index: int) -> bytes:
    return backup[:index] + bytes([backup[index] ^ 1]) + backup[index + 1 :]
