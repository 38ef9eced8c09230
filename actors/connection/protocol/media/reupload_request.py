"""Decrypts the answer of the account's phone, which was asked to upload a lost media file again.

It is AES-256-GCM under a key made of the file's, so nobody else can answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.connection.protocol.wire_format.nodes import MalformedMessage, parse, proto

if TYPE_CHECKING:
    from actors.connection.session.files.pending_downloads import Transfer

_WORDS: Final = b"WhatsApp Media Retry Notification"
_NOT_THERE: Final = "2"
_IV_BYTES: Final = 12
_MAX_ANSWER: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class ReuploadAnswer:
    """The phone's answer: `direct_path` is where the file is now, None where it has none either."""

    direct_path: str | None


def refused(code: str | None) -> ReuploadAnswer | None:
    """The answer in an error of this code."""
    return ReuploadAnswer(None) if code == _NOT_THERE else None


def opened(iv: bytes, plaintext: bytes, transfer: Transfer) -> ReuploadAnswer | None:
    """The answer in what the phone sealed; None where it is not the phone's, or ends nothing."""
    if len(iv) != _IV_BYTES or len(plaintext) > _MAX_ANSWER:
        return None
    try:
        plain = AESGCM(_key(transfer.key)).decrypt(iv, plaintext, transfer.message_id.encode())
        found = parse(proto.MediaRetryNotification, plain)
    except (InvalidTag, MalformedMessage):
        return None
    if found.stanzaId != transfer.message_id:
        return None
    if found.result == proto.MediaRetryNotification.NOT_FOUND:
        return ReuploadAnswer(None)
    usable = found.result == proto.MediaRetryNotification.SUCCESS and found.directPath
    return ReuploadAnswer(found.directPath) if usable else None


def _key(media_key: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, _WORDS).derive(media_key)
