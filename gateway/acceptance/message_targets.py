"""Builds a send's content: finds the message that a reply, change or pin names in queue or store; rejects unfit targets.

A wrong reference is refused before anything is accepted. Later ends of the target are no refusal:
a message that is still to be sent stands before its edit in the lane, and if it dies there, so does
the edit (`target_not_sent`).
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from actors.messages.content import (
    CHANGE_TYPES,
    DELETE_SECONDS,
    EDIT_SECONDS,
    NOTICES,
    Card,
    Delete,
    Pin,
    Poll,
    PollVote,
    Quote,
    Reaction,
    Target,
    UnknownContent,
    unpack,
)
from actors.queue.mirror import mirror_writes
from actors.state.documents import MESSAGES
from actors.state.messages.applied_changes import is_early, text_now
from gateway.acceptance.attachments import file_content
from gateway.http.problems import Problem
from gateway.schemas.content.outbound_messages import (
    ContactMessage,
    FileMessage,
    TextMessage,
    VcardCard,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.messages.content import Content, Text
    from actors.queue.outbound_queue import Record
    from gateway.acceptance.attachments import Called
    from gateway.backends import Backends
    from gateway.schemas.content.outbound_messages import (
        ChangeMessage,
        NumberCard,
        StandaloneMessage,
    )

NO_TARGETS = NOTICES | CHANGE_TYPES
"""Types of content to which no other message refers."""
UNSENT = frozenset({"dead", "cancelled"})
"""States of a message that never left, so that nothing refers to it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A message, as far as a reference to it needs that. `sent_at` None: not sent yet.

    `poll` is its content, where it is a poll.
    """

    target: Target
    chat: str
    type: str
    text: str | None
    own: bool
    status: str
    sent_at: float | None
    send_at: float | None
    deleted: bool
    priority: int = 5
    poll: Poll | None = None


async def standalone_content(
    backends: Backends, wanted: StandaloneMessage, called: Called | None = None
) -> Content:
    """The content of a send that may quote another message. Problems as in `find` and `file_content`."""
    quote = None
    if wanted.reply_to is not None:
        found = await find(backends, wanted.connection, wanted.to, wanted.reply_to, words=True)
        quote = Quote(found.target, found.text, found.type)
    if isinstance(wanted, FileMessage):
        return await file_content(backends, wanted, quote, called)
    if isinstance(wanted, ContactMessage):
        return wanted.content(cards=tuple(map(_card, wanted.contacts)), reply_to=quote)
    content = wanted.content(reply_to=quote)
    if isinstance(wanted, TextMessage) and wanted.link_preview:
        preview = await backends.previews.of(wanted.text, wanted.connection)
        return replace(cast("Text", content), link_preview=preview)
    if not isinstance(content, Poll):
        return content
    # As many as there are is any number.
    choices = 0 if content.choices >= len(content.options) else content.choices
    return replace(content, choices=choices, secret=secrets.token_hex(32))


async def change_content(backends: Backends, wanted: ChangeMessage) -> tuple[Content, int]:
    """The content that changes a message, and the priority of that message.

    Problems as in `find`, and where it may not be changed like that.
    """
    words = wanted.kind is PollVote
    found = await find(backends, wanted.connection, wanted.to, wanted.message, words=words)
    return allowed_change(wanted, found, time.time()), found.priority


def allowed_change(wanted: ChangeMessage, found: Found, now: float) -> Content:
    """The change that `wanted` asks for, if the message takes it at `now`. Raises `Problem`."""
    content = wanted.content(target=found.target)
    if isinstance(content, Reaction | Pin):
        return content
    if isinstance(content, PollVote):
        return _vote(content, found)
    if not found.own:
        raise Problem("not_own_message")
    age = 0.0 if found.sent_at is None else now - found.sent_at
    if isinstance(content, Delete):
        if age > DELETE_SECONDS:
            raise Problem("delete_too_late")
        return content
    if found.type != "text":
        raise Problem("not_editable")
    if age > EDIT_SECONDS:
        raise Problem("edit_too_late")
    return content


def _vote(vote: PollVote, found: Found) -> PollVote:
    poll, chosen = found.poll, vote.options or ()
    if found.type != "poll":
        raise Problem("not_a_poll")
    if poll is None or poll.secret is None:
        raise Problem("poll_unreadable")
    if not set(chosen) <= set(poll.options):
        raise Problem("unknown_option")
    if 0 < poll.choices < len(chosen):
        raise Problem("too_many_options", f"The poll takes {poll.choices} at most.")
    # In the poll's order, as clients have it.
    options = tuple(one for one in dict.fromkeys(poll.options) if one in chosen)
    return replace(vote, options=options, secret=poll.secret)


async def find(
    backends: Backends,
    connection: str,
    chat: str,
    id: str,  # noqa: A002 - the field's word
    *,
    words: bool,
) -> Found:
    """Return the message of this id, which is in this chat and can be referred to.

    Its text and poll are read from the state store where Redis has them no more, if `words`.

    Problems: `unknown_target`, `target_elsewhere`, `target_deleted`, `target_not_sent`. Raises `StoreAway`.
    """
    found = await _look(backends, connection, id, words=words)
    if found is None or found.type in NO_TARGETS:
        raise Problem("unknown_target")
    if found.chat != chat and not await _is_same(backends, connection, found.chat, chat):
        raise Problem("target_elsewhere")
    require_there(found)
    return found


def require_there(found: Found) -> None:
    """Problems `target_deleted` and `target_not_sent`."""
    if found.deleted:
        raise Problem("target_deleted")
    later = found.send_at is not None and found.send_at > time.time() and found.sent_at is None
    if found.status in UNSENT or later:
        raise Problem("target_not_sent")


async def _is_same(backends: Backends, connection: str, one: str, other: str) -> bool:
    """Whether two addresses are one chat's. Raises `RedisAway` where that is not known now."""
    names = await backends.lanes.reader.names(connection, [one, other])
    return names[one] == names[other]


async def _look(backends: Backends, connection: str, id_: str, *, words: bool) -> Found | None:
    named, _, rest = id_.partition(".")
    if named != connection:
        return None
    if not rest.startswith("in."):
        record = await backends.lanes.reader.get(id_)
        if record is not None:
            found = _of_record(record)
            if not words or not record.stored or record.redacted:
                return found
            stored = await backends.documents.get(MESSAGES, id_) or {}
            return replace(found, text=text_now(stored), poll=_poll(stored.get("content")))
    document = await backends.documents.get(MESSAGES, id_)
    if document is None or is_early(document) or document["connection"] != connection:
        return None
    return of_document(document, api=not rest.startswith("in."))


def _of_record(record: Record) -> Found:
    return replace(of_document(mirror_writes.message(record), api=True), deleted=record.redacted)


def of_document(document: Mapping[str, Any], *, api: bool) -> Found:
    """A message that its document describes; `api`: this service sent it."""
    return Found(
        target=Target(document["message_id"], None if api else document["sender"]),
        chat=document["chat"],
        type=document["type"],
        text=text_now(document),
        own=document["direction"] == "out",
        status=document["status"],
        sent_at=document.get("sent_at"),
        send_at=document.get("send_at"),
        deleted=bool((document.get("changes") or {}).get("deleted")),
        priority=document.get("priority", 5),
        poll=_poll(document.get("content")),
    )


def _poll(packed: Mapping[str, Any] | None) -> Poll | None:
    try:
        content = None if packed is None else unpack(packed)
    except UnknownContent:
        return None
    return content if isinstance(content, Poll) else None


def _card(given: NumberCard | VcardCard) -> Card:
    if isinstance(given, VcardCard):
        return Card(given.name, given.vcard)
    # vCard 3.0 (RFC 2426): these have a meaning of their own in a value.
    name = "".join(f"\\{each}" if each in "\\,;" else each for each in given.name)
    number = given.phone.partition("@")[0]
    lines = (
        "BEGIN:VCARD",
        "VERSION:3.0",
        f"N:;{name};;;",
        f"FN:{name}",
        f"TEL;type=CELL;waid={number}:+{number}",
        "END:VCARD",
    )
    return Card(given.name, "\n".join(lines))
