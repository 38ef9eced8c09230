"""Encrypts and decrypts media files of simulated people as streams, each file under a media key of its own.

Keys, MAC and hashes after whatsmeow `upload.go` and `download.go`: HKDF over a random media key to
IV, cipher key and MAC key, AES-CBC, and the first ten bytes of an HMAC over IV and ciphertext.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_MEDIA: Final = 100 << 20
"""Bytes of a file, encrypted."""
CIPHER_CHUNK_BYTES: Final = 1 << 16
_MAC: Final = 10
_BLOCK: Final = 128

# kind in the path of an upload → label of the key derivation
USES: Final = {
    "image": "WhatsApp Image Keys",
    "video": "WhatsApp Video Keys",
    "audio": "WhatsApp Audio Keys",
    "document": "WhatsApp Document Keys",
    "sticker": "WhatsApp Image Keys",
    "md-msg-hist": "WhatsApp History Keys",
    "md-app-state": "WhatsApp App State Keys",
}


class MediaError(Exception):
    """A file that does not match its message. `code` is the reason, in a word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Sealed:
    """The fields of a message that describe an encrypted file."""

    key: bytes
    sha256: bytes
    enc_sha256: bytes
    length: int
    size: int
    """Bytes of the encrypted file."""


@dataclass(frozen=True)
class _Keys:
    iv: bytes
    cipher: bytes
    mac: bytes


def _keys(media_key: bytes, kind: str) -> _Keys:
    derived = HKDF(SHA256(), 112, None, USES[kind].encode()).derive(media_key)
    return _Keys(derived[:16], derived[16:48], derived[48:80])


def seal(plaintext: Iterable[bytes], kind: str, out: BinaryIO) -> Sealed:
    """Encrypts a stream into a file under a new media key."""
    media_key = secrets.token_bytes(32)
    keys = _keys(media_key, kind)
    encryptor = Cipher(algorithms.AES(keys.cipher), modes.CBC(keys.iv)).encryptor()
    padder = padding.PKCS7(_BLOCK).padder()
    mac = HMAC(keys.mac, SHA256())
    mac.update(keys.iv)
    clear, whole = hashlib.sha256(), hashlib.sha256()
    length = size = 0

    def put(sealed: bytes) -> int:
        whole.update(sealed)
        return out.write(sealed)

    for chunk in plaintext:
        clear.update(chunk)
        length += len(chunk)
        sealed = encryptor.update(padder.update(chunk))
        mac.update(sealed)
        size += put(sealed)
    last = encryptor.update(padder.finalize()) + encryptor.finalize()
    mac.update(last)
    size += put(last) + put(mac.finalize()[:_MAC])
    return Sealed(media_key, clear.digest(), whole.digest(), length, size)


def opened(source: BinaryIO, size: int, kind: str, media_key: bytes) -> tuple[bytes, int]:
    """Returns the SHA-256 and the length of the plaintext of an encrypted file of `size` bytes.

    Raises MediaError("bad-mac"), or "malformed" for other files.
    """
    digest, length = hashlib.sha256(), 0
    for chunk in decrypted(source, size, kind, media_key):
        digest.update(chunk)
        length += len(chunk)
    return digest.digest(), length


def decrypted(source: BinaryIO, size: int, kind: str, media_key: bytes) -> Iterator[bytes]:
    """The plaintext of an encrypted file of `size` bytes. Raises MediaError, at its end at the latest."""
    if size <= _MAC or (size - _MAC) % 16 or len(media_key) != 32:
        raise MediaError("malformed")
    keys = _keys(media_key, kind)
    decryptor = Cipher(algorithms.AES(keys.cipher), modes.CBC(keys.iv)).decryptor()
    unpadder = padding.PKCS7(_BLOCK).unpadder()
    mac = HMAC(keys.mac, SHA256())
    mac.update(keys.iv)
    left = size - _MAC
    while left:
        chunk = source.read(min(CIPHER_CHUNK_BYTES, left))
        if not chunk:
            raise MediaError("malformed")
        left -= len(chunk)
        mac.update(chunk)
        yield unpadder.update(decryptor.update(chunk))
    if not bytes_eq(mac.finalize()[:_MAC], source.read(_MAC)):
        raise MediaError("bad-mac")
    try:
        yield unpadder.update(decryptor.finalize()) + unpadder.finalize()
    except ValueError as error:
        raise MediaError("malformed") from error


def random_bytes(size: int) -> Iterator[bytes]:
    """Yields `size` random bytes in chunks."""
    while size > 0:
        yield secrets.token_bytes(min(CIPHER_CHUNK_BYTES, size))
        size -= CIPHER_CHUNK_BYTES
