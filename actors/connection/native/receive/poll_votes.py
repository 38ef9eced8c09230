"""Votes of a poll: encrypted under the secret that came with the poll, by who votes.

The key is HKDF-SHA256 of the secret over the poll's id, its author, the voter and ``Poll Vote``; the
chosen options are named by their SHA-256. Either person may be meant by phone number or by LID.
"""

from __future__ import annotations

import hashlib
from itertools import product
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.connection.native.transport.nodes import MalformedMessage, parse, proto

if TYPE_CHECKING:
    from collections.abc import Sequence

IV_BYTES = 12


def sealed(
    options: Sequence[str], *, poll_id: str, secret: bytes, author: str, voter: str, iv: bytes
) -> bytes:
    """The payload of a vote for these options; `iv` is 12 bytes that were never used before."""
    named = [hashlib.sha256(one.encode()).digest() for one in options]
    plaintext = proto.Message.PollVoteMessage(selectedOptions=named).SerializeToString()
    under = key(secret, poll_id, author, voter)
    return AESGCM(under).encrypt(iv, plaintext, aad(poll_id, voter))


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

    `authors` and `voters` are the addresses that either may be meant by. What is no option of the
    poll is passed over.
    """
    for author, voter in product(authors, voters):
        plaintext = _opened(vote, key(secret, poll_id, author, voter), aad(poll_id, voter))
        if plaintext is None:
            continue
        try:
            named = set(parse(proto.Message.PollVoteMessage, plaintext).selectedOptions)
        except MalformedMessage:
            return None
        return tuple(one for one in options if hashlib.sha256(one.encode()).digest() in named)
    return None


def key(secret: bytes, poll_id: str, author: str, voter: str) -> bytes:
    """What a vote of this voter is encrypted with."""
    info = f"{poll_id}{author}{voter}Poll Vote".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)


def aad(poll_id: str, voter: str) -> bytes:
    """What is authenticated with a vote."""
    return f"{poll_id}\0{voter}".encode()


def _opened(vote: Any, under: bytes, authenticated: bytes) -> bytes | None:
    if len(vote.encIv) != IV_BYTES:
        return None
    try:
        return AESGCM(under).decrypt(vote.encIv, vote.encPayload, authenticated)
    except InvalidTag:
        return None
