"""The looks at a page that its stream takes, on a state store of its own."""

from __future__ import annotations

import asyncio
import weakref
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import Request

from actors.runtime.actor_base import end_tasks
from actors.state import own_mistakes
from actors.state.documents import HEALTH_STATUS
from actors.state.events.log import EventLog
from actors.state.sqlite.store import SqliteDocuments
from gateway.console import page_stream
from gateway.console.page_app import PageApp
from gateway.console.page_stream import PageStream
from gateway.console.rendering import RenderedPage
from gateway.http.api_keys import ApiKey
from gateway.webhooks.event_tail import EVENTS_IN_MEMORY, EventTail
from gateway.webhooks.reader_limits import ReaderLimits
from tests.integration.gateway.served import OTHER
from tests.integration.gateway.webhooks.stored_messages import store_messages
from tests.unlimited import UNLIMITED
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.responses import Response

SOON = 30.0
KEY = ApiKey("k", "0" * 64, frozenset({"read"}), None, 0.0, "x")


class Looks(PageApp):
    """Answers as a page; `count` are the looks at it, the first `broken` of which meet a mistake, `sent` its blocks."""

    def __init__(self, tail: EventTail, broken: int) -> None:
        super().__init__("/", {}, {})
        self.count = 0
        self.tail = tail
        self.broken = broken
        self.sent: list[bytes] = []

    async def answer(self, _: Request) -> Response:
        self.count += 1
        if self.count <= self.broken:
            raise KeyError(self.count)
        page = RenderedPage("<h1>shop</h1>")
        self.last = weakref.ref(page)
        return page

    async def person(self, _: Request) -> Any:
        return KEY


@asynccontextmanager
async def followed(
    documents: SqliteDocuments, *, events: bool = True, broken: int = 0
) -> AsyncIterator[Looks]:
    """A page of the connection ``shop`` lies open, and was looked at."""
    tail = EventTail(documents)
    streams = ReaderLimits(documents, days=7, quota=UNLIMITED)
    state = SimpleNamespace(
        backends=SimpleNamespace(
            tail=tail, streams=streams, closing=asyncio.Event(), documents=documents
        )
    )
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "headers": [],
        "query_string": b"",
        "path_params": {"connection": "shop"},
        "app": SimpleNamespace(state=state),
    }
    looks = Looks(tail, broken)
    stream = PageStream(Request(scope), KEY, looks, events=events)

    async def read() -> None:
        with stream.reading():
            async for text in stream.texts():
                looks.sent.append(text)

    tasks = [asyncio.create_task(tail.run()), asyncio.create_task(read())]
    try:
        await eventually("it has begun", lambda: looks.count >= 1, SOON)
        yield looks
    finally:
        await end_tasks(tasks, 5)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event alone makes it look, and soon."""
    monkeypatch.setattr(page_stream, "PAGE_SECONDS", 0.1)
    monkeypatch.setattr(page_stream, "EVENTLESS_SECONDS", 600.0)


@pytest.fixture
async def documents(tmp_path: Path) -> AsyncIterator[SqliteDocuments]:
    store = SqliteDocuments(tmp_path / "state.db")
    yield store
    await store.close()


async def test_a_page_of_one_connection_is_looked_at_after_its_own_events(
    documents: SqliteDocuments,
) -> None:
    async with followed(documents) as looks:
        await store_messages(documents, 1, connection=OTHER)
        await eventually("the event is read", lambda: looks.tail.newest == 1, SOON)
        await asyncio.sleep(0.5)
        assert looks.count == 1
        await store_messages(documents, 2)
        await eventually("it is looked at", lambda: looks.count == 2, SOON)


async def test_a_page_without_events_has_none_logged(documents: SqliteDocuments) -> None:
    async with followed(documents, events=False) as looks:
        await eventually("it is looked at again", lambda: looks.count == 3, SOON)
        assert (await EventLog(documents).head()).until == 0
        assert looks.tail.newest is None


async def test_a_stream_that_waits_has_no_copy_of_its_page(documents: SqliteDocuments) -> None:
    async with followed(documents) as looks:
        await eventually("it waits", lambda: looks.last() is None, SOON)
        assert looks.count == 1


async def test_a_mistake_of_the_service_ends_no_stream(documents: SqliteDocuments) -> None:
    async with followed(documents, broken=2) as looks:
        await eventually("it is the page again", lambda: len(looks.sent) == 4, SOON)
    _, failed, again, part = looks.sent
    assert failed.startswith(b"event: failed\n")
    assert again == b": the same\n\n"
    assert part.startswith(b"event: part\n")
    noted = await documents.get(HEALTH_STATUS, own_mistakes.MISTAKE_DOCUMENT)
    assert noted is not None
    assert noted["action"] == "internal_error"


async def test_many_events_are_one_look(documents: SqliteDocuments) -> None:
    """Also where more came than are kept in memory: what a look shows already makes for no other."""
    async with followed(documents) as looks:
        count = 2 * EVENTS_IN_MEMORY
        await store_messages(documents, 1, count, size=100)
        await eventually("all are read", lambda: looks.tail.newest == count, SOON)
        await asyncio.sleep(0.5)
        before = looks.count
        await asyncio.sleep(1.0)
        assert looks.count == before
