"""Endpoints that get events, and events that are written for as long as there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.state.documents import DELIVERED, DELIVERIES
from actors.state.events.deliveries import (
    ATTEMPTS_KEPT,
    Attempt,
    Delivery,
    delivered,
    delivered_id,
    delivering,
)
from actors.state.events.event import Event
from actors.state.events.log import EventLog
from actors.state.events.outbox import NumberedEvent
from actors.state.sqlite.store import SqliteDocuments
from actors.state.webhooks import (
    Overtaken,
    Progress,
    Secret,
    Webhook,
    WebhookNotFound,
    Webhooks,
    progressing,
)
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.state.documents import Documents

HOOK = Webhook("hook", "https://example.com", (Secret("whsec_x"),), 1.0)


@pytest.fixture
async def documents(tmp_path: Path) -> AsyncIterator[Documents]:
    store = SqliteDocuments(tmp_path / "state.db")
    yield store
    await store.close()


@pytest.mark.parametrize(("further", "off"), [(0, "gone"), (7, None)])
async def test_it_is_off_and_unlisted_or_neither(
    documents: Documents, further: int, off: str | None
) -> None:
    """The former leader may learn late that no endpoint is left."""
    webhooks, log = Webhooks(documents), EventLog(documents)
    await webhooks.create(HOOK, quota=UNLIMITED)
    if further:
        ahead = HOOK.document | {"progress": {**HOOK.document["progress"], "cursor": further}}
        await documents.set("webhooks", HOOK.id, ahead)
    await webhooks.gone(HOOK.id, Progress(cursor=3))
    (found,) = await webhooks.list()
    assert found.off == off
    assert (await log.head()).webhooks == (() if off else (HOOK.id,))


@pytest.mark.parametrize(
    ("stored", "error"), [(None, WebhookNotFound), (7, Overtaken)], ids=["deleted", "overtaken"]
)
async def test_who_lost_a_webhook_stores_no_delivery_of_it(
    documents: Documents, stored: int | None, error: type[Exception]
) -> None:
    """The documents are in one batch with the progress."""
    webhooks = Webhooks(documents)
    if stored is not None:
        await webhooks.create(HOOK, quota=UNLIMITED)
        await documents.batch([progressing(HOOK.id, Progress(cursor=stored))])
    told = NumberedEvent(1, 1.0, Event("evt_1", "message.read", "shop", 1.0, {}))
    refused = Delivery(HOOK.id, told, "waiting", "shop/a")
    with pytest.raises(error):
        await documents.batch([refused.write, progressing(HOOK.id, Progress(cursor=3))])
    assert (await documents.query(DELIVERIES)).items == []


async def test_a_deleted_webhook_leaves_no_delivery(documents: Documents) -> None:
    webhooks = Webhooks(documents)
    await webhooks.create(HOOK, quota=UNLIMITED)
    told = NumberedEvent(1, 1.0, Event("evt_1", "message.read", "shop", 1.0, {}))
    attempt = Attempt.of(1.0, 204, 0.1)
    for hook in (HOOK.id, "other"):
        refused = Delivery(hook, told, "waiting", "shop/a")
        taken = dict.fromkeys(range(1, 1000, 60), attempt)
        await documents.batch([refused.write, *delivering(hook, taken, 1.0)])
    await webhooks.delete(HOOK.id)
    for collection in (DELIVERIES, DELIVERED):
        left = (await documents.query(collection)).items
        assert {each["webhook"] for each in left} == {"other"}


async def test_attempts_that_got_through_at_once_share_documents(documents: Documents) -> None:
    """Later attempts are added to the stored ones."""
    first, second = Attempt.of(1.0, 204, 0.12345), Attempt.of(2.0, 200, 0.5)
    await documents.batch(delivering("hook", {1: first, 99: first, 100: first}, 1.0))
    await documents.batch(delivering("hook", {2: second}, 2.0))
    assert len((await documents.query(DELIVERED)).items) == 2
    names = [delivered_id("hook", seq) for seq in (1, 100, 777)]
    known = delivered([await documents.get(DELIVERED, name) for name in names])
    assert sorted(known) == [1, 2, 99, 100]
    assert (known[2], known[1].seconds) == (second, 0.1235)


def test_a_delivery_keeps_its_last_attempts_and_how_many_there_were() -> None:
    told = NumberedEvent(1, 1.0, Event("evt_1", "message.read", "shop", 1.0, {}))
    delivery = Delivery("hook", told, "waiting", "shop/a")
    for number in range(ATTEMPTS_KEPT + 5):
        delivery = delivery.tried(Attempt.of(float(number), 500, 0.1), "waiting", 9.0)
    assert (delivery.attempts, len(delivery.tries)) == (ATTEMPTS_KEPT + 5, ATTEMPTS_KEPT)
    assert delivery.tries[-1].at == ATTEMPTS_KEPT + 4
    assert Delivery.of(delivery.document) == delivery
