"""Encrypts and decrypts media files in WhatsApp's scheme (AES-CBC and HMAC), chunk by chunk.

A random key of 32 bytes goes with the message. HKDF-SHA256 with the words of the file's kind makes
of it an IV, a cipher key and a MAC key. The file is AES-256-CBC with PKCS#7 padding, followed by the
first 10 bytes of HMAC-SHA256 over IV and ciphertext. Nothing here holds more than a chunk.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MEDIA_KEY_BYTES: Final = 32
HASH_BYTES: Final = 32
MEDIA_MAC_BYTES: Final = 10
BLOCK_BYTES: Final = 16

_WORDS: Final = {
    "image": b"WhatsApp Image Keys",
    "sticker": b"WhatsApp Image Keys",
    "video": b"WhatsApp Video Keys",
    "audio": b"WhatsApp Audio Keys",
    "document": b"WhatsApp Document Keys",
}

MEDIA_KINDS: Final = frozenset(_WORDS)
"""The kinds of message that bring a file."""

HISTORY_FILE: Final = "history"
"""The kind of the file of a history sync."""

_ALL_WORDS: Final = {**_WORDS, HISTORY_FILE: b"WhatsApp History Keys"}


class Corrupt(Exception):
    """The bytes are not the file that the message names.

    `sealed_so`: they are what its sender uploaded, so no other try will do better.
    """

    def __init__(self, *, sealed_so: bool) -> None:
        super().__init__("sealed so" if sealed_so else "damaged on the way")
        self.sealed_so = sealed_so


def sealed_size(size: int) -> int:
    """The size of a file of `size` bytes once it is sealed."""
    return size + BLOCK_BYTES - size % BLOCK_BYTES + MEDIA_MAC_BYTES


class FileEncryptor:
    """Seals one file: `feed` it chunk by chunk, then `finish`. The same key makes the same bytes."""

    def __init__(self, kind: str, key: bytes) -> None:
        iv, cipher_key, mac_key = _derived(kind, key)
        self._encryptor = Cipher(algorithms.AES(cipher_key), modes.CBC(iv)).encryptor()
        self._mac = hmac.new(mac_key, iv, hashlib.sha256)
        self._plain, self._sealed = hashlib.sha256(), hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> bytes:
        """The hash of what was fed."""
        return self._plain.digest()

    @property
    def sealed_sha256(self) -> bytes:
        """The hash of what came out."""
        return self._sealed.digest()

    def feed(self, chunk: bytes) -> bytes:
        """Encrypt a chunk of any size. Returns the ciphertext that is complete, whole AES blocks."""
        self.size += len(chunk)
        self._plain.update(chunk)
        return self._out(self._encryptor.update(chunk))

    def finish(self) -> bytes:
        """The last bytes: padding and MAC."""
        count = BLOCK_BYTES - self.size % BLOCK_BYTES
        ending = self._out(self._encryptor.update(bytes([count]) * count))
        ending += self._out(self._encryptor.finalize())
        mac = self._mac.digest()[:MEDIA_MAC_BYTES]
        self._sealed.update(mac)
        return ending + mac

    def _out(self, ciphertext: bytes) -> bytes:
        self._mac.update(ciphertext)
        self._sealed.update(ciphertext)
        return ciphertext


class FileDecryptor:
    """Opens one file: `feed` it chunk by chunk, then `finish`, which alone says that it is true.

    Bytes that come out before that are not verified. Raises `Corrupt`.
    """

    def __init__(self, kind: str, key: bytes, *, sha256: bytes, sealed_sha256: bytes) -> None:
        iv, cipher_key, mac_key = _derived(kind, key)
        self._decryptor = Cipher(algorithms.AES(cipher_key), modes.CBC(iv)).decryptor()
        self._mac = hmac.new(mac_key, iv, hashlib.sha256)
        self._plain, self._sealed = hashlib.sha256(), hashlib.sha256()
        self._expected = sha256, sealed_sha256
        self._tail = b""
        self._last = b""

    def feed(self, chunk: bytes) -> bytes:
        """The plaintext readable by now; the last block, which has the padding, only at the end."""
        self._sealed.update(chunk)
        held = self._tail + chunk
        whole = max(0, len(held) - MEDIA_MAC_BYTES) // BLOCK_BYTES * BLOCK_BYTES
        self._tail = held[whole:]
        self._mac.update(held[:whole])
        opened = self._last + self._decryptor.update(held[:whole])
        self._last = opened[-BLOCK_BYTES:]
        return self._out(opened[:-BLOCK_BYTES])

    def finish(self) -> bytes:
        """The rest. Raises `Corrupt` where anything of it is not as the message says."""
        sha256, sealed_sha256 = self._expected
        if not hmac.compare_digest(self._sealed.digest(), sealed_sha256):
            raise Corrupt(sealed_so=False)
        mac = self._mac.digest()[:MEDIA_MAC_BYTES]
        count = self._last[-1] if self._last else 0
        if not hmac.compare_digest(mac, self._tail) or not 1 <= count <= BLOCK_BYTES:
            raise Corrupt(sealed_so=True)
        if self._last[-count:] != bytes([count]) * count:
            raise Corrupt(sealed_so=True)
        rest = self._out(self._last[:-count])
        if not hmac.compare_digest(self._plain.digest(), sha256):
            raise Corrupt(sealed_so=True)
        return rest

    def _out(self, plaintext: bytes) -> bytes:
        self._plain.update(plaintext)
        return plaintext


def _derived(kind: str, key: bytes) -> tuple[bytes, bytes, bytes]:
    made = HKDF(SHA256(), 112, None, _ALL_WORDS[kind]).derive(key)
    return made[:16], made[16:48], made[48:80]
