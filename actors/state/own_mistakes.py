"""Writes this service's last fault (as a write that the state store refuses) to SQLite or Firestore, for health checks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypedDict
from weakref import WeakKeyDictionary

import structlog

from actors.metrics.counters import measures
from actors.state.documents import HEALTH_STATUS

if TYPE_CHECKING:
    from actors.state.documents import Documents

MISTAKE_DOCUMENT = "mistake"
"""The document of `HEALTH_STATUS` with the last one."""


class MistakeDocument(TypedDict):
    """The last mistake of the service itself."""

    mistaken_at: float
    """When it was."""
    action: str
    """The log's name for it."""


NOTE_PERIOD = 60.0
"""Seconds until a loop that breaks each time is noted again: each note is a write."""

_noted: WeakKeyDictionary[Documents, dict[str, float]] = WeakKeyDictionary()

log = structlog.get_logger()


async def note_once(documents: Documents | None, action: str) -> bool:
    """Note an exception that a loop met, has logged and goes on after; at most once in `NOTE_PERIOD` seconds.

    Raises nothing: without `documents`, and while the store is away, the log alone has it, and this is False.
    """
    if documents is None:
        return False
    times, now = _noted.setdefault(documents, {}), time.monotonic()
    if now - times.get(action, -NOTE_PERIOD) < NOTE_PERIOD:
        return True
    times[action] = now
    try:
        await note(documents, action)
    except Exception as error:  # noqa: BLE001 - the loop goes on, whatever the store says
        del times[action]
        log.warning("mistake not noted", action=action, error=type(error).__name__)
        return False
    return True


async def note(documents: Documents, action: str) -> None:
    """Count a mistake, and write when it was and what the log calls it. Raises `StoreAway`."""
    measures.count("teimoso_state_store_refusals", reason="mistake")
    noted: MistakeDocument = {"mistaken_at": time.time(), "action": action}
    await documents.set(HEALTH_STATUS, MISTAKE_DOCUMENT, noted)
