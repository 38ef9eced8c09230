"""Builds writes of a chat's newest message, unread count and name, for the batch that stores the message (pure).

They are in the batch of the message, so that a list of chats is never behind one of messages. A message
changes them only where it stands behind all others of its chat: one that is stored again counts once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from actors.messages.content import CHANGE_TYPES
from actors.state.account.app_state import ACTIVITY, document_id, shown
from actors.state.documents import CHATS, Write
from actors.state.events.derivation import HISTORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actors.state.documents import Document


@dataclass(frozen=True, slots=True)
class Activity:
    """A message of a chat: its place `at` in the order, its id, and the chat's name where it has one.

    ``arrived`` makes the chat unread by one, ``answered`` makes it read, ``past`` leaves that as it is.
    """

    chat: str
    at: float
    message: str
    does: Literal["arrived", "answered", "past"]
    name: str | None = None


def of_message(document: Mapping[str, Any], identity: str) -> Activity | None:
    """The activity of a message's document; None for a change of another message."""
    if document["type"] in CHANGE_TYPES:
        return None
    name = document.get("chat_name")
    if name is None and document.get("sender") == document["chat"]:
        name = document.get("sender_name") or document.get("push_name")
    if document["direction"] == "out":
        return Activity(document["chat"], document["at"], identity, "answered", name)
    does: Literal["arrived", "past"] = "past" if document.get("source") == HISTORY else "arrived"
    return Activity(document["chat"], document["at"], identity, does, name)


def noting(connection: str, activities: Iterable[Activity | None]) -> list[Write]:
    """The writes that note messages of a connection in the documents of their chats, one a chat."""
    by_chat: dict[str, list[Activity]] = {}
    for each in activities:
        if each is not None:
            by_chat.setdefault(each.chat, []).append(each)
    return [_noting(connection, chat, each) for chat, each in by_chat.items()]


def _noting(connection: str, chat: str, found: list[Activity]) -> Write:
    found.sort(key=lambda one: one.at)

    def change(there: Document | None) -> Document | None:
        document = {"connection": connection, "settings": {}, **(there or {}), "chat": chat}
        for one in found:
            document = _with(document, one)
        return None if document == there else document

    return Write("change", CHATS, document_id(connection, chat), change=change)


def _with(document: Document, one: Activity) -> Document:
    active_at = document.get("active_at")
    if active_at is not None and one.at <= active_at:
        return document if document.get("name") or not one.name else {**document, "name": one.name}
    unread = document.get("unread_count", 0)
    return {
        **document,
        "active_at": one.at,
        "last": one.message,
        "unread_count": {"arrived": unread + 1, "answered": 0, "past": unread}[one.does],
        "name": one.name or document.get("name"),
    }


def reading(connection: str, chat: str, until: float) -> Write:
    """The write that notes that the account read the chat, unless more came after `until`."""

    def change(there: Document | None) -> Document | None:
        if there is None or not there.get("unread_count") or there["active_at"] > until:
            return None
        return {**there, "unread_count": 0}

    return Write("change", CHATS, document_id(connection, chat), change=change)


def moving(connection: str, document: Document, new: str) -> list[Write]:
    """The writes that move the activity of a chat's document to the chat `new`; safe to repeat.

    The message that was the last one has another id there, so that `last` is null until the next one; a list
    looks for it then.
    """
    if "active_at" not in document:
        return []

    def join(there: Document | None) -> Document:
        target = there or {"connection": connection, "settings": {}}
        moved = {name: document.get(name) for name in ACTIVITY} | {"last": None}
        if target.get("active_at", 0.0) >= document["active_at"]:
            moved = {name: target.get(name) for name in ACTIVITY}
        unread = int(target.get("unread_count") or 0) + int(document.get("unread_count") or 0)
        name = target.get("name") or document.get("name")
        return {**target, **moved, "chat": new, "unread_count": unread, "name": name}

    return [
        Write("change", CHATS, document_id(connection, new), change=join),
        Write("change", CHATS, document["id"], change=_leave),
    ]


def forgetting(document: Document, before: float) -> Write:
    """The write that takes a chat off the list, unless it has a message since `before`."""

    def change(there: Document | None) -> Document | None:
        return None if there is None or there.get("active_at", before) >= before else _leave(there)

    return Write("change", CHATS, document["id"], change=change)


def _leave(there: Document | None) -> Document | None:
    """The document with its settings alone."""
    if there is None:
        return None
    left = {name: value for name, value in there.items() if name not in ACTIVITY}
    if not shown(left):
        left.pop("chat", None)
    return left
