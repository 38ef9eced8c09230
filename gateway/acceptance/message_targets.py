"""Finds the message that another one refers to, and checks that it fits the reference.

A reference that is wrong is refused before anything is accepted. A later death of the message is not known then:
it stands before its edit in the lane, and if it dies there, so does the edit (`target_not_sent`).
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from actors.messages.content import (
    DELETE_SECONDS,
    EDIT_SECONDS,
    NOTICES,
    Card,
    Contact,
    Delete,
    Edit,
    Location,
    Poll,
    PollVote,
    Quote,
    Reaction,
    Target,
    Text,
    UnknownContent,
    unpack,
)
from actors.state.documents import MESSAGES
from actors.state.messages.changes import is_early, text_now
from gateway.acceptance.attachments import bringing
from gateway.http.problems import Problem
from gateway.schemas import outbound_messages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.messages.content import Content
    from actors.queue.lanes import Record
    from gateway.acceptance.attachments import Called
    from gateway.backends import Backends
    from gateway.schemas.outbound_messages import Changing, Standing

_NO_TARGETS = NOTICES | {"reaction", "edit", "delete", "poll_vote"}
_UNSENT = frozenset({"dead", "cancelled"})


@dataclass(frozen=True, slots=True)
class Found:
    """A message as far as it matters to one that speaks of it. `sent_at` None: not sent yet.

    `poll` is what it says, where it is a poll.
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


async def standing(backends: Backends, wanted: Standing, called: Called | None = None) -> Content:
    """The content of a send that may quote another message. Problems as in `find` and `bringing`."""
    quote = None
    if wanted.reply_to is not None:
        found = await find(backends, wanted.connection, wanted.to, wanted.reply_to, words=True)
        quote = Quote(found.target, found.text, found.type)
    if isinstance(wanted, outbound_messages.NewText):
        return Text(wanted.text, quote)
    if isinstance(wanted, outbound_messages.NewLocation):
        place = wanted.latitude, wanted.longitude, wanted.name, wanted.address
        return Location(*place, quote)
    if isinstance(wanted, outbound_messages.Bringing):
        return await bringing(backends, wanted, quote, called)
    if isinstance(wanted, outbound_messages.NewContact):
        return Contact(tuple(_card(each) for each in wanted.contacts), quote)
    # As many as there are is any number.
    choices = 0 if wanted.choices >= len(wanted.options) else wanted.choices
    secret = secrets.token_hex(32)
    return Poll(wanted.question, tuple(wanted.options), choices, secret, quote)


async def changing(backends: Backends, wanted: Changing) -> tuple[Content, int]:
    """The content that changes a message, and the priority of that message.

    Problems as in `find`, and where it may not be changed like that.
    """
    words = isinstance(wanted, outbound_messages.NewPollVote)
    found = await find(backends, wanted.connection, wanted.to, wanted.message, words=words)
    return change(wanted, found, time.time()), found.priority


def change(wanted: Changing, found: Found, now: float) -> Content:
    """The change, if the message takes it now. Raises `Problem`."""
    if isinstance(wanted, outbound_messages.NewReaction):
        return Reaction(found.target, wanted.emoji)
    if isinstance(wanted, outbound_messages.NewPollVote):
        return _vote(wanted, found)
    if not found.own:
        raise Problem("not_own_message")
    age = 0.0 if found.sent_at is None else now - found.sent_at
    if isinstance(wanted, outbound_messages.NewDelete):
        if age > DELETE_SECONDS:
            raise Problem("delete_too_late")
        return Delete(found.target)
    if found.type != "text":
        raise Problem("not_editable")
    if age > EDIT_SECONDS:
        raise Problem("edit_too_late")
    return Edit(found.target, wanted.text)


def _vote(wanted: outbound_messages.NewPollVote, found: Found) -> PollVote:
    poll = found.poll
    if found.type != "poll":
        raise Problem("not_a_poll")
    if poll is None or poll.secret is None:
        raise Problem("poll_unreadable")
    if not set(wanted.options) <= set(poll.options):
        raise Problem("unknown_option")
    if 0 < poll.choices < len(wanted.options):
        raise Problem("too_many_options", f"The poll takes {poll.choices} at most.")
    # In the poll's order, as clients have it.
    options = tuple(one for one in dict.fromkeys(poll.options) if one in wanted.options)
    return PollVote(found.target, options, poll.secret)


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
    if found is None or found.type in _NO_TARGETS:
        raise Problem("unknown_target")
    if found.chat != chat and not await _is_same(backends, connection, found.chat, chat):
        raise Problem("target_elsewhere")
    if found.deleted:
        raise Problem("target_deleted")
    later = found.send_at is not None and found.send_at > time.time() and found.sent_at is None
    if found.status in _UNSENT or later:
        raise Problem("target_not_sent")
    return found


async def _is_same(backends: Backends, connection: str, one: str, other: str) -> bool:
    """Whether two addresses are one chat's. Raises `RedisAway` where that is not known now."""
    names = await backends.lanes.names(connection, [one, other])
    return names[one] == names[other]


async def _look(backends: Backends, connection: str, id_: str, *, words: bool) -> Found | None:
    named, _, rest = id_.partition(".")
    if named != connection:
        return None
    if not rest.startswith("in."):
        record = await backends.accepting.get(id_)
        if record is not None:
            found = _of_record(record)
            if not words or not record.stored or record.redacted:
                return found
            stored = await backends.documents.get(MESSAGES, id_) or {}
            return replace(found, text=text_now(stored), poll=_poll(stored.get("content")))
    document = await backends.documents.get(MESSAGES, id_)
    if document is None or is_early(document) or document["connection"] != connection:
        return None
    return _of_document(document, api=not rest.startswith("in."))


def _of_record(record: Record) -> Found:
    return Found(
        target=Target(record.message_id, None),
        chat=record.chat,
        type=record.type,
        text=record.text or None,
        own=True,
        status=record.status,
        sent_at=record.times.get("sent"),
        send_at=record.send_at,
        deleted=record.redacted,
        priority=record.priority,
        poll=_poll(json.loads(record.content)) if record.content else None,
    )


def _of_document(document: Mapping[str, Any], *, api: bool) -> Found:
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
        said = None if packed is None else unpack(packed)
    except UnknownContent:
        return None
    return said if isinstance(said, Poll) else None


def _card(given: outbound_messages.NumberCard | outbound_messages.VcardCard) -> Card:
    if isinstance(given, outbound_messages.VcardCard):
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
