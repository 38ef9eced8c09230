"""The signed key-index list: which linked devices a person's phone vouches for.

WhatsApp's server lists a person's devices; the phone signs which of them are its own, each by the
index of the key that it was linked with. So a device that the server made up gets nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.native import signatures
from actors.connection.native.nodes import MalformedMessage, parse, proto

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger()

PHONE: Final = 0
_PREFIX: Final = b"\x06\x02"


def vouched(
    devices: tuple[int, ...], indexes: Mapping[int, int], signed: bytes, identity: bytes | None
) -> tuple[int, ...]:
    """The devices that the phone vouches for; the phone itself (0) is always one.

    `indexes` are the key indexes that the server lists, `signed` is the phone's list, `identity`
    the phone's identity key where it is known (32 bytes); the first list of a stranger is believed,
    as its identity key is. A device newer than the list stays. Without a list all stay; one that
    is not the phone's own leaves the phone alone.
    """
    if not signed:
        return devices
    try:
        envelope = parse(proto.ADVSignedKeyIndexList, signed)
        listed = parse(proto.ADVKeyIndexList, bytes(envelope.details))
    except MalformedMessage:
        log.warning("device list refused", action="devices.malformed")
        return _only_phone(devices)
    key = identity or _raw(bytes(envelope.accountSignatureKey))
    message = _PREFIX + bytes(envelope.details)
    if key and not signatures.verify(key, message, bytes(envelope.accountSignature)):
        log.warning("device list refused", action="devices.bad_signature")
        return _only_phone(devices)
    valid = frozenset(listed.validIndexes)

    def known(device: int) -> bool:
        index = indexes.get(device)
        return index is not None and (index in valid or index > listed.currentIndex)

    return tuple(device for device in devices if device == PHONE or known(device))


def _only_phone(devices: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(device for device in devices if device == PHONE)


def _raw(key: bytes) -> bytes:
    return key[1:] if len(key) == 33 and key[:1] == signatures.KEY_TYPE else key
