"""Events that a reader gets, by a stream on a store of its own."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest_asyncio

from actors.runtime.actor_base import end_tasks
from actors.state.documents import API_KEYS
from actors.state.sqlite.store import SqliteDocuments
from gateway.http import api_keys
from gateway.http.api_keys import ApiKeyCache
from gateway.webhooks import stream
from gateway.webhooks.event_tail import EventTail
from gateway.webhooks.reader_limits import ReaderLimits
from gateway.webhooks.stream import EventFilter, EventStream
from tests.integration.gateway.webhooks.stored_messages import store_messages
from tests.unlimited import UNLIMITED
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest

    from gateway.backends import Backends

SOON = 30.0


@pytest_asyncio.fixture
async def documents(tmp_path: Path) -> AsyncIterator[SqliteDocuments]:
    store = SqliteDocuments(tmp_path / "state.db")
    yield store
    await store.close()


class StreamReader:
    """The bytes that a reader got so far; `over` once its stream ended by itself, and was whole."""

    def __init__(self) -> None:
        self.text = ""
        self.over = False

    async def send(self, message: Any) -> None:
        self.text += message.get("body", b"").decode()
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.over = True

    @property
    def last(self) -> int:
        """The place that it would come again from."""
        lines = [line for line in self.text.splitlines() if line.startswith("id: ")]
        return int(lines[-1][4:]) if lines else 0


async def never() -> Any:
    await asyncio.Event().wait()


@asynccontextmanager
async def reading(
    documents: SqliteDocuments, connection: str | None = None
) -> AsyncIterator[StreamReader]:
    """Somebody reads what happens of this connection."""
    _, token = await api_keys.create(documents, name="x", scopes=["read"], quota=UNLIMITED)
    # A second of the ring is a hundredth of one here.
    ring = ApiKeyCache(documents, lambda: time.monotonic() * 100)
    key = await ring.find(token)
    assert key is not None
    tail = EventTail(documents)
    streams = ReaderLimits(documents, days=7, quota=UNLIMITED)
    await streams.want()
    backends = SimpleNamespace(
        tail=tail, streams=streams, ring=ring, leases=None, closing=asyncio.Event()
    )
    answer = EventStream(cast("Backends", backends), EventFilter(key, connection, None), 0)
    told = StreamReader()
    tasks = [
        asyncio.create_task(tail.run()),
        asyncio.create_task(answer({"type": "http"}, never, told.send)),
    ]
    try:
        await eventually("it began", lambda: told.text, SOON)
        yield told
    finally:
        await end_tasks(tasks, 5)


async def test_a_reader_that_wants_none_of_the_events_gets_a_sign_of_life(
    documents: SqliteDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And how far it is: a proxy would cut it else, and it would come again from far behind."""
    monkeypatch.setattr(stream, "HEARTBEAT", 1.0)
    async with reading(documents, "other") as told:
        number = 0
        end = time.monotonic() + SOON
        while told.last == 0:
            assert time.monotonic() < end, "nothing was said"
            number += 1
            await store_messages(documents, number)
            await asyncio.sleep(0.05)
        assert "data:" not in told.text
        assert told.last <= number


async def test_a_reader_whose_key_is_revoked_gets_nothing_more(
    documents: SqliteDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "KEYS_FRESH_SECONDS", 0.1)
    async with reading(documents) as told:
        (said,) = await store_messages(documents, 1)
        await eventually("it is delivered", lambda: said in told.text, SOON)
        (key,) = (await documents.query(API_KEYS)).items
        await documents.delete(API_KEYS, key["id"])
        await eventually("its stream ends", lambda: told.over, SOON)
        await store_messages(documents, 2)
        await asyncio.sleep(0.5)
        assert "text 2" not in told.text
