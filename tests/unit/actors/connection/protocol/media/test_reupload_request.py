"""The phone's answer about a file that the servers lost: only the phone can give it."""

from __future__ import annotations

import secrets

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.connection.protocol.media.reupload_request import ReuploadAnswer, opened, refused
from actors.connection.protocol.wire_format.nodes import proto
from actors.connection.session.files.pending_downloads import Transfer

ALICE = "15550100002@s.whatsapp.net"
KEY = bytes(range(32))
TRANSFER = Transfer(ALICE, ALICE, "A", False, "image", KEY, "/old", b"h" * 32, b"s" * 32, 5)
RESULTS = proto.MediaRetryNotification


def cipher(key: bytes = KEY) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, None, b"WhatsApp Media Retry Notification").derive(key))


def sealed(
    result: int = RESULTS.SUCCESS,
    path: str | None = "/new",
    *,
    id_: str = "A",
    inner: str = "A",
    key: bytes = KEY,
) -> tuple[bytes, bytes]:
    iv = secrets.token_bytes(12)
    said = RESULTS(stanzaId=inner, directPath=path, result=result).SerializeToString()
    return iv, cipher(key).encrypt(iv, said, id_.encode())


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (sealed(), ReuploadAnswer("/new")),
        (sealed(RESULTS.NOT_FOUND, None), ReuploadAnswer(None)),
        (sealed(RESULTS.GENERAL_ERROR), None),
        (sealed(RESULTS.DECRYPTION_ERROR), None),
        (sealed(path=None), None),
        (sealed(id_="B"), None),
        (sealed(inner="B"), None),
        (sealed(key=bytes(32)), None),
        ((b"", b""), None),
    ],
)
def test_the_answer(said: tuple[bytes, bytes], found: ReuploadAnswer | None) -> None:
    assert opened(*said, TRANSFER) == found


@pytest.mark.parametrize(
    ("code", "found"), [("2", ReuploadAnswer(None)), ("1", None), (None, None)]
)
def test_a_refusal(code: str | None, found: ReuploadAnswer | None) -> None:
    assert refused(code) == found
