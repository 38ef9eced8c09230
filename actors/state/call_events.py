"""Builds the StateManager's write of a call's event (rings, over), stored once however often it is reported (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.state.connections import updating
from actors.state.events.derivation import of_call

if TYPE_CHECKING:
    from actors.state.documents import Document, Write

CALL_IDS: Final = 32
"""Ids of events that a connection's document holds: WhatsApp repeats what was not answered in time."""


def calling(connection: str, call: Document) -> Write:
    """Return the write of the event that a call rings, or is over; each of the two once.

    `call` has the fields of `account.port.Call`.
    """
    event = of_call(connection, call)

    def change(document: Document) -> Document | None:
        calls = document.get("calls") or []
        return None if event.id in calls else {**document, "calls": [*calls, event.id][-CALL_IDS:]}

    return updating(connection, change, events=lambda *_: (event,))
