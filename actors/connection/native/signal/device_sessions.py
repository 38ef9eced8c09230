"""End-to-end encryption with single devices: sessions, prekeys, ``msg`` and ``pkmsg``.

Everything that changes the session file is to be called inside ``session.transaction()``: the
sender's ratchet commits before its bytes leave, the receiver's together with the inbox row (G5).
Padding of plaintexts is the caller's. Addresses are opaque here, the caller has normalized them.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Literal

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from actors.connection.native.signal.agreement import (
    BadKey,
    BadSignature,
    Bundle,
    initiate,
    respond,
)
from actors.connection.native.signal.envelope import (
    MAX_BYTES,
    Malformed,
    PrekeyMessage,
    SignalMessage,
)
from actors.connection.native.signal.ratchet import (
    MAX_JUMP,
    MAX_SKIPPED,
    Identities,
    Pending,
    Ratchet,
    Reason,
    Undecryptable,
)
from actors.connection.native.signal.signatures import KEY_TYPE, sign
from actors.connection.session.identities.credentials import Credentials, SignedPrekey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.connection.session.identities.signal_keys import StoredRatchet
    from actors.connection.session.session import Session

__all__ = [
    "BadSignature",
    "Bundle",
    "NoSession",
    "Reason",
    "Signal",
    "Undecryptable",
    "new_credentials",
]

MAX_PLAINTEXT = MAX_BYTES - 1024


class NoSession(Exception):  # noqa: N818 - reads as what it is
    """There is no session to encrypt with; fetch the device's bundle and `Signal.establish`."""


def new_key_pair() -> tuple[bytes, bytes]:
    """A fresh Curve25519 key pair, (private, public), 32 bytes each."""
    key = X25519PrivateKey.generate()
    return key.private_bytes_raw(), key.public_key().public_bytes_raw()


def new_signed_prekey(identity_private: bytes, prekey_id: int) -> SignedPrekey:
    """A fresh signed prekey; the signature is over its public key with the type byte."""
    private, public = new_key_pair()
    return SignedPrekey(prekey_id, private, public, sign(identity_private, KEY_TYPE + public))


def new_credentials() -> Credentials:
    """Fresh keys for a device that is to be paired. Nothing is stored.

    The registration id is one of libsignal's, 1 to 16380.
    """
    identity_private, identity_public = new_key_pair()
    return Credentials(
        noise_private=new_key_pair()[0],
        identity_private=identity_private,
        identity_public=identity_public,
        registration_id=secrets.randbelow(16_380) + 1,
        adv_secret=secrets.token_bytes(32),
        signed_prekey=new_signed_prekey(identity_private, 1),
    )


class Signal:
    """The sessions of one account's device with other devices.

    Up to 41 sessions per address: one to encrypt with, and archived ones that still decrypt.
    `on_identity_change` hears the address of each device that shows up with another identity key
    (it was reinstalled), while the transaction is still open.
    """

    def __init__(
        self, session: Session, *, on_identity_change: Callable[[str], None] | None = None
    ) -> None:
        self._session = session
        self._on_identity_change = on_identity_change

    # sessions

    def has_session(self, address: str) -> bool:
        """Whether `encrypt` has a session for the address."""
        return self._session.current_ratchet(address) is not None

    def registration(self, address: str) -> int | None:
        """The registration id of the installation that `encrypt` encrypts for; None for none."""
        stored = self._session.current_ratchet(address)
        return None if stored is None else Ratchet.load(stored.state).registration_id

    def awaits_answer(self, address: str, bundle: Bundle) -> bool:
        """Whether the session to encrypt with was set up from this very bundle and is unanswered.

        Its one-time prekey serves one session: a second one from it could not be read.
        """
        stored = self._session.current_ratchet(address)
        if stored is None or stored.identity != bundle.identity_key:
            return False
        ratchet = Ratchet.load(stored.state)
        used = Pending(bundle.prekey_id, bundle.signed_prekey_id)
        return ratchet.pending == used and ratchet.registration_id == bundle.registration_id

    def distrust(self, user: str) -> None:
        """A person set up their phone anew: what is sent next goes on fresh sessions.

        `user` is canonical; all devices are meant. Their sessions still decrypt what is on its way,
        and the next identity key of each is taken for its own.
        """
        self._session.archive_user(user)

    async def establish(self, address: str, bundle: Bundle) -> bool:
        """Set up a session from a fetched bundle; the one before is archived.

        Returns whether the device has another identity key than before. Raises `BadSignature`
        where the signed prekey is not signed by the bundle's identity; then nothing has changed.
        """
        own = self._own()
        secret, base_key = await initiate(own.identity_private, own.signed_prekey, bundle)
        prekey_id = None if bundle.prekey is None else bundle.prekey_id
        try:
            ratchet = await Ratchet.begin(
                secret,
                bundle.signed_prekey,
                bundle.registration_id,
                Pending(prekey_id, bundle.signed_prekey_id),
            )
        except ValueError as error:
            raise BadSignature from error
        changed = self._learn_identity(address, bundle.identity_key)
        self._session.add_ratchet(address, base_key, bundle.identity_key, ratchet.dump())
        return changed

    async def encrypt(
        self, address: str, plaintext: bytes
    ) -> tuple[Literal["pkmsg", "msg"], bytes]:
        """The next message for the device; a ``pkmsg`` until the peer was heard on the session.

        Raises `NoSession`, and `ValueError` above a megabyte. The bytes may leave only once the
        transaction is committed: a message key that is used twice makes the next message
        undecryptable.
        """
        if len(plaintext) > MAX_PLAINTEXT:
            raise ValueError("the plaintext is too large")
        stored = self._session.current_ratchet(address)
        if stored is None:
            raise NoSession
        own = self._own()
        ratchet = Ratchet.load(stored.state)
        message = await ratchet.encrypt(plaintext, Identities(own.identity_public, stored.identity))
        self._session.save_ratchet(stored.id, ratchet.dump())
        if ratchet.pending is None:
            return "msg", message
        return "pkmsg", PrekeyMessage(
            registration_id=own.registration_id,
            prekey_id=ratchet.pending.prekey_id,
            signed_prekey_id=ratchet.pending.signed_prekey_id,
            base_key=stored.base_key,
            identity_key=own.identity_public,
            message=message,
        ).encode()

    async def decrypt(
        self, address: str, kind: Literal["pkmsg", "msg"], ciphertext: bytes
    ) -> bytes:
        """The plaintext of a message from the device.

        A ``pkmsg`` uses up the prekey it names, in the same transaction. A message on an archived
        session makes that one current, as the peer evidently uses it. Raises `Undecryptable`;
        then nothing has changed.
        """
        try:
            if kind == "pkmsg":
                envelope = PrekeyMessage.decode(ciphertext)
                message = SignalMessage.decode(envelope.message)
                return await self._decrypt_first(address, envelope, message)
            message = SignalMessage.decode(ciphertext)
        except Malformed as error:
            raise Undecryptable("invalid_message") from error
        return await self._decrypt_with(address, self._session.ratchets(address), message)

    async def _decrypt_first(
        self, address: str, envelope: PrekeyMessage, message: SignalMessage
    ) -> bytes:
        known = [
            one
            for one in self._session.ratchets(address)
            if (one.base_key, one.identity) == (envelope.base_key, envelope.identity_key)
        ]
        if known:
            return await self._decrypt_with(address, known, message)
        signed_prekey = self._session.signed_prekey(envelope.signed_prekey_id)
        if signed_prekey is None:
            raise Undecryptable("invalid_signed_prekey")
        prekey = None
        if envelope.prekey_id is not None:
            prekey = self._session.prekey(envelope.prekey_id)
            if prekey is None:
                raise Undecryptable("invalid_prekey")
        own = self._own()
        try:
            secret = await respond(
                own.identity_private,
                signed_prekey,
                None if prekey is None else (prekey.private, prekey.public),
                envelope.identity_key,
                envelope.base_key,
            )
        except BadKey as error:
            raise Undecryptable("invalid_message") from error
        ratchet, plaintext = await Ratchet.accept(
            secret,
            signed_prekey.private,
            envelope.registration_id,
            message,
            Identities(own.identity_public, envelope.identity_key),
        )
        self._learn_identity(address, envelope.identity_key)
        self._session.add_ratchet(address, envelope.base_key, envelope.identity_key, ratchet.dump())
        if prekey is not None:
            self._session.delete_prekey(prekey.id)
        return plaintext

    async def _decrypt_with(
        self, address: str, candidates: Sequence[StoredRatchet], message: SignalMessage
    ) -> bytes:
        own = self._own()
        reason: Reason = "no_session"
        for stored in candidates:
            ratchet = Ratchet.load(stored.state)
            try:
                plaintext = await ratchet.decrypt(
                    message,
                    Identities(own.identity_public, stored.identity),
                    # What a forged counter costs is bounded by this, once per session.
                    max_jump=MAX_JUMP if stored.current else MAX_SKIPPED,
                )
            except Undecryptable as refused:
                # A message of another session fails its MAC here; any other reason says that the
                # message belongs to this one.
                if reason in ("no_session", "bad_mac"):
                    reason = refused.reason
                continue
            self._session.save_ratchet(stored.id, ratchet.dump())
            # A device's late message from before it was reinstalled must not bring its dead
            # session back.
            known = stored.identity == self._session.identity(address)
            if not stored.current and not stored.spent and known:
                self._session.promote_ratchet(address, stored.id)
            return plaintext
        raise Undecryptable(reason)

    # prekeys

    def make_prekeys(self, count: int) -> list[tuple[int, bytes]]:
        """Fresh prekeys to give away, (id, public key); ids are never used again."""
        made = self._session.add_prekeys([new_key_pair() for _ in range(count)], published=True)
        return [(key.id, key.public) for key in made]

    def prekeys_to_publish(self, count: int) -> list[tuple[int, bytes]]:
        """`count` prekeys to upload: those of an upload that was never confirmed, then fresh ones.

        Upload them after the transaction, and call `published` once WhatsApp accepted them.
        """
        keys = self._session.unpublished_prekeys(count)
        fresh = [new_key_pair() for _ in range(count - len(keys))]
        keys += self._session.add_prekeys(fresh, published=False)
        return [(key.id, key.public) for key in keys]

    def published(self, prekey_ids: Sequence[int]) -> None:
        """WhatsApp accepted the upload of these prekeys."""
        self._session.mark_published(prekey_ids)

    def _learn_identity(self, address: str, identity: bytes) -> bool:
        changed = self._session.save_identity(address, identity)
        if changed and self._on_identity_change is not None:
            self._on_identity_change(address)
        return changed

    def _own(self) -> Credentials:
        own = self._session.credentials()
        if own is None:
            raise RuntimeError("no credentials")
        return own
