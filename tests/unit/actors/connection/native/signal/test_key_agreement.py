"""Bundles: which are believed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import xeddsa

from actors.connection.native.signal.device_sessions import BadSignature, new_key_pair
from actors.connection.native.signal.signatures import KEY_TYPE, verify

if TYPE_CHECKING:
    from tests.unit.actors.connection.native.signal_devices import Device


async def test_a_bundle_with_a_forged_signature_is_refused(alice: Device, bob: Device) -> None:
    bundle = await bob.bundle()
    stranger = new_key_pair()[1]
    before = alice.content()
    for forged in (
        replace(bundle, signed_prekey=stranger),
        replace(bundle, identity_key=stranger),
        replace(bundle, signed_prekey_signature=bytes(64)),
        replace(bundle, signed_prekey_signature=bundle.signed_prekey_signature[:63]),
        replace(bundle, signed_prekey_signature=b""),
        replace(bundle, identity_key=bytes(32)),
        replace(bundle, prekey=bytes(32)),
        replace(bundle, prekey=b"short"),
    ):
        with pytest.raises(BadSignature):
            await alice.establish(forged)
    assert alice.content() == before


async def test_a_signature_with_libsignals_sign_bit_is_accepted(alice: Device, bob: Device) -> None:
    """As libsignal does: signed with the key as it is, its Edwards sign in the highest bit."""
    own = bob.session.credentials.read()
    assert own is not None
    bundle = await bob.bundle()
    while True:
        private = new_key_pair()[0]
        edwards = xeddsa.priv_to_ed25519_pub(private)
        if edwards[31] & 0x80:
            break
    public = xeddsa.priv_to_curve25519_pub(private)
    signature = xeddsa.ed25519_priv_sign(private, KEY_TYPE + bundle.signed_prekey)
    signature = signature[:63] + bytes([signature[63] | 0x80])
    assert verify(public, KEY_TYPE + bundle.signed_prekey, signature)
    async with bob.session.transaction():
        bob.session.credentials.save(replace(own, identity_private=private, identity_public=public))
    await alice.establish(replace(bundle, identity_key=public, signed_prekey_signature=signature))
    assert await bob.decrypt(await alice.encrypt(b"hello")) == b"hello"
