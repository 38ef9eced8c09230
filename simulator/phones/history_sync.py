"""Builds history syncs that tests describe to the control API, and sends them from the phone to linked devices.

After whatsmeow `message.go` (handleHistorySyncNotificationLoop) and Baileys `utils/history`: a
HistorySync, deflated, encrypted as media of type `md-msg-hist`, and named by a HistorySyncNotification
in a protocol message from the phone.
"""

from __future__ import annotations

import secrets
import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from simulator.contacts.people import ADDRESSINGS
from simulator.control.request_parser import ProblemError, field, optional
from simulator.server.groups.group import is_group
from simulator.wire.proto_schema import HistorySync, Message
from simulator.wire.protocol_library import LID_SERVER

if TYPE_CHECKING:
    from simulator.contacts.contact_behaviour import ContactBehaviour
    from simulator.contacts.message_builder import MessageBuilder
    from simulator.contacts.people import People
    from simulator.media.store import MediaStore
    from simulator.server.companions import Companion
    from simulator.server.groups.group import Groups
    from simulator.server.rules.chat_timers import ChatTimers
    from simulator.server.rules.hidden_numbers import HiddenNumbers
    from simulator.server.rules.privacy_tokens import PrivacyTokens
    from simulator.server.rules.properties import Properties
    from simulator.store import Store

SYNC_TYPES: Final = {"initial_bootstrap": 0, "full": 2, "recent": 3, "push_name": 4}
MAX_MESSAGES: Final = 10_000
_NOTIFICATION: Final = 5
_READ: Final = 4
MAX_PADDING: Final = 64 << 20
"""Bytes by which a message of a history is larger than what it says: files of real ones have previews."""
_OWN: Final = {"from", "from_me", "id", "at", "padding"}


@dataclass(frozen=True)
class Chunk:
    """One history sync. `inline` has it in the notification itself, without a file."""

    type: int
    order: int
    progress: int
    inline: bool
    payload: bytes


class HistorySyncs:
    """Sends history syncs of phones. Each method runs inside its caller's transaction."""

    def __init__(
        self,
        *,
        store: Store,
        people: People,
        groups: Groups,
        composer: MessageBuilder,
        media: MediaStore,
        properties: Properties,
        hidden_numbers: HiddenNumbers,
        contact_behaviour: ContactBehaviour,
        chat_timers: ChatTimers,
        tokens: PrivacyTokens,
    ) -> None:
        self._store = store
        self._people = people
        self._groups = groups
        self._composer = composer
        self._media = media
        self._properties = properties
        self._hidden_numbers = hidden_numbers
        self._contact_behaviour = contact_behaviour
        self._chat_timers = chat_timers
        self._tokens = tokens

    def chunk(self, number: str, body: dict[str, Any]) -> tuple[Chunk, list[str]]:
        """Returns the history chunk of a request, and the ids of its messages. Raises ProblemError."""
        kind = optional(body, "type", "recent")
        if kind not in SYNC_TYPES:
            raise ProblemError(400, "bad_type", f"type must be one of {', '.join(SYNC_TYPES)}")
        mode = optional(body, "addressing", "pn")
        if mode not in ADDRESSINGS:
            raise ProblemError(400, "bad_addressing", "addressing must be pn or lid")
        sync = HistorySync(
            sync_type=SYNC_TYPES[kind],
            chunk_order=_small(body, "chunk_order", 1),
            progress=_small(body, "progress", 100),
        )
        if kind == "initial_bootstrap" and self._properties.value(number, "salt_in_history"):
            sync.nct_salt = self._tokens.salt(number)
        ids: list[str] = []
        for described in _objects(body, "conversations"):
            self._add(sync, number, described, ADDRESSINGS[mode], ids)
        for address, name in optional(body, "pushnames", {}).items():
            if not isinstance(name, str):
                raise ProblemError(400, "wrong_type", "pushnames must be names by numbers")
            person = self._people.named(address.lstrip("+"))
            sync.pushnames.add(id=person.addresses()[0], pushname=name)
        chunk = Chunk(
            sync.sync_type,
            sync.chunk_order,
            sync.progress,
            optional(body, "inline", False),
            sync.SerializeToString(),
        )
        return chunk, ids

    def at_pairing(self, number: str, chunk: Chunk) -> None:
        """Stores a chunk for devices that are linked to the account later."""
        self._store.execute(
            "INSERT INTO histories (number, type, chunk_order, progress, inline, payload)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            number,
            chunk.type,
            chunk.order,
            chunk.progress,
            chunk.inline,
            chunk.payload,
        )

    def paired(self, companion: Companion) -> None:
        """Sends the stored chunks to a companion after its first prekey upload."""
        for row in self._store.rows(
            "SELECT * FROM histories WHERE number = ? ORDER BY seq", companion.number
        ):
            chunk = Chunk(
                row["type"],
                row["chunk_order"],
                row["progress"],
                bool(row["inline"]),
                bytes(row["payload"]),
            )
            self.send(companion, chunk)

    def send(self, companion: Companion, chunk: Chunk) -> str:
        """Sends a chunk to one companion; returns the id of the message."""
        deflated = zlib.compress(chunk.payload)
        message = Message()
        part = message.protocol_message
        part.type = _NOTIFICATION
        notification = part.history_sync_notification
        notification.sync_type = chunk.type
        notification.chunk_order, notification.progress = chunk.order, chunk.progress
        if chunk.inline:
            notification.initial_hist_bootstrap_inline_payload = deflated
        else:
            sealed, path = self._media.put([deflated], "md-msg-hist")
            notification.direct_path, notification.media_key = path, sealed.key
            notification.file_sha256, notification.file_enc_sha256 = (
                sealed.sha256,
                sealed.enc_sha256,
            )
            notification.file_length = sealed.length
        return self._contact_behaviour.to_companion(companion, message)

    def _add(
        self, sync: Any, number: str, described: dict[str, Any], server: str, ids: list[str]
    ) -> None:
        chat = field(described, "chat", str)
        conversation = sync.conversations.add()
        if is_group(chat):
            group = self._groups.named(chat)
            server, conversation.id, name = group.server, group.chat, group.subject.text
        else:
            person = self._people.named(chat.lstrip("+"))
            hidden = self._hidden_numbers.hides(person.number)
            server = LID_SERVER if hidden else server
            conversation.id, name = str(person.address(server)), person.name
            number_jid, conversation.lid_jid = person.addresses()
            if not hidden:
                conversation.pn_jid = number_jid
                sync.phone_number_to_lid_mappings.add(
                    pn_jid=number_jid, lid_jid=conversation.lid_jid
                )
            chat = person.number
        conversation.name = optional(described, "name", name)
        conversation.unread_count = _small(described, "unread", 0)
        if timer := self._chat_timers.timer(chat, number):
            conversation.ephemeral_expiration = timer
        if not is_group(chat):
            self._add_tokens(conversation, number, chat)
        for message in _objects(described, "messages"):
            if len(ids) >= MAX_MESSAGES:
                raise ProblemError(400, "too_many", f"at most {MAX_MESSAGES} messages at once")
            info = conversation.messages.add(msg_order_id=len(ids) + 1).message
            ids.append(self._message(info, number, chat, message, server))
            conversation.conversation_timestamp = max(
                conversation.conversation_timestamp, info.message_timestamp
            )
        conversation.last_msg_timestamp = conversation.conversation_timestamp

    def _add_tokens(self, conversation: Any, number: str, contact: str) -> None:
        """Adds the token that the contact issued to the account, and the time at which the account issued one."""
        held, given = self._tokens.issued(contact, number), self._tokens.issued(number, contact)
        if held is not None:
            conversation.tc_token, conversation.tc_token_timestamp = held
        if given is not None:
            conversation.tc_token_sender_timestamp = given[1]

    def _message(
        self, info: Any, number: str, chat: str, message: dict[str, Any], server: str
    ) -> str:
        """Fills one message of the history; returns its id."""
        own = optional(message, "from_me", False)
        author = number if own else optional(message, "from", "" if is_group(chat) else chat)
        speaker = self._people.named(author.lstrip("+"))
        spoken = {name: value for name, value in message.items() if name not in _OWN}
        self._composer.check(spoken)
        info.message.CopyFrom(self._composer.message(spoken, speaker, chat, server))
        info.key.id = optional(message, "id", f"3EB0{secrets.token_hex(9).upper()}")
        info.key.remote_jid = (
            str(self._groups.named(chat).address)
            if is_group(chat)
            else str(self._people.named(chat).address(server))
        )
        info.key.from_me = speaker.number == number
        if is_group(chat) and not info.key.from_me:
            info.key.participant = info.participant = str(speaker.address(server))
        info.message_timestamp = _small(message, "at", int(time.time()))
        info.status, info.push_name = _READ, speaker.name
        padding = _small(message, "padding", 0)
        if padding > MAX_PADDING:
            raise ProblemError(400, "bad_number", f"padding is at most {MAX_PADDING} bytes")
        info.media_ciphertext_sha256 = bytes(padding)
        return str(info.key.id)


def _small(body: dict[str, Any], name: str, default: int) -> int:
    number = optional(body, name, default)
    if not 0 <= number < 1 << 32:
        raise ProblemError(400, "bad_number", f"{name} is out of range")
    return int(number)


def _objects(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    listed = optional(body, name, [])
    if not all(isinstance(one, dict) for one in listed):
        raise ProblemError(400, "wrong_type", f"{name} must be a list of objects")
    return list(listed)
