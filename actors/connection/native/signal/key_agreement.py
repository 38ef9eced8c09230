"""Computes X3DH key agreements as libsignal's version 3 does, on the `x3dh` library.

https://signal.org/docs/specifications/x3dh/ with the info string ``WhisperText``. libsignal derives
64 bytes where X3DH derives 32; the first 32 are the same, and the rest is never used on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import x3dh
import xeddsa
from x3dh.types import SecretType

from actors.connection.native.signal.signatures import KEY_TYPE, verify

if TYPE_CHECKING:
    from actors.connection.session.identities.credentials import SignedPrekey


class BadSignature(Exception):  # noqa: N818 - reads as what it is
    """The bundle's signed prekey is not signed by its identity key, or a key in it is no key."""


class BadKey(Exception):  # noqa: N818
    """A public key that agrees on nothing (a point of low order)."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Keys that WhatsApp hands out to set up a session with one device, 32 raw bytes each.

    `device_identity` is a companion's proof that its phone linked it; the phone itself has none.
    """

    registration_id: int
    identity_key: bytes
    signed_prekey_id: int
    signed_prekey: bytes
    signed_prekey_signature: bytes
    prekey_id: int | None = None
    prekey: bytes | None = None
    device_identity: bytes = b""


class _Agreement(x3dh.BaseState):
    @staticmethod
    def _encode_public_key(key_format: x3dh.IdentityKeyFormat, pub: bytes) -> bytes:
        return pub if key_format is x3dh.IdentityKeyFormat.ED_25519 else KEY_TYPE + pub


def _state(
    identity_private: bytes,
    signed_prekey: SignedPrekey,
    prekey_private: bytes | None,
    key_format: x3dh.IdentityKeyFormat,
) -> _Agreement:
    return _Agreement.from_model(
        x3dh.BaseStateModel(
            identity_key=x3dh.IdentityKeyPairModel(
                secret=identity_private, secret_type=SecretType.PRIV
            ),
            signed_pre_key=x3dh.SignedPreKeyPairModel(
                priv=signed_prekey.private, sig=signed_prekey.signature, timestamp=0
            ),
            old_signed_pre_key=None,
            pre_keys=frozenset() if prekey_private is None else frozenset({prekey_private}),
        ),
        key_format,
        x3dh.HashFunction.SHA_256,
        b"WhisperText",
    )


async def initiate(
    identity_private: bytes, own_signed_prekey: SignedPrekey, bundle: Bundle
) -> tuple[bytes, bytes]:
    """Agree on a secret with the owner of `bundle`; return it and the public base key.

    Raises `BadSignature`.
    """
    signature = bundle.signed_prekey_signature
    if not verify(bundle.identity_key, KEY_TYPE + bundle.signed_prekey, signature):
        raise BadSignature
    # The library assumes a zero sign for Curve25519 identity keys, but libsignal carries the sign
    # in the signature's highest bit, and half of all keys have it set. So the library gets the
    # Edwards form of the key with that sign, from which it derives the same Curve25519 key.
    signed = bool(signature[63] & 0x80)
    state = _state(identity_private, own_signed_prekey, None, x3dh.IdentityKeyFormat.ED_25519)
    try:
        secret, _, agreed = await state.get_shared_secret_active(
            x3dh.Bundle(
                identity_key=xeddsa.curve25519_pub_to_ed25519_pub(bundle.identity_key, signed),
                signed_pre_key=bundle.signed_prekey,
                signed_pre_key_sig=signature[:63] + bytes([signature[63] & 0x7F]),
                pre_keys=frozenset() if bundle.prekey is None else frozenset({bundle.prekey}),
            ),
            require_pre_key=False,
        )
    except (x3dh.KeyAgreementException, xeddsa.XEdDSAException, ValueError) as error:
        raise BadSignature from error
    return secret, agreed.ephemeral_key


async def respond(
    identity_private: bytes,
    signed_prekey: SignedPrekey,
    prekey: tuple[bytes, bytes] | None,
    their_identity: bytes,
    base_key: bytes,
) -> bytes:
    """The secret that an initiator agreed on with our keys; `prekey` is (private, public).

    Raises `BadKey`.
    """
    private, public = prekey or (None, None)
    state = _state(identity_private, signed_prekey, private, x3dh.IdentityKeyFormat.CURVE_25519)
    try:
        secret, _, _ = await state.get_shared_secret_passive(
            x3dh.Header(
                identity_key=their_identity,
                ephemeral_key=base_key,
                signed_pre_key=signed_prekey.public,
                pre_key=public,
            ),
            require_pre_key=False,
        )
    except (x3dh.KeyAgreementException, xeddsa.XEdDSAException, ValueError) as error:
        raise BadKey from error
    return secret
