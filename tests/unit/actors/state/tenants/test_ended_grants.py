"""API keys and webhooks end with the last of the connections that they are for (G12)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from actors.health.alerts import Alert
from actors.runtime.connection_ids import name_of
from actors.state.connections import ConnectionNotFound, Connections
from actors.state.documents import API_KEYS, WEBHOOKS
from actors.state.events.log import EventLog
from actors.state.sqlite.store import SqliteDocuments
from actors.state.tenants.ended_grants import ENDED_GRANTS_KEPT, end_limited, with_ended
from actors.state.webhooks import Secret, Webhook, WebhookEnded, Webhooks, progressing
from gateway.http.api_keys import ApiKeyCache, create, ensure_first
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.state.documents import Documents

A, B = "a--A00000000000", "b--B00000000000"


@pytest.fixture
async def documents(tmp_path: Path) -> AsyncIterator[Documents]:
    store = SqliteDocuments(tmp_path / "state.db")
    yield store
    await store.close()


async def connect(documents: Documents, *ids: str) -> None:
    for connection in ids:
        await Connections(documents).create(name_of(connection), id=connection)


def webhook(name: str, *connections: str) -> Webhook:
    return Webhook(
        name, "https://example.com", (Secret("x"),), 1.0, connections=connections or None
    )


async def test_a_key_lets_nobody_in_once_its_last_connection_is_gone(documents: Documents) -> None:
    await connect(documents, A, B)
    _, both = await create(
        documents, name="both", scopes=["read"], connections=[A, B], quota=UNLIMITED
    )
    _, one = await create(documents, name="one", scopes=["read"], connections=[A], quota=UNLIMITED)
    _, every = await create(documents, name="every", scopes=["read"], quota=UNLIMITED)
    await end_limited(documents, A, clock=lambda: 5.0)
    await end_limited(documents, A, clock=lambda: 6.0)
    ring = ApiKeyCache(documents)
    assert await ring.find(one) is None
    assert await ring.find(both) is not None
    assert await ring.find(every) is not None
    ended = {each["name"]: each.get("ended_at") for each in (await documents.query(API_KEYS)).items}
    assert ended == {"both": None, "one": 5.0, "every": None}
    await end_limited(documents, B)
    assert await ApiKeyCache(documents).find(both) is None


async def test_a_webhook_gets_nothing_once_its_last_connection_is_gone(
    documents: Documents,
) -> None:
    await connect(documents, A, B)
    webhooks = Webhooks(documents)
    for each in (webhook("wh_1", A), webhook("wh_2", A, B), webhook("wh_3")):
        await webhooks.create(each, quota=UNLIMITED)
    await end_limited(documents, A, clock=lambda: 5.0)
    assert (await EventLog(documents).head()).webhooks == ("wh_2", "wh_3")
    found = {each.id: each for each in await webhooks.list()}
    assert [found[name].on for name in sorted(found)] == [False, True, True]
    assert (found["wh_1"].ended, found["wh_1"].ended_at) == ((A,), 5.0)
    with pytest.raises(WebhookEnded):
        await webhooks.change("wh_1", url=None, on=True)
    assert (await webhooks.change("wh_1", url=None, on=False)).ended_at == 5.0
    await end_limited(documents, B)
    assert (await EventLog(documents).head()).webhooks == ("wh_3",)


async def test_the_newest_that_ended_are_kept(documents: Documents) -> None:
    for number in range(ENDED_GRANTS_KEPT + 3):
        name = f"c{number}--A00000000000"
        await connect(documents, name)
        await create(documents, name=name, scopes=["read"], connections=[name], quota=UNLIMITED)
        await Webhooks(documents).create(webhook(f"wh_{number}", name), quota=UNLIMITED)
        await end_limited(documents, name, clock=partial(float, number))
    for collection in (API_KEYS, WEBHOOKS):
        left = [each["ended_at"] for each in (await documents.query(collection)).items]
        assert len(left) <= ENDED_GRANTS_KEPT + 1
        assert min(left) >= 2.0


def test_what_is_of_no_connection_that_is_left_has_ended() -> None:
    document = {"id": "x", "connections": ["a", "b"]}
    once = with_ended(document, "a", 1.0, 7)
    assert once == {**document, "ended": ["a"]}
    twice = with_ended(once, "b", 2.0, 8)
    assert twice == {**document, "ended": ["a", "b"], "ended_at": 2.0, "ended_seq": 8}
    assert with_ended(twice, "a", 3.0, 9) == twice


async def test_two_that_are_deleted_at_once_end_what_is_for_both(documents: Documents) -> None:
    await connect(documents, A, B)
    await create(documents, name="both", scopes=["read"], connections=[A, B], quota=UNLIMITED)
    await Webhooks(documents).create(webhook("wh_1", A, B), quota=UNLIMITED)
    await asyncio.gather(end_limited(documents, A), end_limited(documents, B))
    assert (await EventLog(documents).head()).webhooks == ()
    for collection in (API_KEYS, WEBHOOKS):
        (found,) = (await documents.query(collection)).items
        assert found["ended"] == [A, B]
        assert found["ended_at"] is not None


async def test_a_webhook_gets_the_events_from_before_its_end(documents: Documents) -> None:
    await connect(documents, A)
    await Webhooks(documents).create(webhook("wh_1", A), quota=UNLIMITED)
    await documents.batch([Alert("x", A, "warning", "x", 1.0).write])
    await end_limited(documents, A)
    await documents.batch([Alert("y", A, "warning", "y", 2.0).write])
    (found,) = await Webhooks(documents).list()
    assert (found.on, found.behind(99)) == (True, 1)
    await documents.batch([progressing("wh_1", replace(found.progress, cursor=1))])
    (found,) = await Webhooks(documents).list()
    assert (found.on, found.behind(99)) == (False, 0)


async def test_nothing_is_made_for_a_connection_that_is_deleted(documents: Documents) -> None:
    """A gateway that had not learnt of it would make a key or webhook that never ends."""
    await connect(documents, A)
    await Connections(documents).delete(A)
    with pytest.raises(ConnectionNotFound):
        await create(documents, name="x", scopes=["read"], connections=[A], quota=UNLIMITED)
    with pytest.raises(ConnectionNotFound):
        await Webhooks(documents).create(webhook("wh_1", A), quota=UNLIMITED)
    assert (await documents.query(API_KEYS)).items == []
    assert (await EventLog(documents).head()).webhooks == ()


async def test_keys_that_ended_are_not_the_first(documents: Documents) -> None:
    await connect(documents, A)
    await create(documents, name="x", scopes=["admin"], connections=[A], quota=UNLIMITED)
    await end_limited(documents, A)
    assert await ensure_first(documents, None) is not None
