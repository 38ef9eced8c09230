"""Adapts the third-party protocol library for the simulator: binary stanza codec, protobuf messages, Signal primitives.

The other modules of the simulator import from here. The library differs from the engine's, so that an
error in one is not hidden by the same error in the other.
"""

from __future__ import annotations

import os
import warnings
import zlib
from typing import Any, Final

with warnings.catch_warnings():
    # The library warns at import that its Signal part is unaudited. Here it guards nothing: every
    # key in this process belongs to simulated people.
    warnings.simplefilter("ignore", DeprecationWarning)
    from pywhats.appstate.crypto import expand_app_state_keys, generate_content_mac
    from pywhats.appstate.keys import AppStateSyncKey
    from pywhats.appstate.lthash import subtract_then_add
    from pywhats.appstate.patches import AppStateError, HashState, decode_patch
    from pywhats.binary import Node, decoder, encode
    from pywhats.binary import decode as _decode_unbounded
    from pywhats.binary.jid import parse_jid
    from pywhats.events import JID
    from pywhats.proto import (
        ADVSignedDeviceIdentity,
        ADVSignedDeviceIdentityHMAC,
        ADVSignedKeyIndexList,
        ClientPayload,
        ExternalBlobReference,
        HandshakeMessage,
        SenderKeyMessageBody,
        SyncdMutation,
        SyncdMutations,
        SyncdPatch,
        SyncdRecord,
        SyncdSnapshot,
    )
    from pywhats.proto.e2e_pb2 import DESCRIPTOR as E2E
    from pywhats.proto.sync_action_pb2 import DESCRIPTOR as SYNC_ACTION
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
    )
    from pywhats.signal.experimental.keys import OneTimePreKey
    from pywhats.signal.experimental.sender_key import (
        build_distribution_message,
        create_sender_key_state,
        deserialize_sender_key_state,
        group_decrypt,
        group_encrypt,
        process_distribution_message,
        serialize_sender_key_state,
    )

    from simulator.wire import base_point, signature_check
    from simulator.wire.signature_check import verify as xeddsa_verify

base_point.replace()
signature_check.replace()

__all__ = [
    "E2E",
    "GROUP_SERVER",
    "HOSTED_DEVICE",
    "HOSTED_SERVERS",
    "JID",
    "LID_SERVER",
    "PN_SERVER",
    "SERVER",
    "SYNC_ACTION",
    "ADVSignedDeviceIdentity",
    "ADVSignedDeviceIdentityHMAC",
    "ADVSignedKeyIndexList",
    "AppStateError",
    "AppStateSyncKey",
    "ClientPayload",
    "ExternalBlobReference",
    "HandshakeMessage",
    "HashState",
    "IdentityKeyPair",
    "Node",
    "OneTimePreKey",
    "PreKeyBundle",
    "PreKeySignalMessage",
    "RatchetState",
    "SenderKeyMessageBody",
    "SignalMessage",
    "SignedPreKey",
    "SyncdMutation",
    "SyncdMutations",
    "SyncdPatch",
    "SyncdRecord",
    "SyncdSnapshot",
    "build_distribution_message",
    "bytes_of",
    "create_sender_key_state",
    "decode",
    "decode_patch",
    "deserialize_sender_key_state",
    "encode",
    "expand_app_state_keys",
    "generate_content_mac",
    "generate_pre_key",
    "group_decrypt",
    "group_encrypt",
    "jid_of",
    "namespace",
    "number_bytes",
    "pad",
    "parse_jid",
    "process_distribution_message",
    "ratchet_decrypt",
    "ratchet_encrypt",
    "ratchet_init_alice",
    "ratchet_init_bob",
    "serialize_sender_key_state",
    "subtract_then_add",
    "text_of",
    "unpad",
    "x3dh_initiator",
    "x3dh_responder",
    "xeddsa_sign",
    "xeddsa_verify",
]

PN_SERVER: Final = "s.whatsapp.net"
LID_SERVER: Final = "lid"
GROUP_SERVER: Final = "g.us"
HOSTED_DEVICE: Final = 99
"""Id of the device that Meta's servers run for a business (whatsapp-rust, binary/src/jid.rs `is_hosted`)."""
HOSTED_SERVERS: Final = {PN_SERVER: "hosted", LID_SERVER: "hosted.lid"}
"""Server part of such a device's address, by that of its owner's."""
SERVER: Final = JID("", PN_SERVER)

# The bytes with which a word of the dictionary begins, one of 235 or of four more pages.
_LAST_WORD: Final = 239

MAX_STANZA: Final = 4 << 20
"""Bytes, once inflated."""
MAX_NODES: Final = 20_000
MAX_DEVICE: Final = 0xFFFF
MAX_NAME_LENGTH: Final = 254
"""Characters of a tag or an attribute: the most that the packed form (two a byte) holds."""


_read_content: Final = decoder._read_content  # noqa: SLF001


def _content(reader: Any) -> Any:
    """Returns the content of a node, also of one that is a word of the dictionary.

    The library reads such words only in attributes; clients write each text of the dictionary so.
    """
    tag = reader.buf[reader.pos] if not reader.at_end() else 0
    if 1 <= tag <= _LAST_WORD:
        return decoder._read_string(reader).encode()  # noqa: SLF001
    return _read_content(reader)


decoder._read_content = _content  # noqa: SLF001


def decode(data: bytes) -> Any:
    """Returns the stanza in a decrypted frame.

    The library limits neither the inflated size nor the number of nodes: a frame of some kilobytes
    could exhaust the memory and delay all connections. Raises ValueError above the limits, and the
    library's exceptions for malformed bytes.
    """
    body = data[1:]
    if data[:1] and data[0] & 2:
        inflater = zlib.decompressobj()
        body = inflater.decompress(body, MAX_STANZA)
        if not inflater.eof:
            raise ValueError("inflates too far, or ends early")
    # Each node begins with one of two bytes, which occur in ciphertext, too: an upper bound.
    if body.count(0xF8) + body.count(0xF9) > MAX_NODES + len(body) // 64:
        raise ValueError("too many nodes")
    node = _decode_unbounded(b"\0" + body)
    _check_texts(node)
    return node


def _check_texts(node: Any) -> None:
    """Refuses words that another stanza could repeat, but not encode."""
    texts = [node.tag, *node.attrs]
    for value in node.attrs.values():
        texts += (value.user, value.server) if isinstance(value, JID) else (str(value),)
    if any(len(text) > MAX_NAME_LENGTH or "@" in text for text in texts):
        raise ValueError("a text that the library cannot write")
    for child in node.get_children():
        _check_texts(child)


def jid_of(node: Any, name: str) -> Any:
    """Returns an attribute as a JID, None when it is missing or invalid."""
    value = node.attrs.get(name)
    if isinstance(value, str) and value:
        try:
            value = parse_jid(value)
        except ValueError:
            return None
    return value if isinstance(value, JID) and value.device <= MAX_DEVICE else None


def namespace(jid: Any) -> str | None:
    """Returns the addressing mode of a person's or a hosted device's JID, PN_SERVER or LID_SERVER; None for others."""
    for server, hosted in HOSTED_SERVERS.items():
        if jid is not None and jid.server in (server, hosted):
            return server
    return None


def text_of(node: Any, name: str) -> str:
    """Returns an attribute as a string; empty when it is missing."""
    value = node.attrs.get(name)
    return "" if value is None else str(value)


def bytes_of(node: Any, *path: str) -> bytes:
    """Returns the content of the descendant at `path`.

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
    """Reverse of `pad`. Raises ValueError for malformed padding."""
    count = padded[-1] if padded else 0
    if not 1 <= count <= 16 or padded[-count:] != bytes([count]) * count:
        raise ValueError("bad message padding")
    return padded[:-count]
