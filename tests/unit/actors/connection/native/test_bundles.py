from __future__ import annotations

import pytest

from actors.connection.native import bundles
from actors.connection.native.addresses import Address
from actors.connection.native.nodes import Node
from actors.connection.native.signal import new_credentials

OWN = new_credentials()
PREKEY = (0x010203, bytes(range(32)))


def parts(prekey: bool = True) -> list[Node]:
    registration, kind, identity, listing, signed = bundles.upload(OWN, [PREKEY]).children()
    return [registration, kind, identity, *(listing.children() if prekey else ()), signed]


def replaced(tag: str, part: str, value: bytes) -> list[Node]:
    """The parts with the bytes of one key, or of a piece of it, replaced."""
    changed = []
    for node in parts():
        if node.tag != tag:
            changed.append(node)
        elif not part:
            changed.append(Node(tag, {}, value))
        else:
            pieces = [
                Node(one.tag, {}, value if one.tag == part else one.data) for one in node.children()
            ]
            changed.append(Node(tag, {}, pieces))
    return changed


def test_what_is_uploaded_is_what_others_read() -> None:
    bundle = bundles.read(Node("user", {}, parts()))
    assert bundle is not None
    assert bundle.registration_id == OWN.registration_id
    assert (bundle.identity_key, bundle.signed_prekey) == (
        OWN.identity_public,
        OWN.signed_prekey.public,
    )
    assert (bundle.prekey_id, bundle.prekey) == PREKEY


def test_a_bundle_whose_prekeys_are_used_up() -> None:
    bundle = bundles.read(Node("user", {}, parts(prekey=False)))
    assert bundle is not None
    assert (bundle.prekey_id, bundle.prekey) == (None, None)


def test_the_keys_of_a_retry_receipt() -> None:
    registration = Node("registration", {}, OWN.registration_id.to_bytes(4, "big"))
    keys = Node("keys", {}, bundles.for_retry(OWN, PREKEY))
    receipt = Node("receipt", {"type": "retry"}, (Node("retry"), registration, keys))
    assert bundles.read(receipt) == bundles.read(Node("user", {}, parts()))


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(replaced("identity", "", bytes(31)), id="short identity"),
        pytest.param(replaced("skey", "value", b""), id="no signed prekey"),
        pytest.param(replaced("skey", "signature", bytes(63)), id="short signature"),
        pytest.param(replaced("key", "value", bytes(34)), id="long prekey"),
        pytest.param(replaced("key", "id", b"\xff" * 5), id="long prekey id"),
        pytest.param(replaced("skey", "id", b"\xff" * 2000), id="endless signed prekey id"),
        pytest.param(replaced("registration", "", b"\xff" * 2000), id="endless registration"),
        pytest.param([Node("error", {"code": "404"})], id="an error instead"),
        pytest.param([], id="empty"),
    ],
)
def test_unusable_bundles_are_missing(broken: list[Node]) -> None:
    sound = Node("user", {"jid": "15550100002@s.whatsapp.net"}, parts())
    bad = Node("user", {"jid": "15550100002:3@s.whatsapp.net"}, broken)
    answer = bundles.answer(Node("iq", {}, (Node("list", {}, (bad, sound)),)))
    assert list(answer) == [Address.parse("15550100002@s.whatsapp.net")]


def test_a_key_with_its_type_byte() -> None:
    typed = replaced("identity", "", b"\x05" + OWN.identity_public)
    bundle = bundles.read(Node("user", {}, typed))
    assert bundle is not None
    assert bundle.identity_key == OWN.identity_public
