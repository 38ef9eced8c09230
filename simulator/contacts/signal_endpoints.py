"""Stores simulated devices with private keys in SQLite; builds prekey bundles, encrypts and decrypts for each device."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from simulator.contacts.signal_sessions import (
    MAX_SESSIONS,
    SignalSession,
    accepted,
    decrypted,
    dumped,
    encrypted,
    initiated,
    loaded,
)
from simulator.phones.adv import own_identity
from simulator.wire.certificates import public_key
from simulator.wire.protocol_library import (
    HOSTED_DEVICE,
    IdentityKeyPair,
    OneTimePreKey,
    PreKeyBundle,
    PreKeySignalMessage,
    SignalMessage,
    SignedPreKey,
    generate_pre_key,
    pad,
    unpad,
)

if TYPE_CHECKING:
    from simulator.store import Store

Peer = tuple[str, int]
PHONE: Final = 0
# tables of the state that a device loses on a reset
_CONVERSATIONS: Final = ("sessions", "endpoint_prekeys", "sender_keys", "sender_keys_shared")


class UndecryptableError(Exception):
    """No session decrypts the message. `code` is the reason, in a word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Bundle:
    """The prekey bundle that a device publishes so that others can open a session with it."""

    registration: int
    identity: bytes
    skey_id: int
    skey: bytes
    skey_signature: bytes
    prekey_id: int | None = None
    prekey: bytes | None = None

    def as_prekey_bundle(self) -> Any:
        return PreKeyBundle(
            self.identity,
            self.skey_id,
            self.skey,
            self.skey_signature,
            self.prekey_id,
            self.prekey,
        )


@dataclass
class SignalEndpoint:
    """A simulated device. Its ratchets commit with the transaction that used them.

    `adv` is the signed identity of a linked device, empty for a phone.
    """

    store: Store
    number: str
    device: int
    identity: Any
    registration: int
    signed_prekey: Any
    adv: bytes = b""
    key_index: int = 0
    _sessions: dict[Peer, list[SignalSession]] = field(default_factory=dict)

    def has_session(self, peer: Peer) -> bool:
        """Whether the device has a Signal session with the peer."""
        return bool(self._with(peer))

    def bundle(self, *, with_prekey: bool = True) -> Bundle:
        """Returns the prekey bundle of the device with an unused one-time prekey.

        Without the latter on request, as from a device that has none left.
        """
        signed = self.signed_prekey
        shown = Bundle(
            self.registration,
            self.identity.public,
            signed.key_id,
            signed.public,
            signed.signature,
        )
        if not with_prekey:
            return shown
        with self.store.transaction():
            key_id = self.store.number(
                "UPDATE endpoints SET next_prekey = next_prekey + 1"
                " WHERE number = ? AND device = ? RETURNING next_prekey - 1",
                self.number,
                self.device,
            )
            key = generate_pre_key(key_id)
            self.store.execute(
                "INSERT INTO endpoint_prekeys (number, device, id, private) VALUES (?, ?, ?, ?)",
                self.number,
                self.device,
                key_id,
                key.private,
            )
        return replace(shown, prekey_id=key_id, prekey=key.public)

    def encrypt(
        self, peer: Peer, plaintext: bytes, bundle: Bundle | None = None
    ) -> tuple[str, bytes]:
        """Pads and encrypts for one device; a bundle opens a new session first.

        Raises UndecryptableError("no-session") without either.
        """
        sessions = list(self._with(peer))
        if bundle is not None:
            sessions.insert(0, initiated(self.identity, bundle.as_prekey_bundle()))
        if not sessions:
            raise UndecryptableError("no-session")
        sessions[0], kind, sealed = encrypted(
            sessions[0], self.identity, self.registration, pad(plaintext)
        )
        self._save(peer, sessions)
        return kind, sealed

    def decrypt(self, peer: Peer, kind: str, sealed: bytes) -> bytes:
        """Decrypts and unpads what one device sent, trying the newest session first.

        A one-time prekey is spent only when its message proves itself. Raises UndecryptableError,
        and then nothing has changed.
        """
        if kind not in ("msg", "pkmsg"):
            raise UndecryptableError("unknown-kind")
        sessions = list(self._with(peer))
        spent: int | None = None
        try:
            if kind == "pkmsg":
                first = PreKeySignalMessage.decode(sealed)
                message = first.message
                if not any(session.base_key == first.base_key for session in sessions):
                    spent = first.one_time_pre_key_id
                    sessions.insert(0, self._opened(first))
            else:
                message = SignalMessage.decode(sealed)
        except UndecryptableError:
            raise
        except Exception as error:
            raise UndecryptableError("malformed") from error
        for index, session in enumerate(sessions):
            try:
                after, padded = decrypted(session, self.identity.public, message)
                plaintext = unpad(padded)
            except Exception:  # noqa: BLE001, S112 - on any failure the next session is tried
                continue
            del sessions[index]
            self._save(peer, [after, *sessions])
            if spent is not None:
                self.store.execute(
                    "DELETE FROM endpoint_prekeys WHERE number = ? AND device = ? AND id = ?",
                    self.number,
                    self.device,
                    spent,
                )
            return plaintext
        raise UndecryptableError("bad-mac" if sessions else "no-session")

    def _opened(self, first: Any) -> SignalSession:
        if first.signed_pre_key_id != self.signed_prekey.key_id:
            raise UndecryptableError("unknown-signed-prekey")
        one_time = None
        if first.one_time_pre_key_id is not None:
            found = self.store.row(
                "SELECT private FROM endpoint_prekeys WHERE number = ? AND device = ? AND id = ?",
                self.number,
                self.device,
                first.one_time_pre_key_id,
            )
            if found is None:
                raise UndecryptableError("unknown-prekey")
            private = bytes(found["private"])
            one_time = OneTimePreKey(first.one_time_pre_key_id, private, public_key(private))
        return accepted(self.identity, self.signed_prekey, one_time, first)

    def _with(self, peer: Peer) -> list[SignalSession]:
        if peer not in self._sessions:
            found = self.store.row(
                "SELECT record FROM sessions"
                " WHERE number = ? AND device = ? AND peer = ? AND peer_device = ?",
                self.number,
                self.device,
                *peer,
            )
            self._sessions[peer] = [] if found is None else loaded(found["record"])
        return self._sessions[peer]

    def _save(self, peer: Peer, sessions: list[SignalSession]) -> None:
        kept = sessions[:MAX_SESSIONS]
        self._sessions[peer] = kept
        self.store.execute(
            "INSERT OR REPLACE INTO sessions (number, device, peer, peer_device, record)"
            " VALUES (?, ?, ?, ?, ?)",
            self.number,
            self.device,
            *peer,
            dumped(kept),
        )


class SignalEndpoints:
    """All simulated devices. The phone of a number is created at its first use."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: dict[str, dict[int, SignalEndpoint]] = {}
        store.on_rollback(self._cache.clear)

    def of(self, number: str) -> dict[int, SignalEndpoint]:
        """Returns the number's simulated devices by their ids, the phone first."""
        if number not in self._cache:
            rows = self._store.rows(
                "SELECT * FROM endpoints WHERE number = ? ORDER BY device", number
            )
            played = {row["device"]: _endpoint(self._store, row) for row in rows}
            if PHONE not in played:
                played = {PHONE: self._make(number, PHONE), **played}
            self._cache[number] = played
        return self._cache[number]

    def get(self, number: str, device: int = PHONE) -> SignalEndpoint | None:
        """Returns a simulated device, None for a device that is not simulated."""
        return self.of(number).get(device)

    def phone(self, number: str) -> SignalEndpoint:
        """Returns the person's phone, which each person has."""
        return self.of(number)[PHONE]

    def link(
        self, number: str, device: int, *, raw_id: int, key_index: int, now: float
    ) -> SignalEndpoint:
        """Creates one more simulated device, signed by the phone."""
        identity = IdentityKeyPair.generate()
        adv = own_identity(
            self.phone(number).identity,
            identity,
            raw_id=raw_id,
            key_index=key_index,
            now=now,
            hosted=device == HOSTED_DEVICE,
        )
        linked = self._make(number, device, identity, adv, key_index)
        self._cache.pop(number, None)
        return linked

    def remove(self, number: str, device: int) -> None:
        """Deletes a device with its keys and sessions."""
        for table in (*_CONVERSATIONS, "endpoints"):
            self._store.execute(
                f"DELETE FROM {table} WHERE number = ? AND device = ?",  # noqa: S608
                number,
                device,
            )
        self._cache.pop(number, None)

    def forget(self, number: str, peer: str) -> int:
        """Drops the sessions of all the number's devices with those of `peer`; how many.

        And the sender keys that either gave the other.
        """
        dropped = self._store.execute(
            "DELETE FROM sessions WHERE number = ? AND peer = ?", number, peer
        ).rowcount
        for table in ("sender_keys", "sender_keys_shared"):
            self._store.execute(
                f"DELETE FROM {table} WHERE number = ? AND peer = ?",  # noqa: S608
                number,
                peer,
            )
        self._cache.pop(number, None)
        return dropped

    def reset(self, number: str) -> None:
        """The phone forgets its sessions and prekeys, and keeps its identity."""
        for table in _CONVERSATIONS:
            self._store.execute(
                f"DELETE FROM {table} WHERE number = ? AND device = ?",  # noqa: S608
                number,
                PHONE,
            )
        self._cache.pop(number, None)

    def _make(
        self,
        number: str,
        device: int,
        identity: Any = None,
        adv: bytes = b"",
        key_index: int = 0,
    ) -> SignalEndpoint:
        identity = identity or IdentityKeyPair.generate()
        signed = SignedPreKey.generate(identity, 1)
        registration = 1 + secrets.randbelow(16380)
        with self._store.transaction():
            self._store.execute(
                "INSERT INTO endpoints (number, device, identity, registration, skey_id, skey,"
                " skey_signature, adv, key_index) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                number,
                device,
                identity.private,
                registration,
                signed.key_id,
                signed.private,
                signed.signature,
                adv,
                key_index,
            )
        return SignalEndpoint(
            self._store, number, device, identity, registration, signed, adv, key_index
        )


def _endpoint(store: Store, row: Any) -> SignalEndpoint:
    private, skey = bytes(row["identity"]), bytes(row["skey"])
    return SignalEndpoint(
        store,
        row["number"],
        row["device"],
        IdentityKeyPair(private, public_key(private)),
        row["registration"],
        SignedPreKey(row["skey_id"], skey, public_key(skey), bytes(row["skey_signature"])),
        bytes(row["adv"]),
        row["key_index"],
    )
