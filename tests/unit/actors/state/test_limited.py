"""API keys and webhooks end with the last of the connections that they are for (G12)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from actors.state.documents import API_KEYS, WEBHOOKS
from actors.state.events.log import EventLog
from actors.state.limited import KEPT, end_limited, with_ended
from actors.state.sqlite.store import SqliteDocuments
from actors.state.webhooks import Secret, Webhook, WebhookEnded, Webhooks
from gateway.http.api_keys import KeyRing, create

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.state.documents import Documents


@pytest.fixture
async def documents(tmp_path: Path) -> AsyncIterator[Documents]:
    store = SqliteDocuments(tmp_path / "state.db")
    yield store
    await store.close()


def webhook(name: str, *connections: str) -> Webhook:
    return Webhook(
        name, "https://example.com", (Secret("x"),), 1.0, connections=connections or None
    )


async def test_a_key_lets_nobody_in_once_its_last_connection_is_gone(documents: Documents) -> None:
    _, both = await create(documents, name="both", scopes=["read"], connections=["a--A", "b--B"])
    _, one = await create(documents, name="one", scopes=["read"], connections=["a--A"])
    _, every = await create(documents, name="every", scopes=["read"])
    await end_limited(documents, "a--A", clock=lambda: 5.0)
    await end_limited(documents, "a--A", clock=lambda: 6.0)
    ring = KeyRing(documents)
    assert await ring.find(one) is None
    assert await ring.find(both) is not None
    assert await ring.find(every) is not None
    ended = {each["name"]: each.get("ended_at") for each in (await documents.query(API_KEYS)).items}
    assert ended == {"both": None, "one": 5.0, "every": None}
    await end_limited(documents, "b--B")
    assert await KeyRing(documents).find(both) is None


async def test_a_webhook_is_told_nothing_once_its_last_connection_is_gone(
    documents: Documents,
) -> None:
    webhooks = Webhooks(documents)
    for each in (webhook("wh_1", "a--A"), webhook("wh_2", "a--A", "b--B"), webhook("wh_3")):
        await webhooks.create(each)
    await end_limited(documents, "a--A", clock=lambda: 5.0)
    assert (await EventLog(documents).head()).webhooks == ("wh_2", "wh_3")
    found = {each.id: each for each in await webhooks.list()}
    assert [found[name].on for name in sorted(found)] == [False, True, True]
    assert (found["wh_1"].ended, found["wh_1"].ended_at) == (("a--A",), 5.0)
    with pytest.raises(WebhookEnded):
        await webhooks.change("wh_1", url=None, on=True)
    assert (await webhooks.change("wh_1", url=None, on=False)).ended_at == 5.0
    await end_limited(documents, "b--B")
    assert (await EventLog(documents).head()).webhooks == ("wh_3",)


async def test_the_newest_that_ended_are_kept(documents: Documents) -> None:
    for number in range(KEPT + 3):
        name = f"c{number}--A"
        await create(documents, name=name, scopes=["read"], connections=[name])
        await Webhooks(documents).create(webhook(f"wh_{number}", name))
        await end_limited(documents, name, clock=partial(float, number))
    for collection in (API_KEYS, WEBHOOKS):
        left = [each["ended_at"] for each in (await documents.query(collection)).items]
        assert len(left) <= KEPT + 1
        assert min(left) >= 2.0


def test_what_is_of_no_connection_that_is_left_has_ended() -> None:
    document = {"id": "x", "connections": ["a", "b"]}
    once = with_ended(document, "a", 1.0)
    assert once == {**document, "ended": ["a"]}
    twice = with_ended(once, "b", 2.0)
    assert twice == {**document, "ended": ["a", "b"], "ended_at": 2.0}
    assert with_ended(twice, "a", 3.0) == twice
