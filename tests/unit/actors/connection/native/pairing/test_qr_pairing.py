from __future__ import annotations

import hashlib
import hmac
import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from actors.connection.native.pairing.qr_pairing import (
    FIRST_QR,
    NEXT_QR,
    QR_PREFIX,
    Keys,
    PairingRefused,
    prove,
    qr_codes,
)
from actors.connection.native.signal import signatures
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.wire_format.nodes import Node, parse, proto


def pair() -> tuple[bytes, bytes]:
    private = X25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw()


ACCOUNT_PRIVATE, ACCOUNT_PUBLIC = pair()
IDENTITY_PRIVATE, IDENTITY_PUBLIC = pair()
KEYS = Keys(pair()[1], IDENTITY_PUBLIC, IDENTITY_PRIVATE, os.urandom(32))


def client_props(*, migrated: bool) -> bytes:
    serialized: bytes = proto.ClientPairingProps(isChatDbLidMigrated=migrated).SerializeToString()
    return serialized


def success(
    *,
    signer: bytes = ACCOUNT_PRIVATE,
    identity: bytes = IDENTITY_PUBLIC,
    secret: bytes = KEYS.adv_secret,
    jid: str = "15550100001:4@s.whatsapp.net",
    raw: bytes | None = None,
    hosted: bool = False,
    properties: bytes | None = None,
) -> Node:
    kind = proto.ADVEncryptionType
    details: Any = proto.ADVDeviceIdentity(rawId=1, timestamp=2, keyIndex=4)
    if hosted:
        details.deviceType = kind.HOSTED
    signed = proto.ADVSignedDeviceIdentity(details=details.SerializeToString())
    signed.accountSignatureKey = ACCOUNT_PUBLIC
    prefix = b"\x06\x05" if hosted else b"\x06\x00"
    signed.accountSignature = signatures.sign(signer, prefix + signed.details + identity)
    sealed = proto.ADVSignedDeviceIdentityHMAC(details=signed.SerializeToString())
    if hosted:
        sealed.accountType = kind.HOSTED
    message = (b"\x06\x05" if hosted else b"") + sealed.details
    sealed.hmac = hmac.new(secret, message, hashlib.sha256).digest()
    parts = (
        Node("device-identity", {}, sealed.SerializeToString() if raw is None else raw),
        Node("device", {"jid": jid, "lid": "90000000000001:4@lid"}),
        Node("platform", {"name": "android"}),
    )
    told = () if properties is None else (Node("client-props", {}, properties),)
    return Node("iq", {"id": "7", "type": "set"}, (Node("pair-success", {}, (*parts, *told)),))


@pytest.mark.parametrize("hosted", [False, True])
def test_a_proven_pairing_is_signed_back(hosted: bool) -> None:
    paired = prove(success(hosted=hosted), KEYS)
    assert paired.device == Address.parse("15550100001:4@s.whatsapp.net")
    assert paired.lid == Address.parse("90000000000001:4@lid")
    assert (paired.account_key, paired.platform) == (ACCOUNT_PUBLIC, "android")
    assert paired.answer.attrs == {"to": "@s.whatsapp.net", "type": "result", "id": "7"}
    sign = paired.answer.child("pair-device-sign")
    assert sign is not None
    identity = sign.child("device-identity")
    assert identity is not None
    assert identity.attrs == {"key-index": "4"}
    answered = parse(proto.ADVSignedDeviceIdentity, identity.data)
    assert not answered.HasField("accountSignatureKey")
    message = b"\x06\x01" + answered.details + IDENTITY_PUBLIC + ACCOUNT_PUBLIC
    assert signatures.verify(IDENTITY_PUBLIC, message, answered.deviceSignature)
    kept = parse(proto.ADVSignedDeviceIdentity, paired.device_identity)
    assert kept.accountSignatureKey == ACCOUNT_PUBLIC
    assert kept.deviceSignature == answered.deviceSignature


@pytest.mark.parametrize(
    ("properties", "migrated"),
    [
        pytest.param(None, None, id="nothing said"),
        pytest.param(b"", None, id="nothing in it"),
        pytest.param(b"\xff\xff", None, id="no protobuf"),
        pytest.param(client_props(migrated=True), True, id="migrated"),
        pytest.param(client_props(migrated=False), False, id="not"),
    ],
)
def test_a_pairing_may_say_whether_chats_are_named_by_lid(
    properties: bytes | None, migrated: bool | None
) -> None:
    assert prove(success(properties=properties), KEYS).lid_migrated is migrated


@pytest.mark.parametrize(
    ("stanza", "code", "error"),
    [
        pytest.param(success(secret=bytes(32)), "hmac", "401", id="never saw the QR code"),
        pytest.param(success(signer=pair()[0]), "signature", "401", id="not the account's key"),
        pytest.param(
            success(identity=pair()[1]), "signature", "401", id="another device's identity"
        ),
        pytest.param(success(raw=b"\xff\xff"), "malformed", "500", id="no protobuf"),
        pytest.param(success(raw=b""), "hmac", "401", id="empty"),
        pytest.param(success(jid="nobody"), "address", "500", id="no address"),
        pytest.param(success(jid="alice:4@s.whatsapp.net"), "address", "500", id="no number"),
        pytest.param(success(jid="9" * 30 + ":4@s.whatsapp.net"), "address", "500", id="too long"),
        pytest.param(success(jid="15550100001@s.whatsapp.net"), "address", "500", id="the phone"),
        pytest.param(success(jid="90000000000001:4@lid"), "address", "500", id="a LID"),
        pytest.param(Node("iq", {"id": "7"}), "hmac", "401", id="nothing in it"),
    ],
)
def test_a_forged_pairing_is_refused_with_a_reason(stanza: Node, code: str, error: str) -> None:
    with pytest.raises(PairingRefused) as refused:
        prove(stanza, KEYS)
    assert refused.value.code == code
    assert refused.value.answer.attrs["type"] == "error"
    told = refused.value.answer.child("error")
    assert told is not None
    assert told.attrs["code"] == error


def test_qr_codes_name_the_refs_in_turn() -> None:
    refs = tuple(Node("ref", {}, f"2@ref{n}".encode()) for n in range(3))
    codes = list(qr_codes(Node("iq", {}, (Node("pair-device", {}, refs),)), KEYS))
    assert [text.split(",")[0] for text, _ in codes] == [QR_PREFIX + f"2@ref{n}" for n in range(3)]
    assert [lifetime for _, lifetime in codes] == [FIRST_QR, NEXT_QR, NEXT_QR]
    assert [text.split(",")[4:] for text, _ in codes] == [["1"]] * 3
    assert list(qr_codes(Node("iq"), KEYS)) == []


@pytest.mark.parametrize("ref", [b"", b"2@" + bytes(10_000)])
def test_a_ref_that_no_image_can_show_is_passed_over(ref: bytes) -> None:
    refs = (Node("ref", {}, ref), Node("ref", {}, b"2@ref"))
    codes = list(qr_codes(Node("iq", {}, (Node("pair-device", {}, refs),)), KEYS))
    assert [text.split(",")[0] for text, _ in codes] == [QR_PREFIX + "2@ref"]
