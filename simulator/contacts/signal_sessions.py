"""Computes simulated devices' Signal sessions as immutable values: X3DH, Double Ratchet, fields of a `pkmsg`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from simulator.wire.protocol_library import (
    IdentityKeyPair,
    PreKeyBundle,
    PreKeySignalMessage,
    RatchetState,
    SignalMessage,
    ratchet_decrypt,
    ratchet_encrypt,
    ratchet_init_alice,
    ratchet_init_bob,
    x3dh_initiator,
    x3dh_responder,
)

# As many old sessions as libsignal keeps, for messages in flight at the begin of a new one.
MAX_SESSIONS: Final = 40

_BYTES: Final = ("dhs_priv", "dhs_pub", "dhr", "rk", "cks", "ckr")
_NUMBERS: Final = ("ns", "nr", "pn")


@dataclass(frozen=True)
class SignalSession:
    """One session with one device.

    `base_key` is the initiator's ephemeral, set on what we received; `pending` is (one-time prekey
    id, signed prekey id, ephemeral) until the first answer proves that the other side has the
    session.
    """

    ratchet: Any
    peer_identity: bytes
    base_key: bytes | None
    pending: tuple[int | None, int, bytes] | None

    def dump(self) -> dict[str, Any]:
        """Returns the session as values of JSON; bytes in hexadecimal digits."""
        state = self.ratchet
        return {
            **{name: _hex(getattr(state, name)) for name in _BYTES},
            **{name: getattr(state, name) for name in _NUMBERS},
            "skipped": [[dh.hex(), n, key.hex()] for (dh, n), key in state.mkskipped.items()],
            "peer": self.peer_identity.hex(),
            "base": _hex(self.base_key),
            "pending": None
            if self.pending is None
            else [self.pending[0], self.pending[1], self.pending[2].hex()],
        }

    @classmethod
    def load(cls, data: dict[str, Any]) -> SignalSession:
        """Returns the session of the values that `dump` made."""
        ratchet = RatchetState(
            **{name: _unhex(data[name]) for name in _BYTES},
            **{name: data[name] for name in _NUMBERS},
            mkskipped={
                (bytes.fromhex(dh), n): bytes.fromhex(key) for dh, n, key in data["skipped"]
            },
        )
        pending = data["pending"]
        return cls(
            ratchet,
            bytes.fromhex(data["peer"]),
            _unhex(data["base"]),
            None if pending is None else (pending[0], pending[1], bytes.fromhex(pending[2])),
        )


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _unhex(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value)


def dumped(sessions: list[SignalSession]) -> str:
    """Returns the sessions with a peer as JSON, in their order."""
    return json.dumps([session.dump() for session in sessions], separators=(",", ":"))


def loaded(record: str) -> list[SignalSession]:
    """Returns the sessions of the JSON that `dumped` made."""
    return [SignalSession.load(data) for data in json.loads(record)]


def _copied(ratchet: Any) -> Any:
    return replace(ratchet, mkskipped=dict(ratchet.mkskipped))


def initiated(identity: IdentityKeyPair, bundle: PreKeyBundle) -> SignalSession:
    """A new session from the other device's bundle.

    Raises the library's SignalCryptoError when the bundle's signature does not verify.
    """
    agreed = x3dh_initiator(identity, bundle)
    return SignalSession(
        ratchet_init_alice(agreed.shared_secret, bundle.signed_pre_key_public),
        bundle.identity_key,
        None,
        (
            agreed.used_one_time_pre_key_id,
            agreed.used_signed_pre_key_id,
            agreed.ephemeral_public,
        ),
    )


def accepted(
    identity: IdentityKeyPair, signed_prekey: Any, one_time_prekey: Any, message: Any
) -> SignalSession:
    """The session that a first message (`pkmsg`) opens, not yet proven by its MAC."""
    agreed = x3dh_responder(
        identity, signed_prekey, one_time_prekey, message.identity_key, message.base_key
    )
    return SignalSession(
        ratchet_init_bob(agreed.shared_secret, signed_prekey.private, signed_prekey.public),
        message.identity_key,
        message.base_key,
        None,
    )


def encrypted(
    session: SignalSession, identity: IdentityKeyPair, registration: int, plaintext: bytes
) -> tuple[SignalSession, str, bytes]:
    """The session afterwards, the kind (`pkmsg` until answered, then `msg`), the bytes."""
    ratchet = _copied(session.ratchet)
    header, sealed, mac_key = ratchet_encrypt(ratchet, plaintext, b"")
    message = SignalMessage(header=header, ciphertext=sealed)
    after = replace(session, ratchet=ratchet)
    if session.pending is None:
        return after, "msg", message.encode(identity.public, session.peer_identity, mac_key)
    one_time, signed, ephemeral = session.pending
    first = PreKeySignalMessage(registration, one_time, signed, ephemeral, identity.public, message)
    return after, "pkmsg", first.encode(identity.public, session.peer_identity, mac_key)


def decrypted(
    session: SignalSession, own_public: bytes, message: Any
) -> tuple[SignalSession, bytes]:
    """The session afterwards and the plaintext.

    Raises the library's SignalCryptoError when the MAC does not verify; the given session
    does not change, so that a forged message cannot damage it.
    """
    ratchet = _copied(session.ratchet)
    plaintext = ratchet_decrypt(
        ratchet,
        message.header,
        message.ciphertext,
        b"",
        verify_mac=lambda key: message.verify_mac(session.peer_identity, own_public, key),
    )
    return replace(session, ratchet=ratchet, pending=None), plaintext
