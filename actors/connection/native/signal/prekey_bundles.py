"""Builds and parses prekey stanzas: bundles of other devices, uploads of own prekeys, keys of a retry receipt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.connection.native.identities.key_index import PHONE
from actors.connection.native.pairing.qr_pairing import proves
from actors.connection.native.signal.key_agreement import Bundle
from actors.connection.native.signal.signatures import KEY_TYPE, raw
from actors.connection.protocol.identities.addresses import Address, parse_optional
from actors.connection.protocol.wire_format.nodes import Node, iq

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.connection.session.identities.credentials import Credentials, SignedPrekey

MAX_NUMBER_BYTES: Final = 4
"""Ids have three bytes, registration ids four."""


def query(devices: Iterable[Address]) -> Node:
    """Ask for a bundle of each device; each costs the device one prekey."""
    users = tuple(Node("user", {"jid": str(device), "reason": "identity"}) for device in devices)
    return iq("get", "encrypt", (Node("key", {}, users),))


def answer(reply: Node) -> dict[Address, Bundle]:
    """The bundles in the reply; a device without a usable one is missing."""
    found = {}
    for listing in reply.children("list"):
        for user in listing.children("user"):
            device = parse_optional(user.attrs.get("jid"))
            bundle = read(user)
            if device is not None and bundle is not None:
                found[device] = bundle
    return found


def read(node: Node) -> Bundle | None:
    """The bundle in a ``<user>`` of an answer or in a retry receipt; None where it is not usable.

    In a retry receipt the registration stands beside ``<keys>`` and not in it.
    """
    keys = node.child("keys") or node
    signed = keys.child("skey")
    if signed is None:
        return None
    single = keys.child("key")
    numbers = [node.bytes_of("registration"), signed.bytes_of("id")]
    if single is not None:
        numbers.append(single.bytes_of("id"))
    if any(len(number) > MAX_NUMBER_BYTES for number in numbers):
        return None
    bundle = Bundle(
        registration_id=int.from_bytes(node.bytes_of("registration"), "big"),
        identity_key=raw(keys.bytes_of("identity")),
        signed_prekey_id=int.from_bytes(signed.bytes_of("id"), "big"),
        signed_prekey=raw(signed.bytes_of("value")),
        signed_prekey_signature=signed.bytes_of("signature"),
        prekey_id=int.from_bytes(single.bytes_of("id"), "big") if single is not None else None,
        prekey=raw(single.bytes_of("value")) if single is not None else None,
        device_identity=keys.bytes_of("device-identity"),
    )
    public = (bundle.identity_key, bundle.signed_prekey, bundle.prekey or bytes(32))
    sound = all(len(key) == 32 for key in public) and len(bundle.signed_prekey_signature) == 64
    return bundle if sound else None


def belongs(bundle: Bundle, device: Address, phone: bytes | None) -> bool:
    """Whether the keys are the device's own: a companion's have to be vouched for by its phone.

    So does WhatsApp's own web client; a server that hands out keys of its own making for a
    companion is found out, where `phone`, the phone's identity key, is known.
    """
    if device.device == PHONE:
        return True
    return proves(bundle.device_identity, bundle.identity_key, phone)


def upload(own: Credentials, prekeys: Iterable[tuple[int, bytes]]) -> Node:
    """Give the server prekeys (id, public key) to hand out, with the identity they belong to."""
    return iq(
        "set",
        "encrypt",
        (
            Node("registration", {}, own.registration_id.to_bytes(4, "big")),
            Node("type", {}, KEY_TYPE),
            Node("identity", {}, own.identity_public),
            Node("list", {}, tuple(_prekey(*key) for key in prekeys)),
            _signed_prekey(own.signed_prekey),
        ),
    )


def rotation(own: Credentials) -> Node:
    """Give the server another signed prekey to hand out."""
    return iq("set", "encrypt", (Node("rotate", {}, (_signed_prekey(own.signed_prekey),)),))


def digest_query() -> Node:
    """Ask which keys of this device the server has."""
    return iq("get", "encrypt", (Node("digest"),))


@dataclass(frozen=True, slots=True)
class Digest:
    """The server's own view of a device's keys; `hash` is SHA-1 over the public parts."""

    signed_prekey_id: int
    prekey_ids: tuple[int, ...]
    hash: bytes


def read_digest(reply: Node) -> Digest | None:
    """The digest in the answer to `digest_query`; None where there is none."""
    digest = reply.child("digest")
    signed = digest.child("skey") if digest is not None else None
    listed = digest.child("list") if digest is not None else None
    if digest is None or signed is None:
        return None
    numbers = listed.children("id") if listed is not None else []
    return Digest(
        int.from_bytes(signed.bytes_of("id"), "big"),
        tuple(int.from_bytes(number.data, "big") for number in numbers),
        digest.bytes_of("hash"),
    )


def for_retry(own: Credentials, prekey: tuple[int, bytes]) -> tuple[Node, ...]:
    """The ``<keys>`` of a retry receipt: all that its reader needs for a new session."""
    return (
        Node("type", {}, KEY_TYPE),
        Node("identity", {}, own.identity_public),
        _prekey(*prekey),
        _signed_prekey(own.signed_prekey),
        Node("device-identity", {}, own.device_identity or b""),
    )


def device_identity(own: Credentials | None) -> tuple[Node, ...]:
    """The part beside a ``pkmsg``: the phone's word that this is a device of the account."""
    if own is None or own.device_identity is None:
        return ()
    return (Node("device-identity", {}, own.device_identity),)


def _prekey(number: int, public: bytes) -> Node:
    return Node("key", {}, (Node("id", {}, number.to_bytes(3, "big")), Node("value", {}, public)))


def _signed_prekey(key: SignedPrekey) -> Node:
    return Node(
        "skey",
        {},
        (
            Node("id", {}, key.id.to_bytes(3, "big")),
            Node("value", {}, key.public),
            Node("signature", {}, key.signature),
        ),
    )
