from __future__ import annotations

import base64

import pytest

from actors.connection.backup.keyring import Keyring, NotAKey

KEY = bytes(range(32))


def test_hex_and_base64_are_one_key() -> None:
    ring = Keyring.of(KEY.hex())
    wrapped = ring.wrap(b"d" * 32, b"context")
    for text in (KEY.hex().upper(), base64.b64encode(KEY).decode(), f" {KEY.hex()} , {KEY.hex()}"):
        same = Keyring.of(text)
        assert same.ids == ring.ids
        assert same.unwrap(ring.newest, wrapped, b"context") == b"d" * 32
    assert ring.unwrap(ring.newest, wrapped, b"another") is None


def test_the_first_is_the_newest() -> None:
    assert Keyring.of("aa" * 32 + "," + "bb" * 32).newest == Keyring.of("aa" * 32).newest


@pytest.mark.parametrize(
    "text", ["", "secret", "aa" * 31, "zz" * 32, "aa" * 32 + ",", ",".join(["aa" * 32, "short"])]
)
def test_what_is_no_key_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(NotAKey, match="openssl rand -hex 32") as refused:
        Keyring.of(text)
    assert "secret" not in str(refused.value)
    assert "short" not in str(refused.value)


def test_a_keyring_does_not_show_its_keys() -> None:
    assert "cryptography" not in repr(Keyring.of("aa" * 32))
    assert "aa" * 8 not in repr(Keyring.of("aa" * 32))
