"""Verifies the signed key-index list, and returns the devices of a person that the phone vouches for.

WhatsApp's server lists a person's devices; the phone signs which of them are its own, each by the
index of the key that it was linked with. So a device that the server made up gets nothing, and with
the list that was believed last none that the phone has unlinked since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import structlog

from actors.connection.native.signal import signatures
from actors.connection.protocol.wire_format.nodes import MalformedMessage, parse, proto

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger()

PHONE: Final = 0
_PREFIX: Final = b"\x06\x02"


class Vouched(NamedTuple):
    """The devices that count, and the signed list by which they do: to be given next time."""

    devices: tuple[int, ...]
    believed: bytes


def vouched(
    devices: tuple[int, ...],
    indexes: Mapping[int, int],
    signed: bytes,
    identity: bytes | None,
    believed: bytes = b"",
) -> Vouched:
    """The devices that the phone vouches for; the phone itself (0) is always one.

    `indexes` are the key indexes that the server lists, `signed` is the phone's list, `identity`
    the phone's identity key where it is known (32 bytes); the first list of a stranger is believed,
    as its identity key is. A device newer than the list stays. One that is not the phone's own
    leaves the phone alone.

    `believed` is the list that was believed last. As in WhatsApp's own web client it stays where
    the server gives an older one, and where it gives none; without either all devices stay. It
    ends with the identity key that signed it: another one is another installation.
    """
    last = _read(believed, identity) if believed else None
    if not signed and last is None:
        return Vouched(devices, b"")
    listed = _read(signed, identity) if signed else last
    if listed is None:
        log.warning("device list refused", action="devices.bad_list")
        return Vouched(tuple(one for one in devices if one == PHONE), believed)
    if last is not None and (not signed or listed.timestamp < last.timestamp):
        log.warning("device list refused", action="devices.older_list")
        listed, signed = last, believed
    valid = frozenset(listed.validIndexes)

    def listed_device(device: int) -> bool:
        index = indexes.get(device)
        return index is not None and (index in valid or index > listed.currentIndex)

    return Vouched(tuple(one for one in devices if one == PHONE or listed_device(one)), signed)


def _read(signed: bytes, identity: bytes | None) -> Any | None:
    """The list, where it is one that the phone signed."""
    try:
        envelope = parse(proto.ADVSignedKeyIndexList, signed)
        listed = parse(proto.ADVKeyIndexList, bytes(envelope.details))
    except MalformedMessage:
        return None
    key = identity or signatures.raw(bytes(envelope.accountSignatureKey))
    message = _PREFIX + bytes(envelope.details)
    if key and not signatures.verify(key, message, bytes(envelope.accountSignature)):
        return None
    return listed
