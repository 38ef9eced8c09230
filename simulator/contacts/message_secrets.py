"""Encrypts and decrypts simulated people's poll votes and edits under the secret of the target message.

After whatsmeow `msgsecret.go` (generateMsgSecretKey) and whatsapp-rust `features/message_edit.rs`.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from simulator.contacts.message_content import SECRET_EDIT, fill
from simulator.wire.proto_schema import Message, PollVoteMessage

if TYPE_CHECKING:
    from simulator.contacts.message_content import Target

VOTE: Final = "Poll Vote"
EDIT: Final = "Message Edit"
SECRET_BYTES: Final = 32


@dataclass(frozen=True)
class AddOn:
    """A change of a message: its author, the message and the author of that; people by their JIDs without a device.

    `use` is VOTE or EDIT.
    """

    use: str
    target: str
    author: str
    by: str

    def sealed(self, secret: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
        """The ciphertext, and the nonce that goes with it."""
        nonce = secrets.token_bytes(12)
        return self._cipher(secret).encrypt(nonce, plaintext, self._associated()), nonce

    def opened(self, secret: bytes, payload: bytes, nonce: bytes) -> bytes | None:
        """The plaintext, None when it does not open."""
        try:
            return self._cipher(secret).decrypt(nonce, payload, self._associated())
        except (InvalidTag, ValueError):
            return None

    def _cipher(self, secret: bytes) -> AESGCM:
        info = f"{self.target}{self.author}{self.by}{self.use}".encode()
        return AESGCM(HKDF(SHA256(), 32, None, info).derive(secret))

    def _associated(self) -> bytes:
        return f"{self.target}\0{self.by}".encode() if self.use == VOTE else b""


def vote(options: list[str]) -> bytes:
    """The plaintext of a vote for these options."""
    chosen = PollVoteMessage(
        selected_options=[hashlib.sha256(option.encode()).digest() for option in options]
    )
    return bytes(chosen.SerializeToString())


def chosen(plaintext: bytes, options: list[str]) -> list[str]:
    """Options of the poll that a vote chose."""
    hashes = set(PollVoteMessage.FromString(plaintext).selected_options)
    return [option for option in options if hashlib.sha256(option.encode()).digest() in hashes]


def edit_message(target: Target, payload: bytes, iv: bytes) -> Any:
    """An edit that is sealed under the secret of its target."""
    message = Message()
    part = message.secret_encrypted_message
    part.secret_enc_type, part.enc_payload, part.enc_iv = SECRET_EDIT, payload, iv
    fill(part.target_message_key, target)
    return message


def vote_message(target: Target, payload: bytes, iv: bytes) -> Any:
    """A vote that is sealed under the secret of its poll."""
    message = Message()
    update = message.poll_update_message
    fill(update.poll_creation_message_key, target)
    update.vote.enc_payload, update.vote.enc_iv = payload, iv
    update.sender_timestamp_ms = int(time.time() * 1000)
    return message
