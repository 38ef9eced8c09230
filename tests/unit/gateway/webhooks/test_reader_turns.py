"""Readers far behind the end of the log: by turns of their tenant, and past the events of other tenants."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest_asyncio

from actors.runtime.connection_ids import name_of
from actors.state.connections import Connections
from actors.state.documents import EVENTS
from actors.state.events import log
from actors.state.events.outbox import has_events_of, unpacked
from actors.state.sqlite.store import SqliteDocuments
from gateway.http import api_keys
from gateway.http.api_keys import ApiKeyCache
from gateway.webhooks.event_tail import EventTail
from gateway.webhooks.reader_limits import ReaderLimits
from gateway.webhooks.stream import EventFilter, EventStream
from tests.integration.gateway.served import OTHER, SHOP
from tests.integration.gateway.webhooks.stored_messages import store_messages
from tests.unit.gateway.webhooks.test_stream import SOON, StreamReader, never
from tests.unlimited import UNLIMITED
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    import pytest

    from gateway.backends import Backends

READERS = 10


class HeldDocuments(SqliteDocuments):
    """A store that answers no reader behind the `end` of the log until it is `free`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.free = asyncio.Event()
        self.end = self.reading = self.most = 0

    async def query(self, collection: str, **how: Any) -> Any:
        if collection != EVENTS or not how or how["where"][0].value >= self.end:
            return await super().query(collection, **how)
        self.reading += 1
        self.most = max(self.most, self.reading)
        try:
            await self.free.wait()
            return await super().query(collection, **how)
        finally:
            self.reading -= 1


@pytest_asyncio.fixture
async def documents(tmp_path: Path) -> AsyncIterator[HeldDocuments]:
    store = HeldDocuments(tmp_path / "state.db")
    yield store
    await store.close()


class Gateway:
    """The parts of a gateway that its readers share."""

    def __init__(self, documents: HeldDocuments) -> None:
        self._documents = documents
        self._runs = False
        self._ring = ApiKeyCache(documents)
        self._tail = EventTail(documents)
        self._streams = ReaderLimits(documents, days=7, quota=UNLIMITED)

    async def want(self) -> None:
        """Have both connections, and events written from now on."""
        for connection in (SHOP, OTHER):
            name = name_of(connection)
            await Connections(self._documents).create(name, id=connection)
        await self._streams.want()

    @asynccontextmanager
    async def readers(self, connection: str, count: int) -> AsyncIterator[list[StreamReader]]:
        """Readers of one key for this connection, each from the first event on."""
        _, token = await api_keys.create(
            self._documents, name="x", scopes=["read"], connections=[connection], quota=UNLIMITED
        )
        key = await self._ring.find(token)
        assert key is not None
        backends = SimpleNamespace(
            tail=self._tail,
            streams=self._streams,
            ring=self._ring,
            leases=None,
            closing=asyncio.Event(),
        )
        readers = [StreamReader() for _ in range(count)]
        tasks = [] if self._runs else [asyncio.create_task(self._tail.run())]
        self._runs = True
        for reader in readers:
            stream = EventStream(cast("Backends", backends), EventFilter(key, None, None), 0)
            tasks.append(asyncio.create_task(stream({"type": "http"}, never, reader.send)))
        try:
            await eventually("all began", lambda: all(each.text for each in readers), SOON)
            yield readers
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_readers_of_one_tenant_read_in_turns_and_hold_up_no_other_tenant(
    documents: HeldDocuments,
) -> None:
    gateway = Gateway(documents)
    await gateway.want()
    ours = await store_messages(documents, 0, 20, SHOP)
    await store_messages(documents, 20, 20, OTHER)
    documents.end = 40
    async with gateway.readers(SHOP, READERS) as many:
        await eventually("one reads", lambda: documents.reading, SOON)
        for _ in range(100):
            await asyncio.sleep(0)
        assert documents.reading == 1
        async with gateway.readers(OTHER, 1):
            await eventually("one of each tenant reads", lambda: documents.reading == 2, SOON)
            documents.free.set()
            await eventually(
                "each has all", lambda: all(ours[-1] in each.text for each in many), SOON
            )
    assert documents.most == 2


async def test_a_reader_gets_its_events_alone_and_those_of_others_are_not_read(
    documents: HeldDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Mapping[str, Any]] = []

    def noted(document: Mapping[str, Any]) -> Any:
        read.append(document)
        return unpacked(document)

    monkeypatch.setattr(log, "unpacked", noted)
    documents.free.set()
    gateway = Gateway(documents)
    await gateway.want()
    texts = []
    for first in range(0, 120, 20):
        await store_messages(documents, first, 15, OTHER)
        texts += await store_messages(documents, first + 15, 5, SHOP)
    (lost,) = [each["id"] for each in (await documents.query(EVENTS)).items if each["first"] == 16]
    await documents.delete(EVENTS, lost)
    async with gateway.readers(SHOP, 1) as (reader,):
        await eventually("all came", lambda: texts[-1] in reader.text, SOON)
        await eventually("it is at the end", lambda: reader.last == 120, SOON)
    lines = reader.text.splitlines()
    assert 'data: {"after": 15, "before": 21}' in lines
    assert [line for line in lines if line.startswith("event: gap")] == ["event: gap"]
    found = [text for text in texts if f'"text":"{text}"' in reader.text]
    assert found == texts[5:]
    assert len(read) == 5
    assert all(has_events_of(each, [SHOP]) for each in read)


def test_documents_with_and_without_events_of_a_connection() -> None:
    def document(events: object) -> dict[str, Any]:
        return {"first": 1, "last": 1, "events": events}

    own = document(f'[{{"id":"x","connection":"{SHOP}","data":{{}}}}]')
    assert has_events_of(own, [OTHER, SHOP])
    assert not has_events_of(own, [OTHER])
    assert not has_events_of(own, [SHOP[:-1]])
    assert not has_events_of(document(None), [SHOP])
