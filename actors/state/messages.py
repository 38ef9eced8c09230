"""From what a connection received to documents of ``whatsapp_messages``: pure.

The same message gives the same document id however often it comes (G5), so that creating it once
is enough and nothing has to be looked up.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

from actors.state.documents import MESSAGES, Write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.state.documents import Document

UNDECRYPTABLE = "undecryptable"

# WhatsApp's times are whole seconds. The order of arrival, in microseconds, tells apart what came
# within one of them.
ARRIVALS = 1_000_000


def incoming_id(connection: str, chat: str, sender: str, message_id: str) -> str:
    """The API id of a message that did not go out through the API."""
    subject = f"{chat}|{sender}|{message_id}"
    return f"{connection}.in.{hashlib.sha256(subject.encode()).hexdigest()[:24]}"


def incoming(connection: str, item: Mapping[str, Any], now: float) -> Document:
    """The document, with its id, of an inbox message (the fields of `engine.InboxMessage`).

    What the account's own phone sent (`from_me`) is outgoing and was sent when WhatsApp says so.
    Raises `ValueError` or `KeyError` for an item that is not one; its text is never in the error.
    """
    at = float(item["at"])
    if not math.isfinite(at):
        raise ValueError("the time of a message is finite")
    chat, sender, message_id = (str(item[name]) for name in ("chat", "sender", "message_id"))
    from_me = bool(item.get("from_me"))
    document = {
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
        "push_name": item.get("push_name"),
        "from_me": from_me,
        "at": at + item["key"] % ARRIVALS / ARRIVALS,
        "received_at": float(item.get("received_at") or now),
    }
    if from_me:
        document["sent_at"] = at
    return document


def storing(document: Document) -> Write:
    """The write that stores it: once, unless only a placeholder for it is there."""

    def change(there: Document | None) -> Document | None:
        return document if replaces(document, there) else None

    return Write("change", MESSAGES, document["id"], change=change)


def moving(document: Document, old: str, new: str) -> tuple[Write, Write]:
    """The writes that move a stored message from the chat `old` to `new`, in this order.

    Its id and its sender move with it. What is in `new` already stays, unless it is a placeholder
    for what moves. A crash between the two leaves it in both, and a repeat completes it.
    """
    sender = new if document["sender"] == old else document["sender"]
    identity = incoming_id(document["connection"], new, sender, document["message_id"])
    moved = {**document, "id": identity, "chat": new, "sender": sender}
    return storing(moved), Write("delete", MESSAGES, document["id"])


def replaces(document: Document, there: Document | None) -> bool:
    """Whether `document` takes the place of what is stored under its id.

    Only the real message in place of an `undecryptable` placeholder; anything else that comes
    again is a repeat, and a placeholder never hides a message.
    """
    if there is None:
        return True
    return there.get("type") == UNDECRYPTABLE and document["type"] != UNDECRYPTABLE
