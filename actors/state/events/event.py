"""Defines `Event` and the list of event types, whose events `derivation.py` derives from writes to the state store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

EventType = Literal[
    "message.received",
    "message.sent",
    "message.delivered",
    "message.read",
    "message.dead",
    "message.cancelled",
    "message.changed",
    "message.media",
    "connection.state",
    "connection.limited",
    "connection.qr",
    "connection.passkey",
    "call.received",
    "chat.updated",
    "chat.renamed",
    "group.updated",
    "group.participants",
    "contact.updated",
    "contact.picture",
    "alert.raised",
    "alert.repeated",
    "alert.cleared",
]
EVENT_TYPES: Final[tuple[EventType, ...]] = get_args(EventType)

UNREADABLE_TYPE: Final = "unreadable"
"""The type of an event in place of one that this release cannot read; it has no data."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `connection` None: to the instance as a whole.

    `at` is when it happened, in seconds since the epoch. `data` is what is known of it: of a
    message its document as it was then.
    """

    id: str
    type: EventType | Literal["unreadable"]
    connection: str | None
    at: float
    data: dict[str, Any]
