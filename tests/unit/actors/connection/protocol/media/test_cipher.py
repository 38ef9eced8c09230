"""Files are sealed as others seal them, and opened only where they are what their message says."""

from __future__ import annotations

import hashlib
import hmac
import secrets

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.connection.protocol.media.cipher import (
    Corrupt,
    FileDecryptor,
    FileEncryptor,
    sealed_size,
)

KEY = bytes(range(32))

# Made with OpenSSL's command line (kdf HKDF, enc -aes-256-cbc, dgst -mac HMAC): the SHA-256 of what
# is uploaded of that many bytes of `plain` under `KEY`.
VECTORS = [
    ("image", 0, "4823dd6041674bbff6e76b84d1547fdc05fbddbdfd2e97c864ef245926afa92c"),
    ("image", 15, "15a59710ee10c1163aa651368e6ed552f0766e0fc35d78909b51cb45a31e3ffc"),
    ("image", 16, "00347e2d31c0ccc190e5618dfb0d52ddfc1674a31f4c099962c2060cc6760221"),
    ("image", 1000, "9ee631e1625a6469b6f03105839f774fd80c27f2a78db7f1a43596dd056fdee4"),
    ("sticker", 1000, "9ee631e1625a6469b6f03105839f774fd80c27f2a78db7f1a43596dd056fdee4"),
    ("video", 1000, "e3de63de160b2eec7684c501316af0d2f2be86edc2e6f5c6fb5a405e155fc69d"),
    ("audio", 1000, "3f820e39e88873c873399ed6063d40d2afc71bf2b34cda345f4595fdb1431170"),
    ("document", 1000, "a9e18be10bcccf20f58a4820598e2b8fa36b9bc8e9c0cdce4aa61feb9b608f4a"),
]


def plain(size: int) -> bytes:
    return bytes(number % 251 for number in range(size))


def sealed(data: bytes, kind: str = "image", step: int = 10**6) -> tuple[bytes, FileEncryptor]:
    sealing = FileEncryptor(kind, KEY)
    parts = [sealing.feed(data[at : at + step]) for at in range(0, len(data), step)]
    return b"".join([*parts, sealing.finish()]), sealing


def opened(whole: bytes, opening: FileDecryptor, step: int = 10**6) -> bytes:
    parts = [opening.feed(whole[at : at + step]) for at in range(0, len(whole), step)]
    return b"".join([*parts, opening.finish()])


def opening(data: bytes, whole: bytes, kind: str = "image", key: bytes = KEY) -> FileDecryptor:
    return FileDecryptor(
        kind,
        key,
        sha256=hashlib.sha256(data).digest(),
        sealed_sha256=hashlib.sha256(whole).digest(),
    )


@pytest.mark.parametrize(("kind", "size", "digest"), VECTORS)
def test_a_file_is_sealed_as_others_do(kind: str, size: int, digest: str) -> None:
    data = plain(size)
    whole, sealing = sealed(data, kind)
    assert hashlib.sha256(whole).hexdigest() == digest == sealing.sealed_sha256.hex()
    assert (sealing.sha256, sealing.size) == (hashlib.sha256(data).digest(), size)
    assert len(whole) == sealed_size(size)
    assert opened(whole, opening(data, whole, kind)) == data


@pytest.mark.parametrize("step", [1, 7, 16, 26, 64])
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 31, 32, 100])
def test_however_it_is_cut_it_is_the_same(size: int, step: int) -> None:
    data = plain(size)
    whole, _ = sealed(data, step=step)
    assert whole == sealed(data)[0]
    assert opened(whole, opening(data, whole), step) == data


def test_what_was_damaged_on_the_way_may_come_whole_another_time() -> None:
    data = plain(1000)
    whole, _ = sealed(data)
    for at in (0, 500, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        with pytest.raises(Corrupt) as corrupt:
            opened(bytes(damaged), opening(data, whole))
        assert not corrupt.value.sealed_so
    for cut in (b"", whole[:5], whole[:-1], whole + b"x"):
        with pytest.raises(Corrupt) as corrupt:
            opened(cut, opening(data, whole))
        assert not corrupt.value.sealed_so


def test_what_was_sealed_wrong_stays_so() -> None:
    data = plain(1000)
    whole, _ = sealed(data)
    forged = bytes([*whole[:-1], whole[-1] ^ 1])
    wrong = [
        (forged, opening(data, forged)),
        (whole, opening(b"another file", whole)),
        (whole, opening(data, whole, "video")),
        (whole, opening(data, whole, key=secrets.token_bytes(32))),
        (b"", opening(b"", b"")),
        (whole[-10:], opening(b"", whole[-10:])),
    ]
    for bytes_, checks in wrong:
        with pytest.raises(Corrupt) as corrupt:
            opened(bytes_, checks)
        assert corrupt.value.sealed_so


@pytest.mark.parametrize("ending", [bytes([0]), bytes([17]), bytes([1, 2])])
def test_bad_padding_under_a_good_mac_is_no_file(ending: bytes) -> None:
    made = HKDF(SHA256(), 112, None, b"WhatsApp Image Keys").derive(KEY)
    iv, cipher_key, mac_key = made[:16], made[16:48], made[48:80]
    block = ending.rjust(16, b"x")
    encryptor = Cipher(algorithms.AES(cipher_key), modes.CBC(iv)).encryptor()
    enc = encryptor.update(block) + encryptor.finalize()
    whole = enc + hmac.digest(mac_key, iv + enc, "sha256")[:10]
    with pytest.raises(Corrupt) as corrupt:
        opened(whole, opening(block, whole))
    assert corrupt.value.sealed_so
