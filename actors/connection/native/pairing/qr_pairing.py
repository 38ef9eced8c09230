"""Builds the QR codes that a phone scans, and verifies and countersigns the phone's proof of pairing.

The device gives the phone a secret through the QR code (or through a code that is typed, as in
`link_code.py`). The phone signs the device's identity key with the account's and authenticates that
with the secret; the device signs back. Together the two signatures are the device identity that later
goes along with the first message to anybody.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from actors.connection.native.signal import signatures
from actors.connection.protocol.identities.addresses import (
    LID,
    PHONE_NUMBER,
    SERVER,
    Address,
    parse_optional,
)
from actors.connection.protocol.wire_format.nodes import MalformedMessage, Node, parse, proto

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_QR: Final = 60.0
NEXT_QR: Final = 20.0
"""Seconds that a QR code is shown; WhatsApp keeps the first one longer."""

QR_PREFIX: Final = "https://wa.me/settings/linked_devices#"
"""The address that a QR code leads to; the part that a phone links by follows (whatsmeow, pair.go)."""

CLIENT_TYPE: Final = "1"
"""WhatsApp's number of the client that a device says it is: Chrome."""

MAX_REF: Final = 512
"""Bytes of what WhatsApp puts into a QR code; it is far less."""

MAX_PHONE_DIGITS: Final = 15
"""Of a phone number (E.164)."""

_ACCOUNT_SIGNATURE = b"\x06\x00"
_DEVICE_SIGNATURE = b"\x06\x01"
_HOSTED_ACCOUNT_SIGNATURE = b"\x06\x05"
_HOSTED_DEVICE_SIGNATURE = b"\x06\x06"


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets that a device to be paired made up: 32 bytes each.

    `link_secret` stands for `adv_secret` where a code was typed; either proves a pairing.
    """

    noise_public: bytes
    identity_public: bytes
    identity_private: bytes
    adv_secret: bytes
    link_secret: bytes | None = None


@dataclass(frozen=True, slots=True)
class Paired:
    """A pairing that was proven. `device_identity` is the serialized, twice signed identity.

    `lid_migrated` is whether the account's chats are named by LID, None where that is not said.
    """

    device: Address
    lid: Address | None
    device_identity: bytes
    account_key: bytes
    platform: str
    answer: Node
    lid_migrated: bool | None = None


class PairingRefused(Exception):  # noqa: N818 - reads as what it is
    """The proof does not hold; `answer` reports that to WhatsApp, `code` names the check that failed."""

    def __init__(self, code: str, answer: Node) -> None:
        super().__init__(code)
        self.code = code
        self.answer = answer


def qr_codes(stanza: Node, keys: Keys) -> Iterator[tuple[str, float]]:
    """The QR texts that a ``<pair-device>`` stanza gives, each with its lifetime in seconds.

    A text is `QR_PREFIX`, then ref, Noise key, identity key, ADV secret and `CLIENT_TYPE`, with commas.
    """
    offer = stanza.child("pair-device")
    parts = [
        base64.b64encode(key).decode()
        for key in (keys.noise_public, keys.identity_public, keys.adv_secret)
    ]
    lifetime = FIRST_QR
    for ref in offer.children("ref") if offer is not None else ():
        # An image of a text that is much longer than WhatsApp's cannot be scanned, or drawn.
        if not 0 < len(ref.data) <= MAX_REF:
            continue
        text = ",".join([ref.data.decode("ascii", "replace"), *parts, CLIENT_TYPE])
        yield QR_PREFIX + text, lifetime
        lifetime = NEXT_QR


def prove(stanza: Node, keys: Keys) -> Paired:
    """Check the proof in a ``<pair-success>`` stanza and sign back.

    Raises `PairingRefused`. The `answer` may leave only after the credentials are committed:
    from then on WhatsApp takes the device for paired (G7).
    """
    number = stanza.attrs.get("id", "")
    success = stanza.child("pair-success") or Node("pair-success")
    try:
        sealed = parse(proto.ADVSignedDeviceIdentityHMAC, success.bytes_of("device-identity"))
        signed = parse(proto.ADVSignedDeviceIdentity, bytes(sealed.details))
        details = parse(proto.ADVDeviceIdentity, bytes(signed.details))
    except MalformedMessage:
        raise _refused("malformed", number, 500, "internal-error") from None
    secrets = (keys.adv_secret, keys.link_secret)
    if not any(_authentic(sealed, secret) for secret in secrets if secret is not None):
        raise _refused("hmac", number, 401, "hmac-mismatch")
    account_key = bytes(signed.accountSignatureKey)
    if not _signed(signed, details, keys.identity_public, account_key):
        raise _refused("signature", number, 401, "signature-mismatch")
    device_node = success.child("device") or Node("device")
    device = parse_optional(device_node.attrs.get("jid"))
    if device is None or not _is_companion(device):
        raise _refused("address", number, 500, "internal-error")
    lid = parse_optional(device_node.attrs.get("lid"))
    platform = success.child("platform")
    signed.deviceSignature = signatures.sign(
        keys.identity_private,
        _DEVICE_SIGNATURE + bytes(signed.details) + keys.identity_public + account_key,
    )
    whole: bytes = signed.SerializeToString()
    signed.ClearField("accountSignatureKey")
    answer = Node(
        "iq",
        {"to": SERVER, "type": "result", "id": number},
        (
            Node(
                "pair-device-sign",
                {},
                (
                    Node(
                        "device-identity",
                        {"key-index": str(details.keyIndex)},
                        signed.SerializeToString(),
                    ),
                ),
            ),
        ),
    )
    return Paired(
        device=device,
        lid=lid if lid is not None and lid.server == LID else None,
        device_identity=whole,
        account_key=account_key,
        platform=platform.attrs.get("name", "") if platform is not None else "",
        answer=answer,
        lid_migrated=_lid_migrated(success.bytes_of("client-props")),
    )


def _lid_migrated(properties: bytes) -> bool | None:
    """The ``client-props`` of a pairing; ones that cannot be read say nothing (whatsmeow, pair.go)."""
    try:
        parsed = parse(proto.ClientPairingProps, properties)
    except MalformedMessage:
        return None
    return parsed.isChatDbLidMigrated if parsed.HasField("isChatDbLidMigrated") else None


def proves(device_identity: bytes, identity: bytes, phone: bytes | None) -> bool:
    """Whether a companion with the key `identity` is one that the phone linked, and says so itself.

    `phone` is the phone's identity key where it is known; else the one in the device identity is
    believed, as the phone's own is at first. Keys are 32 bytes.
    """
    try:
        signed = parse(proto.ADVSignedDeviceIdentity, device_identity)
        details = parse(proto.ADVDeviceIdentity, bytes(signed.details))
    except MalformedMessage:
        return False
    account_key = phone or signatures.raw(bytes(signed.accountSignatureKey))
    message = bytes(signed.details) + identity
    return _signed(signed, details, identity, account_key) and any(
        signatures.verify(identity, prefix + message + account_key, bytes(signed.deviceSignature))
        for prefix in (_DEVICE_SIGNATURE, _HOSTED_DEVICE_SIGNATURE)
    )


def _is_companion(device: Address) -> bool:
    """Whether it can log in: the login names a phone number and a device that is not the phone."""
    number = device.user
    valid = number.isascii() and number.isdigit() and len(number) <= MAX_PHONE_DIGITS
    return valid and device.server == PHONE_NUMBER and device.device > 0


def _authentic(sealed: Any, secret: bytes) -> bool:
    hosted = sealed.accountType == proto.ADVEncryptionType.HOSTED
    message = (_HOSTED_ACCOUNT_SIGNATURE if hosted else b"") + bytes(sealed.details)
    expected = hmac.new(secret, message, hashlib.sha256).digest()
    return hmac.compare_digest(expected, bytes(sealed.hmac))


def _signed(signed: Any, details: Any, identity: bytes, account_key: bytes) -> bool:
    hosted = details.deviceType == proto.ADVEncryptionType.HOSTED
    prefix = _HOSTED_ACCOUNT_SIGNATURE if hosted else _ACCOUNT_SIGNATURE
    return signatures.verify(
        account_key,
        prefix + bytes(signed.details) + identity,
        bytes(signed.accountSignature),
    )


def _refused(code: str, number: str, error: int, text: str) -> PairingRefused:
    return PairingRefused(
        code,
        Node(
            "iq",
            {"to": SERVER, "type": "error", "id": number},
            (Node("error", {"code": str(error), "text": text}),),
        ),
    )
