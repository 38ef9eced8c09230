"""Computes libsignal's version 3 sender keys as values: creates, hands out, encrypts, verifies, decrypts (pure).

A member's device makes a chain of message keys and a key that signs, and hands both to each device
of the group over the session with it (`Distribution`). From then on one ciphertext serves all
(``skmsg``). Pure: a key is a value, and using it gives the next one.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7

from actors.connection.native.signal import signatures
from actors.connection.native.signal.chains import MAX_JUMP, following, seed, walk
from actors.connection.native.signal.decryption_budget import SIGNATURE
from actors.connection.native.signal.signal_messages import (
    MalformedSignalMessage,
    blob,
    blob_field,
    curve_key,
    fields,
    number,
    number_field,
    versioned,
    view,
)
from actors.connection.protocol.decryption_errors import Undecryptable

if TYPE_CHECKING:
    from actors.connection.native.signal.decryption_budget import Allowance

SIGNATURE_BYTES: Final = 64

MAX_ITERATION: Final = 0xFFFF_FFFF - MAX_JUMP
"""A chain that is followed this far is at its end."""

_VERSION = b"\x33"


@dataclass(frozen=True, slots=True)
class Distribution:
    """The key that a member hands to each device: the chain from `iteration` on, and its signer (32 bytes)."""

    key_id: int
    iteration: int
    chain: bytes = field(repr=False)
    signing: bytes

    def encode(self) -> bytes:
        """The bytes of libsignal's SenderKeyDistributionMessage, with the version before it."""
        return (
            _VERSION
            + number_field(1, self.key_id)
            + number_field(2, self.iteration)
            + blob_field(3, self.chain)
            + blob_field(4, signatures.KEY_TYPE + self.signing)
        )

    @classmethod
    def decode(cls, raw: bytes) -> Distribution:
        """Raises `MalformedSignalMessage`."""
        found = fields(versioned(raw), numbers={1, 2}, blobs={3, 4})
        chain = blob(found, 3)
        iteration = number(found, 2, default=0)
        if len(chain) != 32 or iteration > MAX_ITERATION:
            raise MalformedSignalMessage("not a chain")
        return cls(number(found, 1, default=0), iteration, chain, curve_key(blob(found, 4)))


@dataclass(frozen=True, slots=True)
class GroupMessage:
    """One ``skmsg``; `signed` is what `signature` is over."""

    key_id: int
    iteration: int
    ciphertext: memoryview
    signed: memoryview
    signature: bytes

    @classmethod
    def decode(cls, raw: bytes) -> GroupMessage:
        """Raises `MalformedSignalMessage`. The signature is not checked here: that takes the sender's key."""
        view_ = memoryview(raw)
        signed, signature = view_[:-SIGNATURE_BYTES], bytes(view_[-SIGNATURE_BYTES:])
        found = fields(versioned(signed), numbers={1, 2}, blobs={3})
        return cls(
            number(found, 1, default=0),
            number(found, 2, default=0),
            view(found, 3),
            signed,
            signature,
        )


@dataclass(frozen=True, slots=True)
class GroupRead:
    """A plaintext, and the changes that reading it makes: the key from now on, keys passed over, a key used up.

    `skipped` are (iteration, seed), oldest first; `used` is the iteration of the skipped key that served.
    """

    plaintext: bytes = field(repr=False)
    before: SenderKey
    after: SenderKey
    skipped: tuple[tuple[int, bytes], ...] = field(repr=False, default=())
    used: int | None = None


@dataclass(frozen=True, slots=True)
class SenderKey:
    """Another device's key for one group: its chain. Keys of messages that were passed over are kept elsewhere."""

    key_id: int
    signing: bytes
    iteration: int
    chain: bytes = field(repr=False)

    @classmethod
    def of(cls, handed: Distribution) -> SenderKey:
        """The sender key of a member, as the member's distribution message begins it."""
        return cls(handed.key_id, handed.signing, handed.iteration, handed.chain)

    def _check(self, message: GroupMessage) -> None:
        """Raises `Undecryptable` unless the sender signed it: nobody else makes the rest take long."""
        if not signatures.verify(self.signing, message.signed, message.signature):
            raise Undecryptable("bad_signature")

    def read(self, message: GroupMessage, allowance: Allowance) -> GroupRead:
        """The plaintext of a message that the chain has not passed, and the key from then on.

        Raises `Undecryptable`, and `Unprepared` by the allowance.
        """
        jump = message.iteration - self.iteration
        if jump > MAX_JUMP or message.iteration > MAX_ITERATION:
            raise Undecryptable("too_far")
        allowance.demand(SIGNATURE + jump, "too_far", mac=True)
        self._check(message)
        *passed, there, behind = walk(self.chain, jump + 1)
        plaintext = unseal(seed(there), message)
        allowance.pay(jump)
        skipped = tuple((self.iteration + n, seed(place)) for n, place in enumerate(passed))
        after = replace(self, iteration=message.iteration + 1, chain=behind)
        return GroupRead(plaintext, self, after, skipped)

    def read_late(self, message: GroupMessage, key: bytes, allowance: Allowance) -> GroupRead:
        """The plaintext of a message that the chain has passed, by its own key that was kept. Raises as `read`."""
        allowance.demand(SIGNATURE, "bad_signature", mac=True)
        self._check(message)
        return GroupRead(unseal(key, message), self, self, used=message.iteration)


@dataclass(frozen=True, slots=True)
class OwnSenderKey:
    """The own key for one group; `private` signs."""

    key_id: int
    iteration: int
    chain: bytes = field(repr=False)
    private: bytes = field(repr=False)
    public: bytes

    @classmethod
    def make(cls, key_pair: tuple[bytes, bytes]) -> OwnSenderKey:
        """A fresh one, with this pair (private, public) to sign with."""
        return cls(secrets.randbelow(2**31 - 1), 0, secrets.token_bytes(32), *key_pair)

    @property
    def distribution(self) -> Distribution:
        """The key by which a device reads from the next message on, and nothing before."""
        return Distribution(self.key_id, self.iteration, self.chain, self.public)

    def encrypt(self, plaintext: bytes) -> tuple[bytes, OwnSenderKey]:
        """The ``skmsg``, and the key from now on; the one before is not to be used again."""
        padder, encryptor = PKCS7(128).padder(), _cipher(seed(self.chain)).encryptor()
        ciphertext = encryptor.update(padder.update(plaintext) + padder.finalize())
        signed = (
            _VERSION
            + number_field(1, self.key_id)
            + number_field(2, self.iteration)
            + blob_field(3, ciphertext + encryptor.finalize())
        )
        message = signed + signatures.sign(self.private, signed)
        return message, replace(self, iteration=self.iteration + 1, chain=following(self.chain))


def _cipher(key: bytes, iv: memoryview | bytes = b"") -> Cipher[modes.CBC]:
    """The cipher under a message's own key, from its first block on, or behind the block `iv`."""
    derived = HKDF(hashes.SHA256(), 48, salt=bytes(32), info=b"WhisperGroup").derive(key)
    return Cipher(algorithms.AES(derived[16:]), modes.CBC(bytes(iv) or derived[:16]))


def unseal(key: bytes, message: GroupMessage) -> bytes:
    """The plaintext under a message's own key. Raises `Undecryptable`.

    The padding alone shows whether a member signed what no key decrypts, and is in the last block, which comes first.
    """
    sealed, unpadder = message.ciphertext, PKCS7(128).unpadder()
    try:
        last = _cipher(key, sealed[-32:-16]).decryptor().update(sealed[-16:])
        end = unpadder.update(last) + unpadder.finalize()
        decryptor = _cipher(key).decryptor()
        return decryptor.update(sealed[:-16]) + decryptor.finalize() + end
    except ValueError as error:
        raise Undecryptable("invalid_message") from error
