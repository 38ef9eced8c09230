"""The double ratchet as libsignal's version 3 does it, on the `doubleratchet` library.

https://signal.org/docs/specifications/doubleratchet/ with the info strings ``WhisperRatchet`` and
``WhisperMessageKeys``; the MAC covers both identities and the whole message, and is cut to 8 bytes.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import doubleratchet
from cryptography.hazmat.primitives import constant_time, hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7
from doubleratchet.recommended import HashFunction, kdf_hkdf, kdf_separate_hmacs
from doubleratchet.recommended.diffie_hellman_ratchet_curve25519 import DiffieHellmanRatchet

from actors.connection.native.signal.envelope import (
    MAC_BYTES,
    SignalMessage,
    header,
    unsigned_message,
)
from actors.connection.native.signal.signatures import KEY_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_JUMP = 25_000
"""Steps that a message may be ahead of its chain (libsignal's MAX_FORWARD_JUMPS)."""

MAX_SKIPPED = 2_000
"""Keys kept for messages that have not come yet (libsignal's MAX_MESSAGE_KEYS)."""

MAX_CHAINS = 5
"""Receiving chains whose late messages still decrypt (libsignal's MAX_RECEIVER_CHAINS)."""

Reason = Literal[
    "no_session",
    "bad_mac",
    "bad_signature",
    "old_counter",
    "too_far",
    "invalid_message",
    "invalid_prekey",
    "invalid_signed_prekey",
]


class Undecryptable(Exception):  # noqa: N818 - reads as what it is
    """A message that yields no plaintext. Nothing was changed by trying.

    ``no_session`` and ``bad_mac`` (also: another session's key), ``bad_signature`` (of a group's), ``invalid_prekey`` and
    ``invalid_signed_prekey`` (used up, or never ours), ``too_far`` (more messages missing than are
    bridged), ``invalid_message`` (malformed); ``old_counter`` was decrypted before.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


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

_IDENTITIES = 2 * 33


class _Whisper(doubleratchet.AEAD):
    """Turns a message key and a plaintext into a whole ``msg`` and back.

    The associated data is both identities, then the header's protobuf. The "ciphertext" is the
    wire's message from version byte to MAC, so the MAC is checked over the bytes that came and not
    over what another encoder would have made of them.
    """

    @staticmethod
    async def encrypt(plaintext: bytes, key: bytes, associated_data: bytes) -> bytes:
        cipher, mac_key = _message_keys(key)
        padder = PKCS7(128).padder()
        encryptor = cipher.encryptor()
        ciphertext = encryptor.update(padder.update(plaintext) + padder.finalize())
        message = unsigned_message(associated_data[_IDENTITIES:], ciphertext + encryptor.finalize())
        return message + _mac(mac_key, associated_data[:_IDENTITIES] + message)

    @staticmethod
    async def decrypt(ciphertext: bytes, key: bytes, associated_data: bytes) -> bytes:
        cipher, mac_key = _message_keys(key)
        message, mac = ciphertext[:-MAC_BYTES], ciphertext[-MAC_BYTES:]
        expected = _mac(mac_key, associated_data[:_IDENTITIES] + message)
        if not constant_time.bytes_eq(mac, expected):
            raise doubleratchet.AuthenticationFailedException
        decryptor = cipher.decryptor()
        unpadder = PKCS7(128).unpadder()
        try:
            padded = decryptor.update(SignalMessage.decode(ciphertext).ciphertext)
            return unpadder.update(padded + decryptor.finalize()) + unpadder.finalize()
        except ValueError as error:
            raise doubleratchet.DecryptionFailedException from error


def _message_keys(key: bytes) -> tuple[Cipher[modes.CBC], bytes]:
    derived = HKDF(hashes.SHA256(), 80, salt=bytes(32), info=b"WhisperMessageKeys").derive(key)
    return Cipher(algorithms.AES(derived[:32]), modes.CBC(derived[64:])), derived[32:64]


def _mac(key: bytes, data: bytes) -> bytes:
    mac = HMAC(key, hashes.SHA256())
    mac.update(data)
    return mac.finalize()[:MAC_BYTES]


class _DoubleRatchet(doubleratchet.DoubleRatchet):
    @staticmethod
    def _build_associated_data(associated_data: bytes, header: doubleratchet.Header) -> bytes:
        return associated_data + _encoded(header)


def _encoded(sent: doubleratchet.Header) -> bytes:
    # The number of messages in the previous chain, as the specification has it. libsignal writes
    # the last message's counter there and reads nothing; its JavaScript form reads the counter,
    # and to it this is one key too many, kept and never used.
    return header(sent.ratchet_pub, sent.sending_chain_length, sent.previous_sending_chain_length)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except doubleratchet.AuthenticationFailedException as error:
        raise Undecryptable("bad_mac") from error
    except doubleratchet.DuplicateMessageException as error:
        raise Undecryptable("old_counter") from error
    except doubleratchet.DoSProtectionException as error:
        raise Undecryptable("too_far") from error
    except (doubleratchet.DecryptionFailedException, ValueError) as error:
        # ValueError: a ratchet key of low order.
        raise Undecryptable("invalid_message") from error


@dataclass(frozen=True, slots=True)
class Pending:
    """The part that each message carries until the peer is known to have the session."""

    prekey_id: int | None
    signed_prekey_id: int


@dataclass(frozen=True, slots=True)
class Identities:
    """Both ends' identity keys, 32 bytes each."""

    own: bytes
    peer: bytes

    @property
    def sending(self) -> bytes:
        return KEY_TYPE + self.own + KEY_TYPE + self.peer

    @property
    def receiving(self) -> bytes:
        return KEY_TYPE + self.peer + KEY_TYPE + self.own


class Ratchet:
    """One session's state. `encrypt` and `decrypt` change it; it is stored as `dump`'s text."""

    def __init__(
        self,
        double: doubleratchet.DoubleRatchet,
        peer_keys: tuple[bytes, ...],
        registration_id: int,
        pending: Pending | None,
    ) -> None:
        self._double = double
        self._peer_keys = peer_keys  # the peer's last ratchet keys, newest first
        self.registration_id = registration_id
        self.pending = pending

    @classmethod
    async def begin(
        cls, secret: bytes, signed_prekey: bytes, registration_id: int, pending: Pending
    ) -> Ratchet:
        """The initiator's: its first chain is against the peer's signed prekey (32 bytes)."""
        first = await DiffieHellmanRatchet.create(
            None,
            signed_prekey,
            _RootChain,
            secret,
            _MessageChain,
            _MESSAGE_CHAIN_CONSTANT,
            MAX_JUMP,
        )
        model = doubleratchet.DoubleRatchetModel(
            diffie_hellman_ratchet=first.model, skipped_message_keys=[]
        )
        return cls(_loaded(model), (signed_prekey,), registration_id, pending)

    @classmethod
    async def accept(
        cls,
        secret: bytes,
        signed_prekey_private: bytes,
        registration_id: int,
        message: SignalMessage,
        identities: Identities,
    ) -> tuple[Ratchet, bytes]:
        """The responder's, with the plaintext of the message. Raises `Undecryptable`."""
        if message.counter > MAX_SKIPPED:
            # Anybody can send a first message: a forged counter must not cost a fifth of a second.
            raise Undecryptable("too_far")
        with _refusals():
            double, plaintext = await _DoubleRatchet.decrypt_initial_message(
                shared_secret=secret,
                own_ratchet_priv=signed_prekey_private,
                message=_encrypted(message, 0),
                associated_data=identities.receiving,
                diffie_hellman_ratchet_class=DiffieHellmanRatchet,
                root_chain_kdf=_RootChain,
                message_chain_kdf=_MessageChain,
                message_chain_constant=_MESSAGE_CHAIN_CONSTANT,
                dos_protection_threshold=MAX_JUMP,
                max_num_skipped_message_keys=MAX_JUMP,
                aead=_Whisper,
            )
        return cls(double, (message.ratchet_key,), registration_id, None), plaintext

    @classmethod
    def load(cls, text: str) -> Ratchet:
        """The inverse of `dump`."""
        state = json.loads(text)
        pending = state["pending"]
        model = doubleratchet.DoubleRatchetModel.model_validate(state["ratchet"])
        return cls(
            _loaded(model),
            tuple(bytes.fromhex(key) for key in state["peer_keys"]),
            state["registration_id"],
            None if pending is None else Pending(**pending),
        )

    def dump(self) -> str:
        model = self._double.model
        # Two bounds that the library does not have: keys of the last chains only, and fewer keys
        # than a message may be ahead.
        kept = [one for one in model.skipped_message_keys if one.ratchet_pub in self._peer_keys]
        model.skipped_message_keys = kept[-MAX_SKIPPED:]
        return json.dumps(
            {
                "peer_keys": [key.hex() for key in self._peer_keys],
                "registration_id": self.registration_id,
                "pending": None
                if self.pending is None
                else {
                    "prekey_id": self.pending.prekey_id,
                    "signed_prekey_id": self.pending.signed_prekey_id,
                },
                "ratchet": model.model_dump(mode="json"),
            },
            separators=(",", ":"),
            ensure_ascii=False,
        )

    async def encrypt(self, plaintext: bytes, identities: Identities) -> bytes:
        """The next ``msg``, MAC included."""
        return (await self._double.encrypt_message(plaintext, identities.sending)).ciphertext

    async def decrypt(
        self, message: SignalMessage, identities: Identities, *, max_jump: int = MAX_JUMP
    ) -> bytes:
        """The plaintext. Raises `Undecryptable`, with which nothing has changed."""
        newest, *older = self._peer_keys
        received = self._double.receiving_chain_length
        if message.ratchet_key in older:
            if not self._skipped(message):
                # All keys of that chain that were still to come had been kept.
                raise Undecryptable("old_counter")
        elif message.ratchet_key == newest and received is None:
            # Nobody sends on the chain of a signed prekey, and the library has none for it.
            raise Undecryptable("invalid_message")
        elif message.counter - (received or 0) * (message.ratchet_key == newest) > max_jump:
            raise Undecryptable("too_far")
        with _refusals():
            plaintext = await self._double.decrypt_message(
                _encrypted(message, received or 0), identities.receiving
            )
        self.pending = None
        if message.ratchet_key not in self._peer_keys:
            self._peer_keys = (message.ratchet_key, *self._peer_keys)[:MAX_CHAINS]
        return plaintext

    def _skipped(self, message: SignalMessage) -> bool:
        wanted = (message.ratchet_key, message.counter)
        kept = self._double.model.skipped_message_keys
        return any((one.ratchet_pub, one.index) == wanted for one in kept)


def _loaded(model: doubleratchet.DoubleRatchetModel) -> doubleratchet.DoubleRatchet:
    # The library takes no bound on kept keys below that on jumps; `dump` keeps fewer.
    return _DoubleRatchet.from_model(
        model,
        DiffieHellmanRatchet,
        _RootChain,
        _MessageChain,
        _MESSAGE_CHAIN_CONSTANT,
        MAX_JUMP,
        MAX_JUMP,
        _Whisper,
    )


def _encrypted(message: SignalMessage, received: int) -> doubleratchet.EncryptedMessage:
    # libsignal writes the counter of the previous chain's last message where the specification
    # has their number: reading one more loses nothing in either case (-1 wraps to none). A chain
    # is never followed further than keys are kept.
    previous = (message.previous_counter + 1) & 0xFFFF_FFFF
    return doubleratchet.EncryptedMessage(
        doubleratchet.Header(
            ratchet_pub=message.ratchet_key,
            previous_sending_chain_length=min(previous, received + MAX_SKIPPED),
            sending_chain_length=message.counter,
        ),
        message.raw,
    )
