"""Votes in a poll: sealed under the secret that came with the poll (whatsmeow `msgsecret.go`)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from simulator.wire.proto_schema import PollVoteMessage


@dataclass(frozen=True)
class Ballot:
    """Whose vote in which poll; people by their JIDs without a device."""

    poll: str
    author: str
    voter: str

    def cipher(self, secret: bytes) -> AESGCM:
        info = f"{self.poll}{self.author}{self.voter}Poll Vote".encode()
        return AESGCM(HKDF(SHA256(), 32, None, info).derive(secret))

    def associated(self) -> bytes:
        return f"{self.poll}\0{self.voter}".encode()


def sealed(ballot: Ballot, secret: bytes, options: list[str]) -> tuple[bytes, bytes]:
    """The vote for these options, and the nonce that goes with it."""
    chosen = PollVoteMessage(
        selected_options=[hashlib.sha256(option.encode()).digest() for option in options]
    )
    nonce = secrets.token_bytes(12)
    cipher = ballot.cipher(secret)
    return cipher.encrypt(nonce, chosen.SerializeToString(), ballot.associated()), nonce


def opened(
    ballot: Ballot, secret: bytes, payload: bytes, nonce: bytes, options: list[str]
) -> list[str] | None:
    """Which of the poll's options a vote chose, None when it does not open."""
    try:
        plaintext = ballot.cipher(secret).decrypt(nonce, payload, ballot.associated())
    except (InvalidTag, ValueError):
        return None
    chosen = set(PollVoteMessage.FromString(plaintext).selected_options)
    return [option for option in options if hashlib.sha256(option.encode()).digest() in chosen]
