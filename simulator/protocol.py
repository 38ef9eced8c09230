"""The one door to the protocol library: binary codec, protobuf messages, Signal primitives.

Everything else in this room imports from here. The library is another one than the engine's, so
that a misreading of the protocol in either cannot hide behind the same misreading in the other.
"""

from __future__ import annotations

import os
import warnings
from typing import Any, Final

with warnings.catch_warnings():
    # The library warns at import that its Signal part is unaudited. Here it guards nothing: every
    # key in this process belongs to people whom the simulator plays.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pywhats.binary import Node, decode, encode
    from pywhats.binary.jid import parse_jid
    from pywhats.events import JID
    from pywhats.proto import (
        ADVDeviceIdentity,
        ADVSignedDeviceIdentity,
        ADVSignedDeviceIdentityHMAC,
        ADVSignedKeyIndexList,
        ClientPayload,
        HandshakeMessage,
        Message,
    )
    from pywhats.signal.experimental import (
        IdentityKeyPair,
        PreKeyBundle,
        PreKeySignalMessage,
        RatchetState,
        SignalMessage,
        SignedPreKey,
        generate_pre_key,
        ratchet_decrypt,
        ratchet_encrypt,
        ratchet_init_alice,
        ratchet_init_bob,
        x3dh_initiator,
        x3dh_responder,
        xeddsa_sign,
        xeddsa_verify,
    )
    from pywhats.signal.experimental.keys import OneTimePreKey

__all__ = [
    "JID",
    "LID_SERVER",
    "PN_SERVER",
    "SERVER",
    "ADVDeviceIdentity",
    "ADVSignedDeviceIdentity",
    "ADVSignedDeviceIdentityHMAC",
    "ADVSignedKeyIndexList",
    "ClientPayload",
    "HandshakeMessage",
    "IdentityKeyPair",
    "Message",
    "Node",
    "OneTimePreKey",
    "PreKeyBundle",
    "PreKeySignalMessage",
    "RatchetState",
    "SignalMessage",
    "SignedPreKey",
    "bytes_of",
    "decode",
    "encode",
    "generate_pre_key",
    "jid_of",
    "number_bytes",
    "pad",
    "ratchet_decrypt",
    "ratchet_encrypt",
    "ratchet_init_alice",
    "ratchet_init_bob",
    "text_of",
    "unpad",
    "x3dh_initiator",
    "x3dh_responder",
    "xeddsa_sign",
    "xeddsa_verify",
]

PN_SERVER: Final = "s.whatsapp.net"
LID_SERVER: Final = "lid"
SERVER: Final = JID("", PN_SERVER)


def jid_of(node: Any, name: str) -> Any:
    """The attribute as a JID, or None when it is missing or empty."""
    value = node.attrs.get(name)
    if isinstance(value, JID):
        return value
    return parse_jid(value) if isinstance(value, str) and value else None


def text_of(node: Any, name: str) -> str:
    """The attribute as a string; empty when it is missing."""
    value = node.attrs.get(name)
    return "" if value is None else str(value)


def bytes_of(node: Any, *path: str) -> bytes:
    """The content of the descendant at `path`.

    Raises ValueError when the descendant is missing or carries no bytes.
    """
    for tag in path:
        node = node.get_child(tag)
        if node is None:
            raise ValueError(f"missing <{tag}>")
    if not isinstance(node.content, bytes):
        raise ValueError(f"<{node.tag}> carries no bytes")  # noqa: TRY004
    return node.content


def number_bytes(value: int, size: int) -> bytes:
    """A protocol number: big-endian, `size` bytes (3 for key ids, 4 for registration ids)."""
    return value.to_bytes(size, "big")


def pad(plaintext: bytes) -> bytes:
    """WhatsApp's padding in front of Signal: 1 to 16 bytes, each of them the count."""
    count = (os.urandom(1)[0] & 0x0F) + 1
    return plaintext + bytes([count]) * count


def unpad(padded: bytes) -> bytes:
    """Reverse of `pad`. Raises ValueError when the padding is not what it says."""
    count = padded[-1] if padded else 0
    if not 1 <= count <= 16 or padded[-count:] != bytes([count]) * count:
        raise ValueError("bad message padding")
    return padded[:-count]
