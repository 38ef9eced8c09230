"""Converts message content between JSON fields of control requests, protobuf, and inboxes of simulated people.

Shapes after whatsmeow `send.go` (BuildEdit, BuildRevoke, BuildReaction), Baileys `Utils/messages.ts` (pins) and
WAWebProtobufsE2E. `simulator.server.stanzas` derives the attributes of their stanzas.
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from simulator.wire.proto_schema import Message

if TYPE_CHECKING:
    from simulator.media.encryption import Sealed

MEDIA: Final = ("image", "video", "audio", "document", "sticker")
_REVOKE: Final = 0
_TIMER: Final = 3
EDIT_TYPE: Final = 14
_PIN_FOR_ALL: Final = 1
_UNPIN_FOR_ALL: Final = 2
SECRET_EDIT: Final = 2
_WRAPPERS: Final = (
    "ephemeral_message",
    "view_once_message",
    "view_once_message_v2",
    "document_with_caption_message",
    "edited_message",
)
_FOR_COMPANIONS: Final = (
    "history_sync_notification",
    "app_state_sync_key_share",
    "lid_migration_mapping_sync_message",
    "peer_data_operation_request_response_message",
)
_POLLS: Final = ("poll_creation_message", "poll_creation_message_v2", "poll_creation_message_v3")


@dataclass(frozen=True)
class Target:
    """The message to which another one refers.

    `chat` and `sender` are JIDs without a device; `from_me` is from the speaker's point of view.
    """

    id: str
    chat: Any
    sender: Any
    from_me: bool
    group: bool
    content: Any

    def key(self) -> dict[str, Any]:
        """The fields of a MessageKey."""
        return {
            "remote_jid": str(self.chat),
            "from_me": self.from_me,
            "id": self.id,
            **({"participant": str(self.sender)} if self.group and not self.from_me else {}),
        }


def text(words: str) -> Any:
    """Builds a plain text, which has no context of its own."""
    return Message(conversation=words)


def reaction(target: Target, emoji: str) -> Any:
    """Builds a reaction; an empty emoji removes it."""
    message = Message()
    message.reaction_message.text = emoji
    message.reaction_message.sender_timestamp_ms = int(time.time() * 1000)
    fill(message.reaction_message.key, target)
    return message


def pin(target: Target, seconds: int) -> Any:
    """Builds a pin for so many seconds, which is beside it, or the end of one for 0."""
    message = Message()
    message.pin_in_chat_message.type = _PIN_FOR_ALL if seconds else _UNPIN_FOR_ALL
    message.pin_in_chat_message.sender_timestamp_ms = int(time.time() * 1000)
    message.message_context_info.message_add_on_duration_in_secs = seconds
    fill(message.pin_in_chat_message.key, target)
    return message


def edit(target: Target, words: str, *, wrapped: bool) -> Any:
    """Builds an edit: wrapped in an `edited_message`, as by phones, or bare, as by Baileys."""
    message = Message()
    inner = message.edited_message.message if wrapped else message
    inner.protocol_message.type = EDIT_TYPE
    inner.protocol_message.timestamp_ms = int(time.time() * 1000)
    inner.protocol_message.edited_message.conversation = words
    fill(inner.protocol_message.key, target)
    return message


def delete(target: Target) -> Any:
    """Builds the deletion of a message for everyone (a revoke)."""
    message = Message()
    message.protocol_message.type = _REVOKE
    fill(message.protocol_message.key, target)
    return message


def timer(seconds: int) -> Any:
    """Builds the setting of a chat's timer, in seconds; 0 is never."""
    message = Message()
    message.protocol_message.type = _TIMER
    message.protocol_message.ephemeral_expiration = seconds
    message.protocol_message.ephemeral_setting_timestamp = int(time.time())
    return message


def timer_in(message: Any) -> int | None:
    """Returns the seconds of a timer setting; None for other messages."""
    part = unwrapped(message).protocol_message
    return int(part.ephemeral_expiration) if part.type == _TIMER else None


def expiring(message: Any, seconds: int) -> Any:
    """Returns the message with its timer in seconds, if its kind has a field for it."""
    _extend(message)
    part = _quoting_part(message)
    if part is not None:
        part.context_info.expiration = seconds
    return message


def expiration(message: Any) -> int | None:
    """Returns the timer of a message in seconds, 0 for never; None for a kind without a field for it."""
    part = _quoting_part(unwrapped(message))
    if part is None:
        return 0 if message.conversation else None
    return int(part.context_info.expiration)


def location(latitude: float, longitude: float, name: str, address: str) -> Any:
    """Builds a place; degrees are of WGS 84, an empty name or address is left out."""
    message = Message()
    place = message.location_message
    place.degrees_latitude, place.degrees_longitude = latitude, longitude
    if name:
        place.name = name
    if address:
        place.address = address
    return message


def contact(name: str, vcard: str) -> Any:
    """Builds a card of one person by a vCard."""
    message = Message()
    message.contact_message.display_name = name
    message.contact_message.vcard = vcard
    return message


def vcard_of(name: str, number: str) -> str:
    """Builds a vCard with one number, in WhatsApp's form."""
    return f"BEGIN:VCARD\nVERSION:3.0\nFN:{name}\nTEL;type=CELL;waid={number}:+{number}\nEND:VCARD"


def poll(question: str, options: list[str], selectable: int, secret: bytes) -> Any:
    """Builds a poll; `selectable` options may be chosen, 0 for any number."""
    message = Message()
    message.message_context_info.message_secret = secret
    field = message.poll_creation_message_v3 if selectable == 1 else message.poll_creation_message
    field.name, field.selectable_options_count = question, selectable
    for option in options:
        field.options.add(option_name=option)
    return message


def media(kind: str, sealed: Sealed, url: str, path: str, fields: dict[str, Any]) -> Any:
    """Builds a message with a file of one of the MEDIA kinds; `fields` are its further fields, such as `caption`."""
    message = Message()
    part = getattr(message, f"{kind}_message")
    part.url, part.direct_path = url, path
    part.media_key, part.media_key_timestamp = sealed.key, int(time.time())
    part.file_sha256, part.file_enc_sha256 = sealed.sha256, sealed.enc_sha256
    part.file_length = sealed.length
    for name, value in fields.items():
        setattr(part, name, value)
    return message


def quoting(message: Any, target: Target) -> Any:
    """Returns the message as a reply to another. A plain text becomes an extended one."""
    _extend(message)
    part = _quoting_part(message)
    part.context_info.stanza_id = target.id
    part.context_info.participant = str(target.sender)
    if target.content is not None:
        part.context_info.quoted_message.CopyFrom(target.content)
    return message


def is_for_companions(message: Any) -> bool:
    """Returns whether only an account's phone sends this message, to its companions."""
    return any(message.protocol_message.HasField(name) for name in _FOR_COMPANIONS)


def unwrapped(message: Any) -> Any:
    """Returns the content inside the wrappers for disappearing, view-once, edited and captioned messages."""
    for _ in _WRAPPERS:
        inner = next((name for name in _WRAPPERS if message.HasField(name)), None)
        if inner is None:
            break
        message = getattr(message, inner).message
    return message


def poll_in(message: Any) -> Any:
    """Returns the poll that a message creates, from any of the fields for polls."""
    return next((getattr(message, name) for name in _POLLS if message.HasField(name)), None)


def media_in(message: Any) -> tuple[str, Any] | None:
    """Returns the kind and the media part of a message."""
    message = unwrapped(message)
    for kind in MEDIA:
        if message.HasField(f"{kind}_message"):
            return kind, getattr(message, f"{kind}_message")
    return None


def described(message: Any) -> tuple[str | None, str | None, dict[str, Any]]:
    """Returns kind, text and other fields for an inbox; the kind None for messages that no app shows."""
    message = unwrapped(message)
    kind, words, fields = _described(message)
    part = None if kind is None else _quoting_part(message)
    if part is not None and part.context_info.stanza_id:
        quoted = described(part.context_info.quoted_message)
        fields["reply_to"] = {
            "id": part.context_info.stanza_id,
            "participant": part.context_info.participant,
            "type": quoted[0],
            "text": quoted[1],
        }
    if part is not None and part.context_info.expiration:
        fields["expiration"] = part.context_info.expiration
    if part is not None and part.context_info.mentioned_jid:
        fields["mentions"] = list(part.context_info.mentioned_jid)
    if part is not None and part.context_info.is_forwarded:
        fields["forwarded"] = part.context_info.forwarding_score
    return kind, words, fields


def _described(message: Any) -> tuple[str | None, str | None, dict[str, Any]]:
    text = message.conversation or message.extended_text_message.text
    if text:
        return "text", text, _preview(message.extended_text_message)
    media = media_in(message)
    if media is not None:
        return media[0], getattr(media[1], "caption", "") or None, _media_fields(media[1])
    if message.HasField("reaction_message") or message.HasField("pin_in_chat_message"):
        return _mark(message)
    if message.HasField("location_message"):
        place = message.location_message
        fields = {"latitude": place.degrees_latitude, "longitude": place.degrees_longitude}
        return "location", None, fields | _set_fields(place, "name", "address", "url")
    if message.HasField("contact_message"):
        card = message.contact_message
        return "contact", None, {"name": card.display_name, "vcard": card.vcard}
    if message.HasField("group_invite_message"):
        invite = message.group_invite_message
        fields = {"group": invite.group_jid, "code": invite.invite_code, "name": invite.group_name}
        return "invite", invite.caption or None, fields | {"expires": invite.invite_expiration}
    question = poll_in(message)
    if question is not None:
        return (
            "poll",
            question.name,
            {
                "options": [option.option_name for option in question.options],
                "selectable": question.selectable_options_count,
            },
        )
    sealed = _sealed(message)
    if sealed is not None:
        return sealed
    if message.HasField("protocol_message"):
        return _protocol(message.protocol_message)
    return (None if _bare(message) else "unknown"), None, {}


def _preview(part: Any) -> dict[str, Any]:
    """The preview of a text's link, which apps show where the text has that link."""
    if not part.title or not part.matched_text or part.matched_text not in part.text:
        return {}
    fields = _set_fields(part, "matched_text", "title", "description")
    return {"preview": fields | {"thumbnail": base64.b64encode(part.jpeg_thumbnail).decode()}}


def _mark(message: Any) -> tuple[str, str | None, dict[str, Any]]:
    """A reaction, or a pin for a time or its end: apps show no other pin."""
    if message.HasField("reaction_message"):
        reaction = message.reaction_message
        return "reaction", reaction.text or None, {"target": _target(reaction.key)}
    part = message.pin_in_chat_message
    seconds = int(message.message_context_info.message_add_on_duration_in_secs)
    if (part.type, seconds > 0) not in {(_PIN_FOR_ALL, True), (_UNPIN_FOR_ALL, False)}:
        return "unknown", None, {}
    return "pin", None, {"target": _target(part.key), "seconds": seconds}


def _sealed(message: Any) -> tuple[str, None, dict[str, Any]] | None:
    """Returns the encrypted vote or edit in a message."""
    if message.HasField("poll_update_message"):
        key = message.poll_update_message.poll_creation_message_key
        return "vote", None, {"target": _target(key)}
    part = message.secret_encrypted_message
    if part.secret_enc_type == SECRET_EDIT:
        return "edit", None, {"target": _target(part.target_message_key), "to": None}
    return None


def _protocol(part: Any) -> tuple[str | None, str | None, dict[str, Any]]:
    if revokes(part):
        return "delete", None, {"target": _target(part.key)}
    if part.type == EDIT_TYPE:
        new = described(part.edited_message)
        return "edit", new[1], {"target": _target(part.key), "to": new[0]}
    if part.type == _TIMER:
        return "timer", None, {"seconds": int(part.ephemeral_expiration)}
    return None, None, {}


def revokes(part: Any) -> bool:
    """Whether a protocol message deletes another message for everyone."""
    # proto2 reads an unknown type as the first one, which is this.
    return part.HasField("type") and part.type == _REVOKE and part.HasField("key")


def _bare(message: Any) -> bool:
    """Returns whether the message has nothing but a sender key distribution."""
    return {field.name for field, _ in message.ListFields()} <= {
        "sender_key_distribution_message",
        "message_context_info",
    }


def _target(key: Any) -> dict[str, Any]:
    return {"id": key.id, "chat": key.remote_jid, "from_me": key.from_me} | _set_fields(
        key, "participant"
    )


def _media_fields(part: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "mimetype": part.mimetype,
        "length": part.file_length,
        "sha256": part.file_sha256.hex(),
    }
    for name in ("file_name", "title", "seconds", "ptt", "width", "height", "is_animated"):
        if name in part.DESCRIPTOR.fields_by_name and part.HasField(name):
            fields[name] = getattr(part, name)
    for name, shown in (("jpeg_thumbnail", "thumbnail"), ("waveform", "waveform")):
        if name in part.DESCRIPTOR.fields_by_name and part.HasField(name):
            fields[shown] = base64.b64encode(getattr(part, name)).decode()
    return fields


def _set_fields(part: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(part, name) for name in names if part.HasField(name)}


def _quoting_part(message: Any) -> Any:
    """Returns the part of a message with its `context_info`, None without one."""
    for field, part in message.ListFields():
        if field.message_type is not None and "context_info" in field.message_type.fields_by_name:
            return part
    return None


def _extend(message: Any) -> None:
    """Turns a plain text into an extended one, which has a `context_info`."""
    if message.conversation:
        words = message.conversation
        message.ClearField("conversation")
        message.extended_text_message.text = words


def fill(key: Any, target: Target) -> None:
    """Fills a message key with the target."""
    for name, value in target.key().items():
        setattr(key, name, value)
