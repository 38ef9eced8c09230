"""Encrypts by one session's double ratchet (libsignal version 3), and advances receiving chains for `trial_decryption`.

https://signal.org/docs/specifications/doubleratchet/ with the info strings ``WhisperRatchet`` and
``WhisperMessageKeys``. The Diffie-Hellman ratchet and its chains are those of the library `doubleratchet`. It would derive
the keys of all messages that were passed over before it checks a MAC; here a receiving chain is only
followed first (`Ratchet.chain_of`), and the ratchet moves by `advance` once the message was authentic.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import doubleratchet
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from doubleratchet.models import DiffieHellmanRatchetModel, KDFChainModel
from doubleratchet.recommended import HashFunction, kdf_hkdf, kdf_separate_hmacs
from doubleratchet.recommended.diffie_hellman_ratchet_curve25519 import DiffieHellmanRatchet

from actors.connection.native.signal.chains import MAX_JUMP
from actors.connection.native.signal.message_cipher import Identities, seal
from actors.connection.native.signal.signal_messages import header
from actors.connection.protocol.decryption_errors import Undecryptable

MAX_CHAINS = 5
"""Receiving chains whose late messages still decrypt (libsignal's MAX_RECEIVER_CHAINS)."""


class _RootChain(kdf_hkdf.KDF):
    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256

    @staticmethod
    def _get_info() -> bytes:
        return b"WhisperRatchet"


class _MessageChain(kdf_separate_hmacs.KDF):
    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256


# The HMAC of 0x02 is the next chain key, that of 0x01 the message key.
_MESSAGE_CHAIN_CONSTANT = b"\x02\x01"

_KDFS = (_RootChain, _MessageChain, _MESSAGE_CHAIN_CONSTANT, MAX_JUMP)


def _encoded(sent: doubleratchet.Header) -> bytes:
    # The number of messages in the previous chain, as the specification has it. libsignal writes
    # the last message's counter there and reads nothing; its JavaScript form reads the counter,
    # and to it this is one key too many, kept and never used.
    return header(sent.ratchet_pub, sent.sending_chain_length, sent.previous_sending_chain_length)


@dataclass(frozen=True, slots=True)
class PrekeyPart:
    """The part that each message carries until the peer is known to have the session."""

    prekey_id: int | None
    signed_prekey_id: int


@dataclass(frozen=True, slots=True)
class Chain:
    """A receiving chain: the peer's ratchet key, the counter of its next message, the chain key there."""

    ratchet_key: bytes
    counter: int
    key: bytes = field(repr=False)


class Ratchet:
    """One session's state; it is stored as `dump`'s text. Keys of passed messages are rows elsewhere."""

    def __init__(
        self,
        model: DiffieHellmanRatchetModel,
        peer_keys: tuple[bytes, ...],
        registration_id: int,
        pending: PrekeyPart | None,
    ) -> None:
        self._model = model
        self.peer_keys = peer_keys
        """The peer's last ratchet keys, newest first."""
        self.registration_id = registration_id
        self.pending = pending

    @classmethod
    async def begin(
        cls, secret: bytes, signed_prekey: bytes, registration_id: int, pending: PrekeyPart
    ) -> Ratchet:
        """The initiator's: its first chain is against the peer's signed prekey (32 bytes)."""
        first = await DiffieHellmanRatchet.create(None, signed_prekey, _KDFS[0], secret, *_KDFS[1:])
        return cls(first.model, (signed_prekey,), registration_id, pending)

    @classmethod
    async def respond(
        cls, secret: bytes, signed_prekey_private: bytes, registration_id: int, ratchet_key: bytes
    ) -> Ratchet:
        """The responder's, before its first message. Raises `Undecryptable` for a key of low order."""
        try:
            first = await DiffieHellmanRatchet.create(
                signed_prekey_private, ratchet_key, _KDFS[0], secret, *_KDFS[1:]
            )
        except ValueError as error:
            raise Undecryptable("invalid_message") from error
        return cls(first.model, (ratchet_key,), registration_id, None)

    @classmethod
    def load(cls, text: str) -> Ratchet:
        """The inverse of `dump`."""
        state = json.loads(text)
        pending = state["pending"]
        return cls(
            DiffieHellmanRatchetModel.model_validate(state["ratchet"]),
            tuple(bytes.fromhex(key) for key in state["peer_keys"]),
            state["registration_id"],
            None if pending is None else PrekeyPart(**pending),
        )

    def dump(self) -> str:
        """The session as JSON, for its row of the session file; skipped keys have rows of their own."""
        return json.dumps(
            {
                "peer_keys": [key.hex() for key in self.peer_keys],
                "registration_id": self.registration_id,
                "pending": None
                if self.pending is None
                else {
                    "prekey_id": self.pending.prekey_id,
                    "signed_prekey_id": self.pending.signed_prekey_id,
                },
                "ratchet": self._model.model_dump(mode="json"),
            },
            separators=(",", ":"),
            ensure_ascii=False,
        )

    @property
    def receiving(self) -> Chain | None:
        """The newest chain; None before a message of the peer, for nobody sends on a signed prekey's."""
        chain = self._model.symmetric_key_ratchet.receiving_chain
        return None if chain is None else Chain(self.peer_keys[0], chain.length, chain.key)

    @property
    def own_key(self) -> bytes:
        """The own private ratchet key (32 bytes), which each next chain of the peer is agreed with."""
        return self._model.own_ratchet_priv

    @property
    def sent(self) -> bool:
        """Whether anything left under the own ratchet key: without that the peer has no next chain."""
        chain = self._model.symmetric_key_ratchet.sending_chain
        return chain is not None and chain.length > 0

    async def encrypt(self, plaintext: bytes, identities: Identities) -> bytes:
        """The next ``msg``, MAC included."""
        ratchet = DiffieHellmanRatchet.from_model(self._model, *_KDFS)
        seed, sent = await ratchet.next_encryption_key()
        self._model = ratchet.model
        return seal(seed, _encoded(sent), plaintext, identities)

    async def chain_of(self, ratchet_key: bytes) -> Chain:
        """The chain that begins with this ratchet key. Raises `Undecryptable` for one of low order."""
        try:
            own = X25519PrivateKey.from_private_bytes(self.own_key)
            agreed = own.exchange(X25519PublicKey.from_public_bytes(ratchet_key))
        except ValueError as error:
            raise Undecryptable("invalid_message") from error
        derived = await _RootChain.derive(self._model.root_chain.key, agreed, 64)
        return Chain(ratchet_key, 0, derived[32:])

    async def advance(self, chain: Chain) -> tuple[bytes, ...]:
        """Go on from this place of the newest chain or of the next one.

        Returns the ratchet keys of chains that are not read any more.
        """
        dropped: tuple[bytes, ...] = ()
        if chain.ratchet_key != self.peer_keys[0]:
            ratchet = DiffieHellmanRatchet.from_model(self._model, *_KDFS)
            await ratchet.next_decryption_key(doubleratchet.Header(chain.ratchet_key, 0, 0))
            self._model = ratchet.model
            chains = (chain.ratchet_key, *self.peer_keys)
            self.peer_keys, dropped = chains[:MAX_CHAINS], chains[MAX_CHAINS:]
        self._model.symmetric_key_ratchet.receiving_chain = KDFChainModel(
            length=chain.counter, key=chain.key
        )
        self.pending = None
        return dropped
