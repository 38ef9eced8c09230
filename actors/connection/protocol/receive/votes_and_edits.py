"""Encrypts poll votes and decrypts votes and edits, under the secret of the message voted on or edited.

The key is HKDF-SHA256 of the secret over the message's id, its author, who votes or edits, and a word for the
use; a vote is authenticated together with the poll's id and the voter, an edit with nothing (whatsmeow,
msgsecret.go; whatsapp-rust, message_edit.rs). Either person may be meant by phone number or by LID.
"""

from __future__ import annotations

import hashlib
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.connection.protocol.wire_format.nodes import MalformedMessage, parse, proto

if TYPE_CHECKING:
    from collections.abc import Sequence

    Use = Literal["Poll Vote", "Message Edit"]

IV_BYTES = 12
VOTE: Final = "Poll Vote"
EDIT: Final = "Message Edit"


def sealed(
    options: Sequence[str], *, poll_id: str, secret: bytes, author: str, voter: str, iv: bytes
) -> bytes:
    """The payload of a vote for these options; `iv` is 12 bytes that were never used before."""
    named = [hashlib.sha256(one.encode()).digest() for one in options]
    plaintext = proto.Message.PollVoteMessage(selectedOptions=named).SerializeToString()
    under = key(VOTE, secret, poll_id, author, voter)
    return AESGCM(under).encrypt(iv, plaintext, aad(VOTE, poll_id, voter))


def chosen(
    vote: Any,
    *,
    poll_id: str,
    secret: bytes,
    options: Sequence[str],
    authors: Sequence[str],
    voters: Sequence[str],
) -> tuple[str, ...] | None:
    """The options that a ``vote`` (payload and IV) chooses; None where it cannot be read.

    `authors` and `voters` are the addresses that either may be meant by. Choices that are no option
    of the poll are passed over.
    """
    plaintext = opened(
        VOTE, vote, secret=secret, message_id=poll_id, authors=authors, senders=voters
    )
    if plaintext is None:
        return None
    try:
        named = set(parse(proto.Message.PollVoteMessage, plaintext).selectedOptions)
    except MalformedMessage:
        return None
    return tuple(one for one in options if hashlib.sha256(one.encode()).digest() in named)


def opened(
    use: Use,
    part: Any,
    *,
    secret: bytes,
    message_id: str,
    authors: Sequence[str],
    senders: Sequence[str],
) -> bytes | None:
    """The plaintext of a `part` (payload and IV); None where the secret opens it by no pair of addresses.

    `message_id` is that of the message with the secret, `authors` are the addresses that its author may be
    meant by, `senders` those of the person who votes or edits.
    """
    if len(part.encIv) != IV_BYTES:
        return None
    for author, sender in product(authors, senders):
        under = key(use, secret, message_id, author, sender)
        try:
            return AESGCM(under).decrypt(part.encIv, part.encPayload, aad(use, message_id, sender))
        except InvalidTag:
            continue
    return None


def key(use: Use, secret: bytes, message_id: str, author: str, sender: str) -> bytes:
    """The key of a vote or an edit by this sender."""
    info = f"{message_id}{author}{sender}{use}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)


def aad(use: Use, message_id: str, sender: str) -> bytes | None:
    """The bytes that are authenticated with a vote; None with an edit."""
    return f"{message_id}\0{sender}".encode() if use == VOTE else None
