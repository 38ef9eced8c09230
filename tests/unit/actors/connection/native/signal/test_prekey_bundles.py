from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.native.signal import prekey_bundles
from actors.connection.native.signal.device_sessions import new_credentials
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.wire_format.nodes import Node, proto
from tests.unit.actors.connection.native.resending_devices import linked_by

if TYPE_CHECKING:
    from actors.connection.session.identities.credentials import Credentials

OWN = new_credentials()
PREKEY = (0x010203, bytes(range(32)))
PHONE, OTHER = new_credentials(), new_credentials()
LINKED = linked_by(OWN, PHONE)


def parts(prekey: bool = True) -> list[Node]:
    registration, kind, identity, listing, signed = prekey_bundles.upload(OWN, [PREKEY]).children()
    return [registration, kind, identity, *(listing.children() if prekey else ()), signed]


def by_the_phone_alone() -> bytes:
    signed: Any = proto.ADVSignedDeviceIdentity.FromString(linked_by(OWN, PHONE))
    signed.ClearField("deviceSignature")
    serialized: bytes = signed.SerializeToString()
    return serialized


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
    bundle = prekey_bundles.read(Node("user", {}, parts()))
    assert bundle is not None
    assert bundle.registration_id == OWN.registration_id
    assert (bundle.identity_key, bundle.signed_prekey) == (
        OWN.identity_public,
        OWN.signed_prekey.public,
    )
    assert (bundle.prekey_id, bundle.prekey) == PREKEY


def test_a_bundle_whose_prekeys_are_used_up() -> None:
    bundle = prekey_bundles.read(Node("user", {}, parts(prekey=False)))
    assert bundle is not None
    assert (bundle.prekey_id, bundle.prekey) == (None, None)


def test_the_keys_of_a_retry_receipt() -> None:
    registration = Node("registration", {}, OWN.registration_id.to_bytes(4, "big"))
    keys = Node("keys", {}, prekey_bundles.for_retry(OWN, PREKEY))
    receipt = Node("receipt", {"type": "retry"}, (Node("retry"), registration, keys))
    assert prekey_bundles.read(receipt) == prekey_bundles.read(Node("user", {}, parts()))


@pytest.mark.parametrize(
    ("device", "proof", "phone", "belongs"),
    [
        pytest.param(3, LINKED, PHONE, True, id="its phone's"),
        pytest.param(3, LINKED, None, True, id="a stranger's, as it says"),
        pytest.param(0, b"", None, True, id="the phone itself"),
        pytest.param(3, LINKED, OTHER, False, id="another phone's"),
        pytest.param(3, linked_by(OTHER, PHONE), PHONE, False, id="another companion's"),
        pytest.param(3, linked_by(OWN, OTHER), PHONE, False, id="linked by nobody it knows"),
        pytest.param(3, b"", PHONE, False, id="none"),
        pytest.param(3, b"\xff", PHONE, False, id="garbage"),
        pytest.param(3, by_the_phone_alone(), PHONE, False, id="not confirmed by the companion"),
    ],
)
def test_whose_keys_are_a_companions(
    device: int, proof: bytes, phone: Credentials | None, belongs: bool
) -> None:
    own = Node("device-identity", {}, proof)
    bundle = prekey_bundles.read(Node("user", {}, [*parts(), own]))
    assert bundle is not None
    address = Address("15550100002", "s.whatsapp.net", device)
    key = None if phone is None else phone.identity_public
    assert prekey_bundles.belongs(bundle, address, key) is belongs


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
    answer = prekey_bundles.answer(Node("iq", {}, (Node("list", {}, (bad, sound)),)))
    assert list(answer) == [Address.parse("15550100002@s.whatsapp.net")]


def test_a_key_with_its_type_byte() -> None:
    typed = replaced("identity", "", b"\x05" + OWN.identity_public)
    bundle = prekey_bundles.read(Node("user", {}, typed))
    assert bundle is not None
    assert bundle.identity_key == OWN.identity_public
