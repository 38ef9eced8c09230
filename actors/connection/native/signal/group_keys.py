"""The sender keys of a session: taken, used, and kept where they then are.

Everything here that changes the session is called inside its transaction: a key's step commits
together with the inbox row that it gave (G5), and before the bytes that it made leave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from actors.connection.native.signal.envelope import Malformed
from actors.connection.native.signal.ratchet import Undecryptable
from actors.connection.native.signal.sender_keys import (
    Distribution,
    GroupMessage,
    OwnSenderKey,
    SenderKey,
)
from actors.connection.native.transport.nodes import parse, proto
from actors.connection.session.identities.groups import KeyRow, OwnKeyRow

if TYPE_CHECKING:
    from actors.connection.session.session import Session

log = structlog.get_logger()


class GroupKeys:
    """Chats are groups' addresses, devices the names of their sessions."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def take(self, chat: str, device: str, plaintext: bytes) -> None:
        """Keep the sender key that a message of this device's in this group hands over, if any.

        It is the device's own, whatever it claims, and for this group alone. Raises
        `MalformedMessage`.
        """
        message = parse(proto.Message, plaintext)
        if not message.HasField("senderKeyDistributionMessage"):
            return
        handed = message.senderKeyDistributionMessage
        if handed.groupId and handed.groupId != chat:
            log.warning("sender key of another group", action="sender_key.refused")
            return
        try:
            key = SenderKey.of(Distribution.decode(handed.axolotlSenderKeyDistributionMessage))
        except Malformed:
            log.warning("malformed sender key", action="sender_key.refused")
            return
        self._session.add_sender_key(chat, device, _row(key))

    def decrypt(self, chat: str, device: str, ciphertext: bytes) -> bytes:
        """The plaintext of an ``skmsg`` of this device's. Raises `Undecryptable`."""
        try:
            message = GroupMessage.decode(ciphertext)
        except Malformed as error:
            raise Undecryptable("invalid_message") from error
        stored = self._session.sender_key(chat, device, message.key_id)
        if stored is None:
            raise Undecryptable("no_session")
        key = SenderKey(*stored)
        plaintext, key = key.decrypt(message)
        self._session.save_sender_key(chat, device, _row(key))
        return plaintext

    def own(self, chat: str) -> OwnSenderKey | None:
        """The key of the next message to the group."""
        stored = self._session.own_sender_key(chat)
        return None if stored is None else OwnSenderKey(*stored)

    def keep_own(self, chat: str, key: OwnSenderKey) -> None:
        self._session.save_own_sender_key(
            chat, OwnKeyRow(key.key_id, key.iteration, key.chain, key.private, key.public)
        )


def handing(chat: str, key: OwnSenderKey, message: bytes = b"") -> bytes:
    """The plaintext that hands over the key, and the `message` (not padded) with it."""
    both = parse(proto.Message, message)
    both.senderKeyDistributionMessage.groupId = chat
    both.senderKeyDistributionMessage.axolotlSenderKeyDistributionMessage = (
        key.distribution.encode()
    )
    serialized: bytes = both.SerializeToString()
    return serialized


def _row(key: SenderKey) -> KeyRow:
    return KeyRow(key.key_id, key.signing, key.iteration, key.chain, key.skipped)
