"""Builds protobuf messages of simulated people from JSON requests to the control API.

The `type` of a request is one of `MESSAGE_FIELDS`, by default `text`. `reply_to` and `target` are ids of messages
in the same chat.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any, Final

from simulator.contacts import message_content, message_secrets
from simulator.contacts.message_content import Target
from simulator.control.request_parser import ProblemError, field, optional
from simulator.media.encryption import MAX_MEDIA, random_bytes
from simulator.server.groups.group import is_group
from simulator.wire.proto_schema import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simulator.contacts.people import People, Person
    from simulator.media.store import MediaStore
    from simulator.server.groups.group import Groups
    from simulator.store import Store

# WhatsApp's own limits, in characters and in options.
MAX_TEXT: Final = 65536
MAX_NAME: Final = 1024
MAX_OPTIONS: Final = 12

_COMMON: Final = {"to", "type", "device", "addressing", "count", "unavailable"}
_FILE: Final = ("data", "size", "mimetype", "reply_to")
# fields of each type beside the common ones
MESSAGE_FIELDS: Final[dict[str, set[str]]] = {
    "text": {"text", "reply_to", "secret"},
    "reaction": {"target", "text"},
    "pin": {"target", "seconds"},
    "edit": {"target", "text", "wrapped", "encrypted"},
    "delete": {"target"},
    "location": {"latitude", "longitude", "name", "address", "reply_to"},
    "contact": {"name", "phone", "vcard", "reply_to"},
    "poll": {"text", "options", "selectable", "reply_to"},
    "vote": {"target", "options"},
    "image": {*_FILE, "text", "width", "height", "thumbnail"},
    "video": {*_FILE, "text", "width", "height", "seconds", "thumbnail"},
    "audio": {*_FILE, "seconds", "ptt"},
    "document": {*_FILE, "text", "file_name", "title"},
    "sticker": {*_FILE, "width", "height", "is_animated"},
    "timer": {"seconds"},
    "invite": {"group", "code", "expires", "text"},
}
# the default type of a file
_MIMETYPES: Final = {
    "image": "image/jpeg",
    "video": "video/mp4",
    "audio": "audio/ogg; codecs=opus",
    "document": "application/pdf",
    "sticker": "image/webp",
}
_NUMBERS: Final = {"width", "height", "seconds"}
_FLAGS: Final = {"ptt", "is_animated"}
_MADE_UP: Final = 4096


class MessageBuilder:
    """Builds messages from requests. Raises ProblemError for invalid requests."""

    def __init__(
        self,
        *,
        store: Store,
        people: People,
        groups: Groups,
        media: MediaStore,
    ) -> None:
        self._store = store
        self._people = people
        self._groups = groups
        self._media = media
        self._makers: dict[str, Callable[[dict[str, Any], Callable[[str], Target]], Any]] = {
            "text": lambda body, _: _text(body),
            "reaction": lambda body, about: message_content.reaction(
                about(field(body, "target", str)), _short(body, "text")
            ),
            "pin": lambda body, about: message_content.pin(
                about(field(body, "target", str)), seconds_of(body)
            ),
            "edit": lambda body, about: _edit(body, about(field(body, "target", str))),
            "delete": lambda body, about: message_content.delete(about(field(body, "target", str))),
            "location": lambda body, _: _location(body),
            "contact": lambda body, _: self._contact(body),
            "poll": lambda body, _: _poll(body),
            "timer": lambda body, _: message_content.timer(seconds_of(body)),
            "invite": lambda body, _: self._invite(body),
            **{kind: self._media_maker(kind) for kind in message_content.MEDIA},
        }

    def check(self, body: dict[str, Any]) -> str:
        """Returns the type of a request, and checks that it has no fields of other types."""
        kind = optional(body, "type", "text")
        if kind not in MESSAGE_FIELDS:
            raise ProblemError(400, "bad_type", f"type must be one of {', '.join(MESSAGE_FIELDS)}")
        for name in body:
            if name not in _COMMON | MESSAGE_FIELDS[kind]:
                raise ProblemError(400, "unknown_field", f"a {kind} has no field {name!r}")
        return kind

    def message(self, body: dict[str, Any], speaker: Person, chat: str, server: str) -> Any:
        """Builds the message of a checked request from `speaker` to `chat`.

        `server` is the server part of addresses in it.
        """

        def about(message_id: str) -> Target:
            return self._target(message_id, speaker, chat, server)

        kind = optional(body, "type", "text")
        if kind == "vote":
            return self._vote(about(field(body, "target", str)), body, speaker, server)
        message = self._makers[kind](body, about)
        if "reply_to" in body:
            message_content.quoting(message, about(field(body, "reply_to", str)))
        return message

    def _invite(self, body: dict[str, Any]) -> Any:
        group = self._groups.named(field(body, "group", str))
        message = Message()
        invite = message.group_invite_message
        invite.group_jid, invite.group_name = group.chat, group.subject.text
        invite.invite_code = field(body, "code", str)
        invite.invite_expiration = optional(body, "expires", 0)
        invite.caption = _short(body, "text")
        return message

    def _target(self, message_id: str, speaker: Person, chat: str, server: str) -> Target:
        """Returns the message of that id in the chat, by any author."""
        found = self._store.row(
            "SELECT number AS author, content, text FROM said WHERE id = ?1"
            " AND (recipient = ?2 OR number = ?2 AND recipient = ?3)"
            " UNION ALL SELECT sender, content, text FROM inbox WHERE id = ?1"
            " AND (chat = ?2 OR sender = ?2 AND chat = ?3)",
            message_id,
            chat,
            speaker.number,
        )
        if found is None:
            raise ProblemError(404, "no_such_message", "the chat has no message of that id")
        content = bytes(found["content"])
        author = self._people.named(found["author"])
        return Target(
            id=message_id,
            chat=self._chat_address(chat, server),
            sender=author.address(server),
            from_me=author.number == speaker.number,
            group=is_group(chat),
            content=Message.FromString(content)
            if content
            else message_content.text(found["text"] or ""),
        )

    def _chat_address(self, chat: str, server: str) -> Any:
        if is_group(chat):
            return self._groups.named(chat).address
        return self._people.named(chat).address(server)

    def _contact(self, body: dict[str, Any]) -> Any:
        name, card = _short(body, "name"), _short(body, "vcard")
        if not card:
            number = self._people.named(field(body, "phone", str).lstrip("+")).number
            card = message_content.vcard_of(name, number)
        return message_content.contact(name, card)

    def _media_maker(self, kind: str) -> Callable[[dict[str, Any], Any], Any]:
        def make(body: dict[str, Any], _: Any) -> Any:
            fields: dict[str, Any] = {"mimetype": _short(body, "mimetype") or _MIMETYPES[kind]}
            for name in MESSAGE_FIELDS[kind] & body.keys() - {*_FILE, "text", "thumbnail"}:
                fields[name] = _field_of_media(body, name)
            if "thumbnail" in body:
                fields["jpeg_thumbnail"] = _bytes(body, "thumbnail")
            if "text" in body:
                fields["caption"] = text_of_request(body)
            sealed, path = self._media.put(_file(body), kind)
            return message_content.media(
                kind, sealed, f"https://{self._media.host}{path}", path, fields
            )

        return make

    def _vote(self, target: Target, body: dict[str, Any], speaker: Person, server: str) -> Any:
        question = message_content.poll_in(target.content)
        secret = target.content.message_context_info.message_secret
        if question is None or not secret:
            raise ProblemError(409, "no_poll", "the target is no poll that can be voted in")
        options = _options(body)
        names = {option.option_name for option in question.options}
        if not set(options) <= names:
            raise ProblemError(400, "bad_options", "options must be some of the poll's")
        ballot = message_secrets.AddOn(
            message_secrets.VOTE, target.id, str(target.sender), str(speaker.address(server))
        )
        return message_secrets.vote_message(
            target, *ballot.sealed(secret, message_secrets.vote(options))
        )


def _text(body: dict[str, Any]) -> Any:
    message = message_content.text(text_of_request(body))
    if optional(body, "secret", False):
        secret = secrets.token_bytes(message_secrets.SECRET_BYTES)
        message.message_context_info.message_secret = secret
    return message


def _edit(body: dict[str, Any], target: Target) -> Any:
    encrypted = optional(body, "encrypted", False)
    wrapped = optional(body, "wrapped", not encrypted)
    edit = message_content.edit(target, text_of_request(body), wrapped=wrapped)
    if not encrypted:
        return edit
    secret = target.content.message_context_info.message_secret
    if not secret or not target.from_me:
        raise ProblemError(409, "no_secret", "the target is no message of theirs with a secret")
    author = str(target.sender)
    change = message_secrets.AddOn(message_secrets.EDIT, target.id, author, author)
    return message_secrets.edit_message(target, *change.sealed(secret, edit.SerializeToString()))


def text_of_request(body: dict[str, Any]) -> str:
    """Returns `text` of a request; raises ProblemError 400 for none, and for more than MAX_TEXT characters."""
    words: str = field(body, "text", str)
    if not 0 < len(words) <= MAX_TEXT:
        raise ProblemError(400, "bad_text", f"text must have 1 to {MAX_TEXT} characters")
    return words


def _short(body: dict[str, Any], name: str) -> str:
    words: str = optional(body, name, "")
    if len(words) > MAX_NAME:
        raise ProblemError(400, "bad_text", f"{name} must have at most {MAX_NAME} characters")
    return words


def _file(body: dict[str, Any]) -> Iterable[bytes]:
    """Returns the file of a request: its `data` in Base64, or `size` random bytes."""
    if "data" in body:
        return [_bytes(body, "data")]
    size = optional(body, "size", _MADE_UP)
    if not 0 <= size <= MAX_MEDIA - 64:
        raise ProblemError(400, "bad_media", f"size must be 0 to {MAX_MEDIA - 64} bytes")
    return random_bytes(size)


def _bytes(body: dict[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(field(body, name, str), validate=True)
    except ValueError as error:
        raise ProblemError(400, "bad_media", f"{name} is not Base64") from error


def _field_of_media(body: dict[str, Any], name: str) -> Any:
    if name in _FLAGS:
        return field(body, name, bool)
    if name not in _NUMBERS:
        return _short(body, name)
    number = field(body, name, int)
    if not 0 <= number < 1 << 32:
        raise ProblemError(400, "bad_media", f"{name} is out of range")
    return number


def _location(body: dict[str, Any]) -> Any:
    latitude, longitude = (
        float(field(body, one, (int, float))) for one in ("latitude", "longitude")
    )
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise ProblemError(400, "bad_location", "latitude is -90 to 90, longitude -180 to 180")
    return message_content.location(
        latitude, longitude, _short(body, "name"), _short(body, "address")
    )


def seconds_of(body: dict[str, Any]) -> int:
    """Returns the seconds of a pin, or after which messages disappear; 0 ends either."""
    seconds = field(body, "seconds", int)
    if not 0 <= seconds < 1 << 32:
        raise ProblemError(400, "bad_seconds", "seconds must be 0 or more")
    return int(seconds)


def _options(body: dict[str, Any]) -> list[str]:
    options = field(body, "options", list)
    if not all(isinstance(option, str) and 0 < len(option) <= MAX_NAME for option in options):
        raise ProblemError(400, "bad_options", "options must be texts")
    return list(options)


def _poll(body: dict[str, Any]) -> Any:
    options, selectable = _options(body), optional(body, "selectable", 1)
    if not 2 <= len(set(options)) == len(options) <= MAX_OPTIONS:
        raise ProblemError(400, "bad_options", f"a poll has 2 to {MAX_OPTIONS} different options")
    if not 0 <= selectable <= len(options):
        raise ProblemError(400, "bad_options", "selectable must be 0 or how many may be chosen")
    return message_content.poll(text_of_request(body), options, selectable, secrets.token_bytes(32))
