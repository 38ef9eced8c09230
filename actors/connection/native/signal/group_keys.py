"""Decrypts group messages with sender keys from the session file, and stores own and received sender keys there.

Everything here that changes the session is called inside its transaction: a key's step commits
together with the inbox row that it gave (G5), and before the bytes that it made leave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from actors.connection.native.signal.chains import MAX_JUMP
from actors.connection.native.signal.decryption_budget import Budgets, Prepared
from actors.connection.native.signal.sender_keys import (
    Distribution,
    GroupMessage,
    GroupRead,
    OwnSenderKey,
    SenderKey,
)
from actors.connection.native.signal.signal_messages import MalformedSignalMessage
from actors.connection.protocol.decryption_errors import Undecryptable
from actors.connection.protocol.wire_format.nodes import parse, proto
from actors.connection.session.identities.groups import KeyRow, OwnKeyRow

if TYPE_CHECKING:
    from actors.connection.native.signal.decryption_budget import Allowance
    from actors.connection.session.identities.groups import StoredKey
    from actors.connection.session.session import Session

log = structlog.get_logger()


class GroupKeys:
    """Sender keys of one account's groups, received and own. Chats are groups' addresses, devices names of sessions.

    `decrypt` reads a short message, a few steps ahead, inside the transaction; `prepare` any other before it, as
    far as the device's budget goes.
    """

    def __init__(self, session: Session, budgets: Budgets | None = None) -> None:
        self._session = session
        self._budgets = budgets or Budgets()
        self._prepared: Prepared[GroupRead] = Prepared()

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
        except MalformedSignalMessage:
            log.warning("malformed sender key", action="sender_key.refused")
            return
        self._prepared.drop((chat, device))
        self._session.groups.add_sender_key(chat, device, _row(key), reach=MAX_JUMP)

    def waits(self, chat: str, device: str, ciphertext: bytes) -> bool:
        """Whether `prepare` is of use: it was not called, and no prepared message changes the device's keys."""
        return self._prepared.waits((chat, device), ciphertext)

    def prepare(self, chat: str, device: str, ciphertext: bytes) -> None:
        """Try an ``skmsg`` outside the transaction in which it will be decrypted; change nothing."""
        try:
            stored, message = self._key(chat, device, ciphertext)
            with self._budgets.allowance(device, len(ciphertext)) as allowance:
                found = self._read(stored, message, allowance)
            self._prepared.put((chat, device), ciphertext, found)
        except Undecryptable as refused:
            self._prepared.put((chat, device), ciphertext, refused)

    def forget_prepared(self) -> None:
        """Drop the results of trials on sender keys."""
        self._prepared.clear()

    def decrypt(self, chat: str, device: str, ciphertext: bytes) -> bytes:
        """The plaintext of an ``skmsg`` of this device's. Raises `Undecryptable`, or `Unprepared`."""
        found = self._prepared.get((chat, device), ciphertext)
        stored, message = self._key(chat, device, ciphertext)
        number, kept = stored.number, stored.kept
        if found is None or found.before != SenderKey(*stored.key):
            found = self._read(stored, message, self._budgets.within(device, len(ciphertext)))
        self._prepared.drop((chat, device))
        if found.used is not None:
            kept -= self._session.skipped_keys.use_of_sender(number, found.used)
        if found.skipped:
            kept = self._session.skipped_keys.add_of_sender(number, kept, found.skipped)
        self._session.groups.save_sender_key(number, _row(found.after), kept)
        if found.skipped:
            self._session.skipped_keys.bound_of_sender(device, number, len(found.skipped))
        return found.plaintext

    def _read(self, stored: StoredKey, message: GroupMessage, allowance: Allowance) -> GroupRead:
        """Read a message; change nothing. Raises `Undecryptable`, or `Unprepared` by the allowance."""
        key = SenderKey(*stored.key)
        if message.iteration >= key.iteration:
            return key.read(message, allowance)
        kept = self._session.skipped_keys.find_of_sender(stored.number, message.iteration)
        if kept is None:
            raise Undecryptable("old_counter")
        return key.read_late(message, kept, allowance)

    def _key(self, chat: str, device: str, raw: bytes) -> tuple[StoredKey, GroupMessage]:
        """A message, and its key. Raises `Undecryptable`."""
        try:
            message = GroupMessage.decode(raw)
        except MalformedSignalMessage as error:
            raise Undecryptable("invalid_message") from error
        stored = self._session.groups.sender_key(chat, device, message.key_id)
        if stored is None:
            raise Undecryptable("no_session")
        return stored, message

    def own(self, chat: str) -> OwnSenderKey | None:
        """The key of the next message to the group."""
        stored = self._session.groups.own_sender_key(chat)
        return None if stored is None else OwnSenderKey(*stored)

    def save_own(self, chat: str, key: OwnSenderKey) -> None:
        """Store the own sender key of a group, in the transaction of the message that it encrypts."""
        self._session.groups.save_own_sender_key(
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
    return KeyRow(key.key_id, key.signing, key.iteration, key.chain)
