"""Derives the events for webhooks and streams from a document before and after its write to the state store (pure).

A write that changes nothing has no event, so an event is written once however often its cause is
repeated; its id follows from the change, not from its writer and time. Messages of a history
sync (``source: history``) are old and have none.

    ``message.received``    it was stored; once more where it takes a placeholder's place
    ``message.sent`` ``.delivered`` ``.read`` ``.dead`` ``.cancelled``
                            it came there; each has an event, also where several are noted at once
    ``message.changed``     a reaction, a pin, an edit, a delete or a vote; it is no message besides
    ``message.media``       the file of a message is stored, or has failed
    ``connection.state``    the state, or its cause, is another one, or a later owner has it open: it was not meanwhile
    ``connection.limited``  WhatsApp lets the account write to nobody new for a while, for another time,
                            or not any more
    ``connection.qr``       a QR or a pairing code is shown; the event has neither of them
    ``connection.passkey``  linking waits for the account's passkey; the event has no challenge
    ``call.received``       a call rings, and once more when it is over
    ``chat.updated``        settings of a chat changed, on whatever device
    ``chat.renamed``        a chat goes by another address from now on, since two addresses are one person's
    ``group.updated``       a setting of a group changed
    ``group.participants``  members of a group came or went, or are admins or not
    ``contact.updated``     a contact has other names, or is in the address book no more
    ``contact.picture``     a person has another picture, or none any more
    ``alert.raised`` ``alert.cleared``
    ``alert.repeated``      it lasts, and is repeated
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from actors.messages.content import CHANGE_TYPES, Delete, Edit, Pin, PollVote, Reaction
from actors.runtime.connection_ids import id_in
from actors.state.events.event import Event
from actors.state.fields import API, source_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.messages.content import Change
    from actors.state.documents import Document
    from actors.state.events.event import EventType

HISTORY: Final = "history"
UNDECRYPTABLE: Final = "undecryptable"
_STEPS: Final[tuple[EventType, ...]] = (
    "message.sent",
    "message.delivered",
    "message.read",
    "message.dead",
    "message.cancelled",
)
_OF_A_FILE: Final[tuple[str, ...]] = (
    *("id", "message_id", "connection", "chat", "direction", "type"),
    *("sender", "sender_name", "sender_lid"),
)
_KINDS: Final = {Reaction: "reaction", Pin: "pin", Edit: "edit", Delete: "delete", PollVote: "vote"}


def of_message(before: Document | None, after: Document | None) -> Sequence[Event]:
    """The events that a write of a message's document emits."""
    if after is None or "type" not in after or source_of(after) == HISTORY:
        return ()
    visible = before is not None and "type" in before
    if before is None or not visible or before["connection"] != after["connection"]:
        before = {}
    if after["direction"] == "in":
        placeholder = before.get("type") == UNDECRYPTABLE != after["type"]
        if after["type"] in CHANGE_TYPES:
            return ()
        if before and not placeholder:
            return of_file(before, after)
        received = _event("message.received", after, float(after["received_at"]), after["type"])
        return (received, *of_file(before, after))
    if after["type"] in CHANGE_TYPES and source_of(after) != API:
        return ()
    steps = []
    for step in _STEPS:
        name = f"{step.partition('.')[2]}_at"
        at = after.get(name)
        if at is not None and at != before.get(name):
            steps.append(_event(step, {**after, **_former(before, after)}, float(at)))
    return (*sorted(steps, key=lambda event: event.at), *of_file(before, after))


def of_file(
    before: Document | None, after: Document | None, at: float | None = None
) -> Sequence[Event]:
    """The event that the file of a message is stored, or has failed, by a write of the message's document.

    `at` is when that was noted; without it, when the message arrived.
    """
    media = _ended(after)
    if after is None or media is None or media == _ended(before) or source_of(after) == HISTORY:
        return ()
    file = (after.get("content") or {}).get("file")
    named = {name: after[name] for name in _OF_A_FILE if name in after}
    data: Document = {**named, "content": {"file": file}, "media": media}
    key = _key("message.media", after["id"], media["state"])
    noted_at = float(after["received_at"] if at is None else at)
    return (Event(key, "message.media", after["connection"], noted_at, data),)


def of_change(
    change: Change,
    *,
    who: str,
    at: float,
    message_id: str,
    target: str,
    chat: str,
    named: Mapping[str, Any] | None = None,
) -> Event:
    """The event for a change of the message `target`; `message_id` is that of the change, `named` as in `applied_changes.noting`."""
    connection = target.partition(".")[0]
    data: dict[str, Any] = {
        "id": target,
        "message_id": change.target.message_id,
        "connection": connection,
        "chat": chat,
        "change": _KINDS[type(change)],
        "by": who,
        "change_id": message_id,
        "at": at,
        **(named or {}),
    }
    if isinstance(change, Reaction):
        data["emoji"] = change.emoji
    elif isinstance(change, Pin):
        data["seconds"] = change.seconds
    elif isinstance(change, Edit):
        data["text"] = change.text
    elif isinstance(change, PollVote):
        data["options"] = None if change.options is None else list(change.options)
    key = _key("message.changed", target, who, data["change"], message_id)
    return Event(key, "message.changed", connection, at, data)


def of_connection(before: Document | None, after: Document | None) -> Sequence[Event]:
    """The events that a write of a connection's document emits."""
    seen = None if after is None else after.get("observed")
    if after is None or seen is None:
        return ()
    observed = (before or {}).get("observed") or {}
    same = (observed.get("state"), observed.get("cause")) == (seen["state"], seen["cause"])
    if same and (seen["state"] != "open" or observed.get("epoch") == seen["epoch"]):
        return ()
    names = ("state", "cause", "epoch", "since", "account", "retry_at")
    connection = id_in(after)
    data = {"id": connection, **{name: seen.get(name) for name in names}}
    key = _key("connection.state", connection, *(seen.get(each) for each in names[:4]))
    return (Event(key, "connection.state", connection, float(seen["since"]), data),)


def of_pairing(before: Document | None, after: Document | None) -> Sequence[Event]:
    """Return the events of a connection's pairing in a write of its document."""
    shown = None if after is None else after.get("pairing")
    if after is None or shown is None or shown == (before or {}).get("pairing"):
        return ()
    connection = id_in(after)
    names = ("kind", "number", "epoch", "expires_at")
    data = {"id": connection, **{name: shown[name] for name in names}}
    kind: EventType = "connection.passkey" if shown["kind"] == "passkey" else "connection.qr"
    key = _key(kind, connection, shown["epoch"], shown["number"])
    return (Event(key, kind, connection, float(shown["at"]), data),)


def of_limit(before: Document | None, after: Document | None) -> Sequence[Event]:
    """Return the events of the limits of a connection's account in a write of its document."""
    limit = None if after is None else after.get("limit")
    if after is None or limit is None or limit == (before or {}).get("limit"):
        return ()
    connection = id_in(after)
    data = {"id": connection, **{name: limit[name] for name in ("until", "reason", "at")}}
    key = _key("connection.limited", connection, limit["at"], limit["until"])
    return (Event(key, "connection.limited", connection, float(limit["at"]), data),)


def of_call(connection: str, call: Document) -> Event:
    """The event of a call that rings, or is over; `call` has the fields of `account.port.Call`."""
    key = _key("call.received", connection, call["id"], call["state"])
    data = {**call, "connection": connection}
    return Event(key, "call.received", connection, float(call["at"]), data)


def of_app_state(data: Document, *key: object) -> Event:
    """The event that a chat, or a contact, is as `data` says; `key` distinguishes it from others of the same."""
    kind: EventType = "chat.updated" if "chat" in data else "contact.updated"
    subject, connection = data.get("chat") or data["address"], str(data["connection"])
    return Event(_key(kind, connection, subject, *key), kind, connection, data["at"], data)


def of_group_change(data: Document, *key: object) -> Event:
    """The event that a setting of a group, or its members, are as `data` says; `key` as in `of_app_state`."""
    kind: EventType = "group.participants" if data["setting"] == "members" else "group.updated"
    subject, connection = data["chat"], str(data["connection"])
    return Event(_key(kind, connection, subject, *key), kind, connection, data["at"], data)


def of_picture(data: Document, *key: object) -> Event:
    """The event that a person has another picture, as `data` says; `key` as in `of_app_state`."""
    address, connection = data["address"], str(data["connection"])
    identity = _key("contact.picture", connection, address, *key)
    return Event(identity, "contact.picture", connection, data["at"], data)


def of_rename(before: Document | None, after: Document | None) -> Sequence[Event]:
    """Events of a chat that goes by another address, by a write of the document of its connection."""
    renamed = None if after is None else after.get("renamed")
    if after is None or renamed is None or renamed == (before or {}).get("renamed"):
        return ()
    connection = id_in(after)
    key = _key("chat.renamed", connection, renamed["former"], renamed["chat"], renamed["at"])
    data = {**renamed, "connection": connection}
    return (Event(key, "chat.renamed", connection, float(renamed["at"]), data),)


def of_alert(before: Document | None, after: Document | None) -> Sequence[Event]:
    """The events that a write of an alert's document emits."""
    if after is None:
        return ()
    events: list[Event] = []
    if before is None:
        events.append(_alert("alert.raised", after, after["raised_at"]))
    elif after["active"] and after.get("repeats", 0) > before.get("repeats", 0):
        events.append(_alert("alert.repeated", after, after["told_at"], after["repeats"]))
    if not after["active"] and (before is None or before["active"]):
        events.append(_alert("alert.cleared", after, after["cleared_at"]))
    return events


def _ended(document: Document | None) -> Document | None:
    """The final state of the file of a message; None before, and before the message itself is there."""
    if document is None or document.get("type") in {None, UNDECRYPTABLE}:
        return None
    media: Document = document.get("media") or {}
    return media if media.get("state") in {"stored", "failed"} else None


def _former(before: Mapping[str, Any], after: Document) -> Document:
    """The chat of the message as it was called before, where that changed."""
    chat = before.get("chat", after["chat"])
    return {} if chat == after["chat"] else {"former": chat}


def _alert(kind: EventType, document: Document, at: float, *more: object) -> Event:
    return Event(_key(kind, document["id"], *more), kind, document["subject"], float(at), document)


def _event(kind: EventType, document: Document, at: float, *more: object) -> Event:
    key = _key(kind, document["id"], at, *more)
    return Event(key, kind, document["connection"], at, document)


def _key(*parts: object) -> str:
    subject = "|".join(map(str, parts))
    return f"evt_{hashlib.sha256(subject.encode()).hexdigest()[:32]}"
