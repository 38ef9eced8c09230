"""Writes batches of the state store twice, and reads the events that are derived from them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest_asyncio

from actors.state.events.log import EventLog
from actors.state.sqlite.store import SqliteDocuments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from actors.state.documents import Documents, Write

ANA = "15550100002@s.whatsapp.net"
LID = "90000000000002@lid"
ACCOUNT = "15550100001@s.whatsapp.net"


@pytest_asyncio.fixture
async def documents(tmp_path: Path) -> AsyncIterator[Documents]:
    store = SqliteDocuments(tmp_path / "state.db")
    await EventLog(store).want(time.time() + 1000)
    yield store
    await store.close()


async def events_of(documents: Documents, *writes: Sequence[Write]) -> list[str]:
    """Returns the types of events of these batches, each written twice."""
    before = (await EventLog(documents).head()).seq
    for batch in writes:
        await documents.batch(batch)
        await documents.batch(batch)
    return [each.event.type for each in (await EventLog(documents).after(before)).events]


async def last(documents: Documents) -> dict[str, Any]:
    events = (await EventLog(documents).after(0)).events
    return events[-1].event.data
