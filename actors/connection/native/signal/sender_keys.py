"""Sender keys, as libsignal's version 3 has them: one key of a group's member, read by all others.

A member's device makes a chain of message keys and a key that signs, and hands both to each device
of the group over the session with it (`Distribution`). From then on one ciphertext serves all
(``skmsg``). Pure: a key is a value, and using it gives the next one.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field, replace
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7

from actors.connection.native.signal import signatures
from actors.connection.native.signal.envelope import (
    Malformed,
    blob,
    blob_field,
    curve_key,
    fields,
    number,
    number_field,
    versioned,
)
from actors.connection.native.signal.ratchet import Undecryptable

SIGNATURE_BYTES: Final = 64

MAX_JUMP: Final = 25_000
"""Steps that a message may be ahead of its chain (libsignal's MAX_FORWARD_JUMPS)."""

MAX_SKIPPED: Final = 2_000
"""Keys kept for messages that have not come yet (libsignal's MAX_MESSAGE_KEYS)."""

MAX_ITERATION: Final = 0xFFFF_FFFF - MAX_JUMP
"""A chain that is followed this far is at its end."""

_VERSION = b"\x33"
_KEPT_BYTES = 4 + 32


@dataclass(frozen=True, slots=True)
class Distribution:
    """The key that a member hands to each device: the chain from `iteration` on, and its signer (32 bytes)."""

    key_id: int
    iteration: int
    chain: bytes = field(repr=False)
    signing: bytes

    def encode(self) -> bytes:
        return (
            _VERSION
            + number_field(1, self.key_id)
            + number_field(2, self.iteration)
            + blob_field(3, self.chain)
            + blob_field(4, signatures.KEY_TYPE + self.signing)
        )

    @classmethod
    def decode(cls, raw: bytes) -> Distribution:
        """Raises `Malformed`."""
        found = fields(versioned(raw), numbers={1, 2}, blobs={3, 4})
        chain = blob(found, 3)
        iteration = number(found, 2, default=0)
        if len(chain) != 32 or iteration > MAX_ITERATION:
            raise Malformed("not a chain")
        return cls(number(found, 1, default=0), iteration, chain, curve_key(blob(found, 4)))


@dataclass(frozen=True, slots=True)
class GroupMessage:
    """One ``skmsg``; `signed` is what `signature` is over."""

    key_id: int
    iteration: int
    ciphertext: bytes
    signed: bytes
    signature: bytes

    @classmethod
    def decode(cls, raw: bytes) -> GroupMessage:
        """Raises `Malformed`. The signature is not checked here: that takes the sender's key."""
        signed, signature = raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:]
        found = fields(versioned(signed), numbers={1, 2}, blobs={3})
        return cls(
            number(found, 1, default=0),
            number(found, 2, default=0),
            blob(found, 3),
            signed,
            signature,
        )


@dataclass(frozen=True, slots=True)
class SenderKey:
    """Another device's key for one group: its chain, and the message keys that were passed over."""

    key_id: int
    signing: bytes
    iteration: int
    chain: bytes = field(repr=False)
    skipped: bytes = field(default=b"", repr=False)
    """The keys passed over, oldest first: four bytes of iteration and 32 of seed each."""

    @classmethod
    def of(cls, handed: Distribution) -> SenderKey:
        return cls(handed.key_id, handed.signing, handed.iteration, handed.chain)

    def decrypt(self, message: GroupMessage) -> tuple[bytes, SenderKey]:
        """The plaintext, and the key from now on: no message is read twice.

        Raises `Undecryptable`. The signature is looked at first: nobody but the sender makes this
        take long.
        """
        if not signatures.verify(self.signing, message.signed, message.signature):
            raise Undecryptable("bad_signature")
        if message.iteration < self.iteration:
            seed, rest = self._passed_over(message.iteration)
            return _opened(seed, message.ciphertext), replace(self, skipped=rest)
        if message.iteration - self.iteration > MAX_JUMP or message.iteration > MAX_ITERATION:
            raise Undecryptable("too_far")
        chain, passed = self.chain, [self.skipped]
        for iteration in range(self.iteration, message.iteration):
            passed.append(iteration.to_bytes(4, "big") + _seed(chain))
            chain = _next(chain)
        plaintext = _opened(_seed(chain), message.ciphertext)
        skipped = b"".join(passed)[-MAX_SKIPPED * _KEPT_BYTES :]
        return plaintext, replace(
            self, iteration=message.iteration + 1, chain=_next(chain), skipped=skipped
        )

    def _passed_over(self, iteration: int) -> tuple[bytes, bytes]:
        """The seed of an earlier message, and what is kept without it."""
        wanted = iteration.to_bytes(4, "big")
        for start in range(0, len(self.skipped), _KEPT_BYTES):
            if self.skipped[start : start + 4] == wanted:
                end = start + _KEPT_BYTES
                return self.skipped[start + 4 : end], self.skipped[:start] + self.skipped[end:]
        raise Undecryptable("old_counter")


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
        padder, encryptor = PKCS7(128).padder(), _cipher(_seed(self.chain)).encryptor()
        ciphertext = encryptor.update(padder.update(plaintext) + padder.finalize())
        signed = (
            _VERSION
            + number_field(1, self.key_id)
            + number_field(2, self.iteration)
            + blob_field(3, ciphertext + encryptor.finalize())
        )
        message = signed + signatures.sign(self.private, signed)
        return message, replace(self, iteration=self.iteration + 1, chain=_next(self.chain))


def _seed(chain: bytes) -> bytes:
    return hmac.digest(chain, b"\x01", "sha256")


def _next(chain: bytes) -> bytes:
    return hmac.digest(chain, b"\x02", "sha256")


def _cipher(seed: bytes) -> Cipher[modes.CBC]:
    derived = HKDF(hashes.SHA256(), 48, salt=bytes(32), info=b"WhisperGroup").derive(seed)
    return Cipher(algorithms.AES(derived[16:]), modes.CBC(derived[:16]))


def _opened(seed: bytes, ciphertext: bytes) -> bytes:
    decryptor, unpadder = _cipher(seed).decryptor(), PKCS7(128).unpadder()
    try:
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise Undecryptable("invalid_message") from error
