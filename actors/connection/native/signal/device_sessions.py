"""Sets up Signal sessions in the session file, encrypts and decrypts each message (``msg``, ``pkmsg``), and makes prekeys.

Everything that changes the session file is to be called inside ``session.transaction()``: the
sender's ratchet commits before its bytes leave, the receiver's together with the inbox row (G5).
Padding of plaintexts is the caller's. Addresses are opaque here, the caller has normalized them.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Literal

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from actors.connection.native.signal.decryption_budget import (
    ACCEPTANCE,
    ORDINARY,
    Allowance,
    Budgets,
    Prepared,
)
from actors.connection.native.signal.key_agreement import BadSignature, Bundle, initiate
from actors.connection.native.signal.message_cipher import Identities
from actors.connection.native.signal.ratchet import PrekeyPart, Ratchet
from actors.connection.native.signal.signal_messages import (
    MalformedSignalMessage,
    PrekeyMessage,
    SignalMessage,
)
from actors.connection.native.signal.signatures import KEY_TYPE, sign
from actors.connection.native.signal.trial_decryption import Trial, TrialDecryption
from actors.connection.protocol.decryption_errors import Reason, Undecryptable, Unprepared
from actors.connection.session.file import SessionUnlinked
from actors.connection.session.identities.credentials import Credentials, SignedPrekey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.connection.session.session import Session

__all__ = [
    "BadSignature",
    "Bundle",
    "NoSession",
    "Reason",
    "Signal",
    "Undecryptable",
    "Unprepared",
    "new_credentials",
]


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
    `on_identity_change` is called with the address of each device that shows up with another identity key
    (it was reinstalled), while the transaction is still open.

    An ordinary message is decrypted inside its transaction alone. More is computed by `prepare` before
    it, as far as the sender's budget goes: first messages, long jumps, tries of archived sessions.
    """

    def __init__(
        self, session: Session, *, on_identity_change: Callable[[str], None] | None = None
    ) -> None:
        self._session = session
        self._on_identity_change = on_identity_change
        self._trial = Trial(session)
        self._prepared: Prepared[TrialDecryption] = Prepared()
        self.budgets = Budgets()
        """Processor time that each device may cause."""

    # sessions

    def has_session(self, address: str) -> bool:
        """Whether `encrypt` has a session for the address."""
        return self._session.keys.has_current_ratchet(address)

    def registration(self, address: str) -> int | None:
        """The registration id of the installation that `encrypt` encrypts for; None for none."""
        stored = self._session.keys.current_ratchet(address)
        return None if stored is None else Ratchet.load(stored.state).registration_id

    def awaits_answer(self, address: str, bundle: Bundle) -> bool:
        """Whether the session to encrypt with was set up from this very bundle and is unanswered.

        Its one-time prekey serves one session: a second one from it could not be read.
        """
        stored = self._session.keys.current_ratchet(address)
        if stored is None or stored.identity != bundle.identity_key:
            return False
        ratchet = Ratchet.load(stored.state)
        used = PrekeyPart(bundle.prekey_id, bundle.signed_prekey_id)
        return ratchet.pending == used and ratchet.registration_id == bundle.registration_id

    def distrust(self, user: str) -> None:
        """A person set up their phone anew: the next messages go on fresh sessions.

        `user` is canonical; all devices are meant. Their sessions still decrypt what is on its way,
        and the next identity key of each is taken for its own.
        """
        self._session.keys.archive_user(user)

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
                PrekeyPart(prekey_id, bundle.signed_prekey_id),
            )
        except ValueError as error:
            raise BadSignature from error
        changed = self._learn_identity(address, bundle.identity_key)
        self._prepared.drop(address)
        self._session.keys.add_ratchet(
            address, base_key, bundle.identity_key, ratchet.dump(), ratchet.peer_keys[0]
        )
        return changed

    async def encrypt(
        self, address: str, plaintext: bytes
    ) -> tuple[Literal["pkmsg", "msg"], bytes]:
        """The next message for the device; a ``pkmsg`` until a message of the peer came on the session.

        Raises `NoSession`. The bytes may leave only once the transaction is committed: a message key
        that is used twice makes the next message undecryptable.
        """
        stored = self._session.keys.current_ratchet(address)
        if stored is None:
            raise NoSession
        own = self._own()
        ratchet = Ratchet.load(stored.state)
        message = await ratchet.encrypt(plaintext, Identities(own.identity_public, stored.identity))
        self._session.keys.save_ratchet(
            stored.id, ratchet.dump(), ratchet.peer_keys[0], stored.kept
        )
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

    def waits(self, address: str, ciphertext: bytes) -> bool:
        """Whether `prepare` is of use: it was not called, and no prepared message changes the sessions with the device."""
        return self._prepared.waits(address, ciphertext)

    async def prepare(self, address: str, kind: Literal["pkmsg", "msg"], ciphertext: bytes) -> int:
        """Try a message outside the transaction in which it will be decrypted; change nothing.

        The result holds until the sessions with the device change, or until `forget_prepared`. Returns the effort
        that refusing it took, 0 of one that is read.
        """
        base = ACCEPTANCE if kind == "pkmsg" else 0
        with self.budgets.allowance(address, len(ciphertext), base=base) as allowance:
            try:
                found = await self._try(address, kind, ciphertext, allowance)
            except Undecryptable as refused:
                self._prepared.put(address, ciphertext, refused)
                return allowance.spent
        self._prepared.put(address, ciphertext, found)
        return 0

    def forget_prepared(self) -> None:
        """Drop the results of trials on sessions."""
        self._prepared.clear()

    async def decrypt(
        self, address: str, kind: Literal["pkmsg", "msg"], ciphertext: bytes
    ) -> bytes:
        """The plaintext of a message from the device.

        A ``pkmsg`` uses up the prekey it names, in the same transaction. A message on an archived
        session makes that one current, as the peer evidently uses it. Raises `Undecryptable`, or
        `Unprepared` where it takes more than an ordinary message; then nothing has changed.
        """
        found = self._prepared.get(address, ciphertext)
        ratchet = None if found is None else self._still_fits(address, ciphertext, found)
        if found is None or ratchet is None:
            size = len(ciphertext)
            # First messages are ordinary, and prepared all the same.
            first = Allowance(ORDINARY, size, within=True)
            allowance = first if kind == "pkmsg" else self.budgets.within(address, size)
            found = await self._try(address, kind, ciphertext, allowance)
            ratchet = found.ratchet
        self._prepared.drop(address)
        if found.stored is None:
            await self._add(address, PrekeyMessage.decode(ciphertext), found)
        else:
            await self._save(address, found, ratchet)
        return found.plaintext

    async def _try(
        self, address: str, kind: Literal["pkmsg", "msg"], ciphertext: bytes, allowance: Allowance
    ) -> TrialDecryption:
        own = self._own()
        try:
            if kind == "msg":
                message = SignalMessage.decode(ciphertext)
                return await self._trial.message(own, address, message, allowance)
            envelope = PrekeyMessage.decode(ciphertext)
            message = SignalMessage.decode(envelope.message)
        except MalformedSignalMessage as error:
            raise Undecryptable("invalid_message") from error
        ratchet = self._session.keys.ratchet_of(address, envelope.base_key, envelope.identity_key)
        if ratchet is not None:
            return await self._trial.message_on(own, ratchet, message, allowance)
        return await self._trial.first(own, envelope, message, allowance)

    def _still_fits(
        self, address: str, ciphertext: bytes, found: TrialDecryption
    ) -> Ratchet | None:
        """The session's state today; None where it is not the one on which the message was tried."""
        if found.stored is None:
            used = PrekeyMessage.decode(ciphertext).prekey_id
            there = used is None or self._session.keys.prekey(used) is not None
            return found.ratchet if there else None
        stored = self._session.keys.ratchet(address, found.stored.id)
        ratchet = None if stored is None else Ratchet.load(stored.state)
        return ratchet if ratchet is not None and found.fits(ratchet) else None

    async def _add(self, address: str, envelope: PrekeyMessage, found: TrialDecryption) -> None:
        """Store the session that a first message sets up."""
        ratchet = found.ratchet
        assert found.after is not None
        await ratchet.advance(found.after)
        self._learn_identity(address, envelope.identity_key)
        made = self._session.keys.add_ratchet(
            address,
            envelope.base_key,
            envelope.identity_key,
            ratchet.dump(),
            ratchet.peer_keys[0],
            spent=self._session.keys.signed_prekey_spent(envelope.signed_prekey_id),
        )
        if found.skipped:
            self._save_ratchet(address, made, 0, found, ratchet)
        if envelope.prekey_id is not None:
            self._session.keys.delete_prekey(envelope.prekey_id)

    async def _save(self, address: str, found: TrialDecryption, ratchet: Ratchet) -> None:
        """Store a session after a message that was read on it."""
        stored = found.stored
        assert stored is not None
        kept = stored.kept
        if found.used is not None:
            kept -= self._session.skipped_keys.use(stored.id, *found.used)
        ratchet.pending = None
        if found.after is not None:
            dropped = await ratchet.advance(found.after)
            if dropped and kept:
                kept -= self._session.skipped_keys.drop(stored.id, dropped)
        self._save_ratchet(address, stored.id, kept, found, ratchet)
        # A device's late message from before it was reinstalled must not bring its dead session back.
        archived = not stored.current and not stored.spent
        if archived and stored.identity == self._session.keys.identity(address):
            self._session.keys.promote_ratchet(address, stored.id)

    def _save_ratchet(
        self, address: str, ratchet_id: int, kept: int, found: TrialDecryption, ratchet: Ratchet
    ) -> None:
        """Save a session's state, and the keys of messages that were passed over."""
        if found.skipped:
            kept = self._session.skipped_keys.add(
                ratchet_id, kept, found.skipped, ratchet.peer_keys
            )
        self._session.keys.save_ratchet(ratchet_id, ratchet.dump(), ratchet.peer_keys[0], kept)
        if found.skipped:
            self._session.skipped_keys.bound(address, ratchet_id, len(found.skipped))

    # prekeys

    def make_prekeys(self, count: int) -> list[tuple[int, bytes]]:
        """Fresh prekeys to give away, (id, public key); ids are never used again."""
        made = self._session.keys.add_prekeys(
            [new_key_pair() for _ in range(count)], published=True
        )
        return [(key.id, key.public) for key in made]

    def prekeys_to_publish(self, count: int) -> list[tuple[int, bytes]]:
        """`count` prekeys to upload: those of an upload that was never confirmed, then fresh ones.

        Upload them after the transaction, and call `published` once WhatsApp accepted them.
        """
        keys = self._session.keys.unpublished_prekeys(count)
        fresh = [new_key_pair() for _ in range(count - len(keys))]
        keys += self._session.keys.add_prekeys(fresh, published=False)
        return [(key.id, key.public) for key in keys]

    def published(self, prekey_ids: Sequence[int]) -> None:
        """WhatsApp accepted the upload of these prekeys."""
        self._session.keys.mark_published(prekey_ids)

    def _learn_identity(self, address: str, identity: bytes) -> bool:
        changed = self._session.keys.save_identity(address, identity)
        if changed and self._on_identity_change is not None:
            self._on_identity_change(address)
        return changed

    def _own(self) -> Credentials:
        own = self._session.credentials.read()
        if own is None:
            raise SessionUnlinked
        return own
