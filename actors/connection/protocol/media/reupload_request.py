"""Builds the request to the account's phone to upload a lost media file again, and decrypts the phone's answer.

The request is a receipt of type ``server-error`` that names the message, the answer a notification
``mediaretry``. Both are AES-256-GCM under a key made of the file's, so nobody else can answer.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.connection.protocol.wire_format.nodes import MalformedMessage, Node, parse, proto

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


def question(transfer: Transfer, account: str, chat: str, *, in_group: bool) -> Node:
    """The receipt that asks for the file of this message; `account` is whom it goes to.

    `chat` is the address of the chat as stanzas to it have it.
    """
    iv = secrets.token_bytes(_IV_BYTES)
    plaintext = proto.ServerErrorReceipt(stanzaId=transfer.message_id).SerializeToString()
    sealed = AESGCM(_key(transfer.key)).encrypt(iv, plaintext, transfer.message_id.encode())
    which = {"jid": chat, "from_me": "true" if transfer.from_me else "false"}
    if in_group:
        which["participant"] = transfer.sender
    return Node(
        "receipt",
        {"id": transfer.message_id, "to": account, "type": "server-error"},
        (
            Node("encrypt", {}, (Node("enc_p", {}, sealed), Node("enc_iv", {}, iv))),
            Node("rmr", which),
        ),
    )


def answer(notification: Node, transfer: Transfer) -> ReuploadAnswer | None:
    """The phone's answer for this file in a notification.

    None where it is not about it, not the phone's, or says nothing that ends the waiting.
    """
    if notification.attrs.get("id") != transfer.message_id:
        return None
    refusal = notification.child("error")
    if refusal is not None:
        return refused(refusal.attrs.get("code"))
    sealed = notification.child("encrypt")
    if sealed is None:
        return None
    return opened(sealed.bytes_of("enc_iv"), sealed.bytes_of("enc_p"), transfer)


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
