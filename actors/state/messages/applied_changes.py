"""Applies reactions, votes, pins, edits and deletes to the stored document of a message (pure).

They stand in its document under ``changes`` (`message_document.Changes`), beside the text as it was first. The result
is the same in whatever order changes arrive and however often (G5), also where one comes before its message: a document
with ``changes`` alone stands for that until it is stored, and no list shows it. The author of a change is its sender: an
edit and a delete are for the document of a message of their own sender, in spite of their claim.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from actors.messages.content import Delete, Edit, Pin, PollVote, Reaction
from actors.state.documents import MESSAGES, Write, size_of
from actors.state.events.derivation import of_change

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.messages.content import Change, Target
    from actors.state.documents import Document

ME: Final = "me"
"""The person who reacts for the account, through this service or on its phone."""

_BY_PERSON: Final = ("reactions", "votes")
"""Changes of which only the last of each person counts."""

EDITS: Final = 20
EDITS_BYTES: Final = 300_000
"""Edits of a message, and their bytes, that are kept at most: of a longer history the newest."""

MAX_REACTION_LENGTH: Final = 100
OPTION: Final = 100
"""Characters that are kept of a reaction, and of each option that is voted for: WhatsApp's own apps have no longer ones."""


def incoming_id(connection: str, chat: str, sender: str, message_id: str) -> str:
    """The API id of a message that did not go out through the API."""
    subject = f"{chat}|{sender}|{message_id}"
    return f"{connection}.in.{hashlib.sha256(subject.encode()).hexdigest()[:24]}"


def target_id(connection: str, chat: str, target: Target) -> str:
    """The API id of a message of this chat."""
    if target.sender is None:
        return f"{connection}.{target.message_id}"
    return incoming_id(connection, chat, target.sender, target.message_id)


def noting(
    connection: str,
    chat: str,
    change: Change,
    *,
    who: str,
    at: float,
    message_id: str,
    news: bool,
    named: Mapping[str, Any] | None = None,
) -> Write:
    """The write that notes a change in the document of its target, there or yet to come.

    `who` is `ME` or the address of its sender, `named` the fields `sender_name` and `sender_lid` of that person
    as far as they are known, `at` its time, `message_id` its own id. It emits an event where it is `news`, and none for a
    history sync.
    """
    target = target_id(connection, chat, change.target)
    event = of_change(
        change, who=who, at=at, message_id=message_id, target=target, chat=chat, named=named
    )

    def apply(there: Document | None) -> Document | None:
        document = there or {"connection": connection, "chat": chat}
        before = document.get("changes") or {}
        when = {"at": at, "message_id": message_id}
        changes = _with(before, change, who, {**when, **(named or {})})
        return None if changes == before else settled(document, changes)

    events = (lambda _before, _after: (event,)) if news else None
    return Write("change", MESSAGES, target, change=apply, events=events)


def is_early(document: Mapping[str, Any]) -> bool:
    """Whether only changes are there, of a message that has not come."""
    return "type" not in document


def settled(document: Mapping[str, Any], changes: Mapping[str, Any]) -> Document:
    """The document with these changes; it says nothing any more once it is deleted."""
    kept: Document = {**document, "changes": dict(changes)}
    if changes.get("deleted") and not is_early(document):
        kept |= {"text": None, "content": None}
        kept.pop("media", None)
    return kept


def joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The changes of two documents of one message."""
    last: dict[str, dict[str, Any]] = {}
    for name in _BY_PERSON:
        last[name] = dict(one.get(name) or {})
        for who, news in (other.get(name) or {}).items():
            last[name][who] = _later(last[name].get(who), news)
    edits = [*(one.get("edits") or ()), *(other.get("edits") or ())]
    deleted = one.get("deleted") or other.get("deleted")
    pinned = one.get("pinned")
    if (news := other.get("pinned")) is not None:
        pinned = _later(pinned, news)
    return _changes(last, edits, deleted, pinned)


def renamed(changes: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """The changes once who was known as `old` is known as `new`."""
    result = dict(changes)
    for name in _BY_PERSON:
        last = dict(result.get(name) or {})
        if old in last:
            moved = last.pop(old)
            lid = {"sender_lid": old} if old.endswith("@lid") else {}
            last[new] = _later(last.get(new), {**moved, **lid})
            result[name] = last
    return result


def text_now(document: Mapping[str, Any]) -> str | None:
    """The text of a message as it reads after its edits."""
    edits = _edits(document)
    return edits[-1]["text"] if edits else document.get("text")


def former(document: Mapping[str, Any]) -> list[tuple[str, float]]:
    """The text before each of its edits, oldest first, each with the time of its end."""
    edits = _edits(document)
    words = [document.get("text") or "", *(edit["text"] for edit in edits)]
    return [(text, edit["at"]) for text, edit in zip(words, edits, strict=False)]


def _edits(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those that change something: a kind without text has none to change."""
    if document.get("text") is None:
        return []
    return list((document.get("changes") or {}).get("edits") or ())


def _with(
    before: Mapping[str, Any], change: Change, who: str, when: dict[str, Any]
) -> dict[str, Any]:
    if isinstance(change, Reaction | PollVote | Pin) and change.at_ms is not None:
        when = {**when, "at_ms": change.at_ms}
    if isinstance(change, Reaction):
        news: dict[str, Any] = {
            "reactions": {who: {"emoji": change.emoji[:MAX_REACTION_LENGTH], **when}}
        }
    elif isinstance(change, PollVote):
        if change.options is None:
            return dict(before)  # it could not be read: the earlier choice may still stand
        options = [option[:OPTION] for option in change.options]
        news = {"votes": {who: {"options": options, **when}}}
    else:
        when = {name: when[name] for name in ("at", "message_id", "at_ms") if name in when}
        if isinstance(change, Pin):
            news = {"pinned": {"seconds": change.seconds, **when}}
        elif isinstance(change, Edit):
            news = {"edits": [{"text": change.text, **when}]}
        else:
            assert isinstance(change, Delete)
            news = {"deleted": when}
    return joined(before, news)


def _changes(
    last: dict[str, dict[str, Any]],
    edits: list[dict[str, Any]],
    deleted: dict[str, Any] | None,
    pinned: dict[str, Any] | None,
) -> dict[str, Any]:
    if deleted:
        return {"deleted": deleted}
    ordered = sorted({edit["message_id"]: edit for edit in reversed(edits)}.values(), key=_when)
    room, kept = EDITS_BYTES, list[dict[str, Any]]()
    for edit in reversed(ordered[-EDITS:]):
        room -= size_of(edit["text"])
        if room < 0 and kept:
            break
        kept.insert(0, edit)
    named = {**last, "edits": kept, "pinned": pinned}
    return {name: value for name, value in named.items() if value}


def _when(noted: Mapping[str, Any]) -> tuple[float, str]:
    at_ms = noted.get("at_ms")
    return noted["at"] if at_ms is None else at_ms / 1000, noted["message_id"]


def _later(one: dict[str, Any] | None, other: dict[str, Any]) -> dict[str, Any]:
    return other if one is None or _when(other) > _when(one) else one
