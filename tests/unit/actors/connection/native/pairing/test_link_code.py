"""Stanzas of a link by code, against a phone that is written apart."""

from __future__ import annotations

import os

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from actors.connection.native.pairing import link_code
from actors.connection.native.pairing.link_code import ALPHABET, OpenCode, UnusableCode
from actors.connection.native.pairing.qr_pairing import Keys, PairingRefused, prove
from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.protocol.wire_format.codec import decode, encode
from actors.connection.protocol.wire_format.nodes import Node
from tests.unit.actors.connection.native.code_phone import REF, CodePhone, notification, part

PHONE = "15550100001@s.whatsapp.net"
IDENTITY_PRIVATE, IDENTITY = new_key_pair()
KEYS = Keys(new_key_pair()[1], IDENTITY, IDENTITY_PRIVATE, os.urandom(32))


def opened(code: str = "ABCD2345") -> tuple[OpenCode, Node]:
    """A code that is open, and the request that opened it, as the server reads that."""
    private, public = new_key_pair()
    one = OpenCode(code, PHONE, private, REF)
    request = link_code.hello(one, link_code.wrap(code, public), KEYS.noise_public)
    return one, decode(encode(request))


def test_codes_are_of_the_alphabet_and_of_all_bits() -> None:
    assert link_code.new_code(lambda size: bytes.fromhex("00443214c7")[:size]) == "12345678"
    assert link_code.new_code(lambda size: b"\xff" * size) == "Z" * 8
    fives = [int("".join(f"{n + first:05b}" for n in range(8)), 2) for first in (0, 8, 16, 24)]
    written = []
    for five in fives:

        def draw(size: int, five: int = five) -> bytes:
            return five.to_bytes(size, "big")

        written.append(link_code.new_code(draw))
    assert "".join(written) == "123456789ABCDEFGHJKLMNPQRSTVWXYZ" == ALPHABET
    codes = {link_code.new_code() for _ in range(500)}
    assert len(codes) == 500
    assert {len(code) for code in codes} == {8}
    assert set("".join(codes)) == set(ALPHABET)
    assert not set("0IOU") & set(ALPHABET)
    assert link_code.shown("ABCD2345") == "ABCD-2345"


def test_a_key_is_wrapped_as_openssl_wraps_it() -> None:
    """By `openssl kdf … PBKDF2` of 131072 rounds and `openssl enc -aes-256-ctr`."""
    fixed = {32: bytes(range(32)), 16: bytes(range(32, 48))}
    key = bytes(range(64, 96))
    wrapped = link_code.wrap("12345678", key, fixed.__getitem__)
    assert wrapped[:48] == bytes(range(48))
    assert wrapped[48:].hex() == "8b377c5e6ffebc60029dc7adf162aac3e6ce84e5bb3626cc322ab1d4124834ad"
    assert link_code.unwrap("12345678", wrapped) == key
    assert link_code.unwrap("12345679", wrapped) != key


def test_the_first_request_is_what_whatsapp_takes() -> None:
    _, request = opened()
    assert {name: request.attrs[name] for name in ("type", "xmlns", "to")} == {
        "type": "set",
        "xmlns": "md",
        "to": "@s.whatsapp.net",
    }
    about = request.child("link_code_companion_reg")
    assert about is not None
    assert about.attrs == {
        "jid": PHONE,
        "stage": "companion_hello",
        "should_show_push_notification": "true",
    }
    assert [one.tag for one in about.children()] == [
        "link_code_pairing_wrapped_companion_ephemeral_pub",
        "companion_server_auth_key_pub",
        "companion_platform_id",
        "companion_platform_display",
        "link_code_pairing_nonce",
    ]
    assert part(request, "companion_server_auth_key_pub") == KEYS.noise_public
    assert part(request, "companion_platform_id") == b"1"
    assert part(request, "companion_platform_display") == b"Chrome (Linux)"
    assert part(request, "link_code_pairing_nonce") == b"\0"
    assert len(part(request, "link_code_pairing_wrapped_companion_ephemeral_pub")) == 80


def test_both_sides_have_one_secret_and_it_proves_the_pairing() -> None:
    one, request = opened()
    phone = CodePhone("ABCD-2345", request)
    finish = link_code.finish(one, KEYS, phone.hello())
    about = finish.request.child("link_code_companion_reg")
    assert about is not None
    assert about.attrs == {"jid": PHONE, "stage": "companion_finish"}
    assert part(finish.request, "link_code_pairing_ref") == REF
    assert phone.finish(finish.request) == IDENTITY
    assert phone.adv_secret == finish.adv_secret
    keys = Keys(*KEYS_WITHOUT_LINK, link_secret=finish.adv_secret)
    assert str(prove(phone.success(IDENTITY), keys).device) == "15550100001:4@s.whatsapp.net"
    # A QR that is still shown proves it as well; a secret that nobody has does not.
    assert prove(phone.success(IDENTITY, KEYS.adv_secret), keys)
    with pytest.raises(PairingRefused):
        prove(phone.success(IDENTITY, os.urandom(32)), keys)
    with pytest.raises(PairingRefused):
        prove(phone.success(IDENTITY), KEYS)


KEYS_WITHOUT_LINK = (KEYS.noise_public, IDENTITY, IDENTITY_PRIVATE, KEYS.adv_secret)


def test_a_wrong_code_ends_on_the_phone() -> None:
    one, request = opened()
    phone = CodePhone("ABCD-2346", request)
    finish = link_code.finish(one, KEYS, phone.hello())
    with pytest.raises(InvalidTag):
        phone.finish(finish.request)


def test_each_answer_is_under_a_secret_of_its_own() -> None:
    one, request = opened()
    told = CodePhone("ABCD-2345", request).hello()
    first, second = (link_code.finish(one, KEYS, told) for _ in range(2))
    assert first.adv_secret != second.adv_secret
    tag = "link_code_pairing_wrapped_key_bundle"
    assert part(first.request, tag)[:44] != part(second.request, tag)[:44]


def hello_with(wrapped: bytes, identity: bytes) -> Node:
    return notification(
        "primary_hello",
        Node("link_code_pairing_wrapped_primary_ephemeral_pub", {}, wrapped),
        Node("primary_identity_pub", {}, identity),
        Node("link_code_pairing_ref", {}, REF),
    )


GOOD = X25519PrivateKey.generate().public_key().public_bytes_raw()


@pytest.mark.parametrize(
    "stanza",
    [
        pytest.param(Node("notification"), id="empty"),
        pytest.param(hello_with(b"", GOOD), id="no key"),
        pytest.param(hello_with(bytes(79), GOOD), id="too short"),
        pytest.param(hello_with(bytes(81), GOOD), id="too long"),
        pytest.param(hello_with(bytes(80), b""), id="no identity"),
        pytest.param(hello_with(bytes(80), bytes(32)), id="an identity that agrees on nothing"),
        pytest.param(
            hello_with(link_code.wrap("ABCD2345", bytes(32)), GOOD), id="a key of low order"
        ),
    ],
)
def test_what_cannot_be_used_is_refused(stanza: Node) -> None:
    one, _ = opened()
    with pytest.raises(UnusableCode):
        link_code.finish(one, KEYS, stanza)


def test_an_identity_may_come_with_its_type() -> None:
    one, _ = opened()
    told = hello_with(link_code.wrap("ABCD2345", GOOD), b"\x05" + GOOD)
    assert link_code.finish(one, KEYS, told)


def test_no_secret_is_in_a_log() -> None:
    one, request = opened()
    finish = link_code.finish(one, KEYS, CodePhone("ABCD-2345", request).hello())
    assert "ABCD" not in repr(one)
    assert str(one.private) not in repr(one)
    assert str(finish.adv_secret) not in repr(finish)
