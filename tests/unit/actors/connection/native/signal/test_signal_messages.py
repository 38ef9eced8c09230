"""The bytes of ``msg`` and ``pkmsg``: strict reading, whatever comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connection.native.signal.signal_messages import (
    MAX_FIELDS,
    MalformedSignalMessage,
    PrekeyMessage,
    SignalMessage,
    header,
    unsigned_message,
)

KEY = bytes(range(32))
MESSAGE = unsigned_message(header(KEY, 300, 7), b"c" * 16) + b"8 bytes!"
FIRST = PrekeyMessage(4711, 9, 1, KEY, KEY[::-1], MESSAGE)

keys = st.binary(min_size=32, max_size=32).map(lambda key: key[:31] + bytes([key[31] & 0x7F]))
numbers = st.integers(0, 2**32 - 1)


@given(keys, numbers, numbers, st.binary(max_size=99), st.binary(min_size=8, max_size=8))
def test_a_message_is_read_as_it_was_written(
    key: bytes, counter: int, previous: int, ciphertext: bytes, mac: bytes
) -> None:
    raw = unsigned_message(header(key, counter, previous), ciphertext) + mac
    assert SignalMessage.decode(raw) == SignalMessage(key, counter, previous, ciphertext, raw)


@given(st.builds(PrekeyMessage, numbers, st.none() | numbers, numbers, keys, keys, st.binary()))
def test_a_first_message_is_read_as_it_was_written(first: PrekeyMessage) -> None:
    assert PrekeyMessage.decode(first.encode()) == first


def test_the_bytes_are_libsignals() -> None:
    assert MESSAGE.hex() == (
        "330a2105" + KEY.hex() + "10ac0218072210" + (b"c" * 16 + b"8 bytes!").hex()
    )
    assert FIRST.encode().hex().startswith("330809122105" + KEY.hex() + "1a2105")
    assert FIRST.encode().hex().endswith("28e7243001")


def body(*fields: str) -> bytes:
    return bytes.fromhex("33" + "".join(fields)) + b"8 bytes!"


RATCHET_KEY = "0a2105" + KEY.hex()
COUNTER = "1001"
CIPHERTEXT = "220163"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x33", id="only a version"),
        pytest.param(b"\x33" + b"8 bytes!", id="only a MAC"),
        pytest.param(b"\x44" + MESSAGE[1:], id="version 4"),
        pytest.param(b"\x32" + MESSAGE[1:], id="version 3 of 2"),
        pytest.param(b"\x23" + MESSAGE[1:], id="version 2"),
        pytest.param(body(RATCHET_KEY, COUNTER, CIPHERTEXT, "3000" * MAX_FIELDS), id="many fields"),
        pytest.param(body(COUNTER, CIPHERTEXT), id="no ratchet key"),
        pytest.param(body(RATCHET_KEY, CIPHERTEXT), id="no counter"),
        pytest.param(body(RATCHET_KEY, COUNTER), id="no ciphertext"),
        pytest.param(body(RATCHET_KEY, COUNTER, COUNTER, CIPHERTEXT), id="a field twice"),
        pytest.param(body(RATCHET_KEY, "108100", CIPHERTEXT), id="overlong by a zero"),
        pytest.param(body(RATCHET_KEY, "10" + "ff" * 9 + "02", CIPHERTEXT), id="65 bits"),
        pytest.param(body(RATCHET_KEY, "10" + "80" * 10 + "01", CIPHERTEXT), id="11 bytes"),
        pytest.param(body(RATCHET_KEY, "108080808010", CIPHERTEXT), id="counter of 33 bits"),
        pytest.param(body("0a2106" + KEY.hex(), COUNTER, CIPHERTEXT), id="another type of key"),
        pytest.param(body("0a2105" + "ff" * 32, COUNTER, CIPHERTEXT), id="a key of 256 bits"),
        pytest.param(body("0a20" + KEY.hex(), COUNTER, CIPHERTEXT), id="a key without type"),
        pytest.param(body(RATCHET_KEY, "120101", CIPHERTEXT), id="a number as bytes"),
        pytest.param(body(RATCHET_KEY, COUNTER, "2063"), id="bytes as a number"),
        pytest.param(body(RATCHET_KEY, COUNTER, CIPHERTEXT, "2b"), id="a group"),
        pytest.param(body(RATCHET_KEY, COUNTER, CIPHERTEXT, "0001"), id="field 0"),
        pytest.param(body(RATCHET_KEY, COUNTER, "22ff7f63"), id="longer than it is"),
    ],
)
def test_what_is_malformed_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedSignalMessage):
        SignalMessage.decode(raw)


def test_unknown_fields_are_passed_over() -> None:
    unknown = "2a0161" + "3001" + "39" + "00" * 8 + "45" + "00" * 4
    read = SignalMessage.decode(body(RATCHET_KEY, COUNTER, CIPHERTEXT, unknown))
    assert (read.counter, read.previous_counter, read.ciphertext) == (1, 0, b"c")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for kind in (SignalMessage, PrekeyMessage):
        for start in (b"", b"\x33"):
            try:
                kind.decode(start + raw)
            except MalformedSignalMessage:
                continue


@given(st.data())
def test_a_cut_is_refused(data: st.DataObject) -> None:
    raw = FIRST.encode()
    with pytest.raises(MalformedSignalMessage):
        PrekeyMessage.decode(raw[: data.draw(st.integers(0, len(raw) - 1))])
