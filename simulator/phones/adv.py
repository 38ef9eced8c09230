"""Signs and verifies device identities (ADV) of companions and simulated devices, and signs a phone's list of devices.

Prefixes and signed bytes as in whatsmeow `pair.go`; the key index list's prefix as in WhatsApp
Web's `WAWebAdvSignatureApi`.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from simulator.wire.proto_schema import ADVDeviceIdentity, ADVKeyIndexList
from simulator.wire.protocol_library import (
    ADVSignedDeviceIdentity,
    ADVSignedDeviceIdentityHMAC,
    ADVSignedKeyIndexList,
    xeddsa_sign,
    xeddsa_verify,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_ACCOUNT: Final = b"\x06\x00"
_DEVICE: Final = b"\x06\x01"
_KEY_INDEX_LIST: Final = b"\x06\x02"
_HOSTED_ACCOUNT: Final = b"\x06\x05"
_HOSTED_DEVICE: Final = b"\x06\x06"
_HOSTED: Final = 1
"""Type of a hosted device (WAAdv.proto, ADVEncryptionType)."""


def signed_identity(
    phone: Any,
    companion_identity: bytes,
    *,
    raw_id: int,
    key_index: int,
    now: float,
    hosted: bool = False,
) -> bytes:
    """Returns the companion's identity with the phone's signature; the companion adds its own."""
    identity = ADVDeviceIdentity(raw_id=raw_id, timestamp=int(now), key_index=key_index)
    if hosted:
        identity.device_type = _HOSTED
    details = identity.SerializeToString()
    prefix = _HOSTED_ACCOUNT if hosted else _ACCOUNT
    signature = xeddsa_sign(phone.private, prefix + details + companion_identity)
    return bytes(
        ADVSignedDeviceIdentity(
            details=details, account_signature_key=phone.public, account_signature=signature
        ).SerializeToString()
    )


def own_identity(
    phone: Any, device: Any, *, raw_id: int, key_index: int, now: float, hosted: bool = False
) -> bytes:
    """Returns the identity of a simulated device, signed by the phone and by itself.

    `phone` and `device` are identity key pairs. A hosted device has prefixes of its own
    (whatsapp-rust, adv.rs).
    """
    identity = parsed(
        signed_identity(
            phone, device.public, raw_id=raw_id, key_index=key_index, now=now, hosted=hosted
        )
    )
    prefix = _HOSTED_DEVICE if hosted else _DEVICE
    identity.device_signature = xeddsa_sign(
        device.private, prefix + identity.details + device.public + phone.public
    )
    return bytes(identity.SerializeToString())


def sealed_identity(signed: bytes, secret: bytes) -> bytes:
    """Returns `signed` with an HMAC under the secret of phone and client, so that a server cannot replace it."""
    mac = hmac.digest(secret, signed, hashlib.sha256)
    return bytes(ADVSignedDeviceIdentityHMAC(details=signed, hmac=mac).SerializeToString())


def parsed(data: bytes) -> Any:
    """Parses a signed device identity. Raises ValueError for malformed bytes."""
    identity = ADVSignedDeviceIdentity()
    try:
        identity.ParseFromString(data)
    except Exception as error:
        raise ValueError("malformed device identity") from error
    return identity


@lru_cache(maxsize=4096)
def vouched(data: bytes, companion_identity: bytes, phone_identity: bytes) -> bool:
    """Returns whether phone and companion both signed this device identity.

    The phone's key may be left out of `data`, as a companion does towards the server; any other
    key than the phone's is refused. Cached: a companion shows the same identity with every first
    message.
    """
    try:
        identity = parsed(data)
    except ValueError:
        return False
    if identity.account_signature_key not in (b"", phone_identity):
        return False
    details = bytes(identity.details)
    return bool(
        xeddsa_verify(
            phone_identity, _ACCOUNT + details + companion_identity, identity.account_signature
        )
        and xeddsa_verify(
            companion_identity,
            _DEVICE + details + companion_identity + phone_identity,
            identity.device_signature,
        )
    )


def key_index_list(
    phone: Any, *, raw_id: int, key_indexes: Sequence[int], current: int, now: float
) -> bytes:
    """Returns the signed list of valid key indexes: a client drops devices that are not in it."""
    details = ADVKeyIndexList(
        raw_id=raw_id, timestamp=int(now), current_index=current, valid_indexes=[0, *key_indexes]
    ).SerializeToString()
    return bytes(
        ADVSignedKeyIndexList(
            details=details,
            account_signature=xeddsa_sign(phone.private, _KEY_INDEX_LIST + details),
        ).SerializeToString()
    )
