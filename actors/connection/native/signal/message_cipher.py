"""Encrypts and decrypts one ``msg`` under its message key: AES-CBC, and a MAC over identities and all bytes.

The MAC is cut to 8 bytes. It is checked over the bytes that came, and not over what another encoder
would have made of them. Nothing is decrypted before.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives import constant_time, hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7

from actors.connection.native.signal.signal_messages import (
    MESSAGE_MAC_BYTES,
    Bytes,
    SignalMessage,
    unsigned_message,
)
from actors.connection.native.signal.signatures import KEY_TYPE
from actors.connection.protocol.decryption_errors import Undecryptable


@dataclass(frozen=True, slots=True)
class Identities:
    """Both ends' identity keys, 32 bytes each."""

    own: bytes
    peer: bytes

    @property
    def sending(self) -> bytes:
        """Both public identity keys as the MAC of a sent message covers them: the sender's, then the receiver's."""
        return KEY_TYPE + self.own + KEY_TYPE + self.peer

    @property
    def receiving(self) -> bytes:
        """Both public identity keys as the MAC of a received message covers them: the sender's, then the receiver's."""
        return KEY_TYPE + self.peer + KEY_TYPE + self.own


def seal(seed: bytes, header: bytes, plaintext: bytes, identities: Identities) -> bytes:
    """The whole ``msg``; `header` is the part of its protobuf that the ratchet determines."""
    cipher, mac_key = _message_keys(seed)
    padder = PKCS7(128).padder()
    encryptor = cipher.encryptor()
    ciphertext = encryptor.update(padder.update(plaintext) + padder.finalize())
    message = unsigned_message(header, ciphertext + encryptor.finalize())
    return message + _mac(mac_key, identities.sending, message)


def unseal(seed: bytes, message: SignalMessage, identities: Identities) -> bytes:
    """The plaintext. Raises `Undecryptable`: ``bad_mac``, or ``invalid_message`` under a right one."""
    cipher, mac_key = _message_keys(seed)
    raw = memoryview(message.raw)  # a copy of a megabyte takes longer than its MAC
    signed, mac = raw[:-MESSAGE_MAC_BYTES], bytes(raw[-MESSAGE_MAC_BYTES:])
    if not constant_time.bytes_eq(mac, _mac(mac_key, identities.receiving, signed)):
        raise Undecryptable("bad_mac")
    decryptor = cipher.decryptor()
    unpadder = PKCS7(128).unpadder()
    try:
        padded = decryptor.update(message.ciphertext) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise Undecryptable("invalid_message") from error


def _message_keys(seed: bytes) -> tuple[Cipher[modes.CBC], bytes]:
    derived = HKDF(hashes.SHA256(), 80, salt=bytes(32), info=b"WhisperMessageKeys").derive(seed)
    return Cipher(algorithms.AES(derived[:32]), modes.CBC(derived[64:])), derived[32:64]


def _mac(key: bytes, identities: bytes, message: Bytes) -> bytes:
    mac = HMAC(key, hashes.SHA256())
    mac.update(identities)
    mac.update(message)
    return mac.finalize()[:MESSAGE_MAC_BYTES]
