"""Builds, for the StateManager, message documents from inbox items, and the writes that store, update or move them (pure).

The same message gives the same document id however often it comes (G5), so that creating it once
is enough and nothing has to be looked up.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from actors.messages.content import Change, Edit, Target, decode, file_of, pack
from actors.state.documents import MESSAGES, Write, size_of
from actors.state.events.derivation import HISTORY, UNDECRYPTABLE, of_file, of_message
from actors.state.fields import API, source_of
from actors.state.messages.applied_changes import (
    ME,
    incoming_id,
    is_early,
    joined,
    noting,
    renamed,
    settled,
    target_id,
)
from actors.state.messages.file_states import PENDING_FILE, STORED_STATE, later

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actors.messages.content import Content
    from actors.state.documents import Document, EventsOf
    from actors.state.events.event import Event
    from actors.state.messages.message_document import MessageDocument

ARRIVALS = 1_000_000
"""Places within one of WhatsApp's seconds, which are all that its times tell."""

NAME_LENGTH = 200
"""Characters that are kept of the names by which a sender goes."""

FORMER_SUFFIX = "~"
"""Behind the connection of messages whose connection was deleted before connections had incarnations."""

_PROOF = {"sent": 0, "delivered": 1, "read": 2}


def incoming(connection: str, item: Mapping[str, Any], now: float) -> Document:
    """The document, with its id, of an inbox message (the fields of `engine.InboxMessage`, and perhaps `kept`).

    A message of the account's own phone (`from_me`) is outgoing, and was sent at WhatsApp's time.
    `now` is the time of its arrival where the item has none, in seconds since the epoch.
    Raises `ValueError` or `KeyError` for an item that is not one; its text is never in the error.
    """
    at = float(item["at"])
    if not math.isfinite(at):
        raise ValueError("the time of a message is finite")
    chat, sender, message_id = (str(item[name]) for name in ("chat", "sender", "message_id"))
    from_me = bool(item.get("from_me"))
    document: MessageDocument = {
        "id": incoming_id(connection, chat, sender, message_id),
        "message_id": message_id,
        "connection": connection,
        "chat": chat,
        "sender": sender,
        "direction": "out" if from_me else "in",
        "type": item["type"],
        "text": item["text"],
        "status": "sent" if from_me else "received",
        "source": item.get("source", "live"),
        "push_name": (item.get("push_name") or "")[:NAME_LENGTH] or None,
        "from_me": from_me,
        "at": _place(item, at),
        "whatsapp_at": at,
        "received_at": float(item.get("received_at") or now),
    }
    if chat_name := item.get("chat_name"):
        document["chat_name"] = chat_name[:NAME_LENGTH]
    if from_me:
        document["sent_at"] = at
    if (content := content_of(item)) is not None:
        document["content"] = shown(content)
        if file_of(content) is not None:
            document["media"] = (STORED_STATE if item.get("kept") else PENDING_FILE).copy()
    return {**document, **naming(item)}


def naming(item: Mapping[str, Any]) -> Document:
    """The fields `sender_name` and `sender_lid` of a document, each where it is known."""
    named = {"sender_name": item.get("sender_name"), "sender_lid": item.get("sender_lid")}
    return {field: value[:NAME_LENGTH] for field, value in named.items() if value}


def _place(item: Mapping[str, Any], at: float) -> float:
    """The time by which lists order an inbox message that has WhatsApp's time `at`.

    The session gave it its place. One of a history sync has none and stands in its second:
    within it these keep the order of their keys.
    """
    place = item.get("place")
    return at + item["key"] % ARRIVALS / ARRIVALS if place is None else float(place)


def connection_of(document: Mapping[str, Any]) -> str:
    """The id of the connection that has, or had, this message."""
    return str(document["connection"]).removesuffix(FORMER_SUFFIX)


def content_of(item: Mapping[str, Any]) -> Content | None:
    """The content of an inbox message, None where its type and text say it all."""
    encoded = item.get("content")
    return None if encoded is None else decode(str(encoded))


def shown(content: Content) -> Document:
    """The content as a message's document has it.

    The words of an edit are in the document of the message that it changes, and nowhere else, so
    that they are gone when that is deleted.
    """
    packed = pack(content)
    if isinstance(content, Edit):
        del packed["text"]
    return packed


def changing(connection: str, document: Document, content: Content | None) -> list[Write]:
    """The writes that note in another message what the one in `document` changes there."""
    if not isinstance(content, Change):
        return []
    return [
        noting(
            connection,
            document["chat"],
            content,
            who=ME if document["from_me"] else document["sender"],
            named={} if document["from_me"] else naming(document),
            at=document["at"],
            message_id=document["message_id"],
            news=document["source"] != HISTORY,
        )
    ]


def storing(document: Document, *, events: EventsOf | None = of_message) -> Write:
    """The write that stores it: once, unless only a placeholder for it is there.

    One that is there of a connection that was deleted counts for nothing: it is another's now. Only
    its changes may be of either, and are kept.

    The message that replaces a placeholder stands in its place, with the statuses and changes of both.
    """

    def change(there: Document | None) -> Document | None:
        stored = stand_in(there)
        mine = there is not None and there.get("connection") == document["connection"]
        if there is not None and mine and not (there.get("changes") or {}).get("deleted"):
            media = later(there.get("media"), document.get("media"))
            if media is not None and media != (stored or there).get("media"):
                stored = {**(stored or there), "media": media}
        if there is None or stored is None:
            return stored
        if changes := joined(there.get("changes") or {}, document.get("changes") or {}):
            return settled(stored, changes)
        return stored

    def stand_in(there: Document | None) -> Document | None:
        if there is None or is_early(there) or there.get("connection") != document["connection"]:
            return document
        if replaces(document, there):
            placed = {**document, "at": there["at"]}
            if "whatsapp_at" in there:
                placed["whatsapp_at"] = there["whatsapp_at"]
            return _advanced(placed, there) or placed
        return _advanced(there, document) or (there if document.get("changes") else None)

    return Write(
        "change", MESSAGES, document["id"], change=change, events=events, bytes=size_of(document)
    )


def advancing(connection: str, item: Mapping[str, Any]) -> Write:
    """The write that notes a receipt (the fields of `engine.InboxStatus`) for a stored message.

    In whatever order receipts come and however often. One of this service that left the queue unsent is proven sent (G3).
    """
    target, status, at = (
        Target(item["message_id"], item["sender"]),
        str(item["status"]),
        float(item["at"]),
    )
    news = {"status": status, f"{status}_at": at}

    def change(there: Document | None) -> Document | None:
        if there is None or is_early(there):
            return None
        if target.sender is None and there["status"] not in _PROOF:
            there = {**there, "status": "sent", "sent_at": at, "error": None, "uncertain": False}
        return _advanced(there, news)

    identity = target_id(connection, item["chat"], target)
    return Write("change", MESSAGES, identity, change=change, events=of_message)


def _advanced(there: Document, news: Mapping[str, Any]) -> Document | None:
    """The document with what `news` says of its way to the recipient; None if it knew that.

    A status never goes back, and the first time of each stays. Receipts have whole seconds of a
    device's clock: none is earlier than the step that it follows.
    """
    if there["status"] not in _PROOF or news["status"] not in _PROOF:
        return None
    changed = dict(there)
    for status in ("delivered", "read"):
        at = news.get(f"{status}_at")
        if at is not None and f"{status}_at" not in there:
            before = [changed[name] for name in ("sent_at", "delivered_at") if name in changed]
            changed[f"{status}_at"] = max([at, *before])
    if _PROOF[news["status"]] > _PROOF[there["status"]]:
        changed["status"] = news["status"]
    return None if changed == there else changed


def moving(document: Document, old: str, new: str) -> tuple[Write, ...]:
    """The writes that move a stored message from the chat `old` to `new`, in this order.

    A message that the API sent keeps its id, and only its chat changes. Of any other, id, sender and status
    move with it. A message that is in `new` already stays, unless it is a placeholder for the one that moves. A crash
    between the two leaves it in both, and a repeat completes it.
    """
    if source_of(document) == API:
        return (
            Write("change", MESSAGES, document["id"], change=_rechatted(old, new), events=None),
        )
    sender = new if document["sender"] == old else document["sender"]
    identity = incoming_id(document["connection"], new, sender, document["message_id"])
    moved = {**_named(document, old, new), "id": identity, "sender": sender}
    if sender != document["sender"] and old.endswith("@lid"):
        moved["sender_lid"] = old

    def events(before: Document | None, after: Document | None) -> Sequence[Event]:
        # Of the message there was an event in the former chat, and of its file where that had ended.
        return of_file(before, after) if of_file(moved, after) else ()

    return storing(moved, events=events), Write("delete", MESSAGES, document["id"])


def _rechatted(old: str, new: str) -> Callable[[Document | None], Document | None]:
    def change(there: Document | None) -> Document | None:
        return None if there is None or there.get("chat") != old else _named(there, old, new)

    return change


def _named(document: Mapping[str, Any], old: str, new: str) -> Document:
    """The document in the chat `new`; a person named `old` in it is named `new`."""
    moved: Document = {**document, "chat": new}
    if document.get("changes"):
        moved["changes"] = renamed(document["changes"], old, new)
    if document.get("content"):
        moved["content"] = _renamed(document["content"], old, new)
    return moved


def replaces(document: Document, there: Document | None) -> bool:
    """Whether `document` takes the place of what is stored under its id.

    Only the real message in place of an `undecryptable` placeholder; anything else that comes
    again is a repeat, and a placeholder never hides a message.
    """
    if there is None:
        return True
    return there.get("type") == UNDECRYPTABLE and document["type"] != UNDECRYPTABLE


def _renamed(packed: Document, old: str, new: str) -> Document:
    """The content once the author of the message to which it refers is known by another address."""
    target = packed.get("target") or (packed.get("reply_to") or {}).get("target")
    if target is None or target.get("sender") != old:
        return packed
    named = {**target, "sender": new}
    if "target" in packed:
        return {**packed, "target": named}
    return {**packed, "reply_to": {**packed["reply_to"], "target": named}}
