"""A tenant that takes all that it gets leaves another its part: of readers, webhooks and keys (G13)."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from actors.state.open_store import open_documents
from tests.integration.gateway.reader import Reader
from tests.integration.gateway.receiver import Receiver
from tests.integration.gateway.served import OTHER, SHOP
from tests.integration.gateway.webhooks.stored_messages import SOON, arrived, store_messages
from tests.waits import eventually, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api
    from tests.integration.gateway.tenants.conftest import Tenants

FREE = count(1000, 1000)
AT_MOST = 50
"""More than any limit here."""


@pytest_asyncio.fixture
async def documents(tenants: Tenants) -> AsyncIterator[Documents]:
    store = open_documents(tenants.gateway.settings)
    yield store
    await store.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as started:
        yield started


@pytest.fixture
def silent() -> Iterator[Receiver]:
    """An endpoint that takes as long for each event as it may."""
    with Receiver() as started:
        started.seconds = 10.0
        yield started


def reader(tenants: Tenants, caller: Api, connection: str) -> Reader:
    return Reader(tenants.gateway, caller.headers["X-Api-Key"], connection=connection)


async def test_readers(tenants: Tenants, documents: Documents) -> None:
    with ExitStack() as reading:
        opened = 0
        while opened < AT_MOST:
            one = reader(tenants, tenants.greedy, "shop")
            try:
                reading.enter_context(one)
            except AssertionError:
                assert one.status != 200, "its stream did not begin"
                break
            opened += 1
        answer = tenants.greedy.get("/api/events")
        tenants.require_refused(answer, "EVENT_READERS_PER_CONNECTION", "MAX_EVENT_READERS")
        assert 1 < opened < AT_MOST, "it got what it may have, and no more"
        with reader(tenants, tenants.modest, "other") as modest:
            number = next(FREE)
            wanted: list[str] = []
            for step in range(20):
                await store_messages(documents, number + 100 + 10 * step, 10, SHOP)
                wanted += await store_messages(documents, number + step, 1, OTHER)
            await eventually("the reader has all", lambda: len(modest.texts) >= 20, SOON)
            assert modest.texts == wanted
            assert modest.ids == sorted(modest.ids)
            assert not modest.over.is_set()
    until("there is room again", lambda: _reads(tenants), SOON)


def _reads(tenants: Tenants) -> bool:
    one = reader(tenants, tenants.greedy, "shop")
    try:
        with one:
            return True
    except AssertionError:
        return False


async def test_webhooks(
    tenants: Tenants, documents: Documents, receiver: Receiver, silent: Receiver
) -> None:
    body = {"url": silent.url, "connections": ["shop"]}
    made: list[str] = []
    for _ in range(AT_MOST):
        answer = tenants.greedy.post("/api/webhooks", json=body)
        if answer.status_code != 201:
            break
        made.append(answer.json()["id"])
        silent.secrets.append(answer.json()["secret"])
    tenants.require_refused(answer, "WEBHOOKS_PER_CONNECTION", "MAX_WEBHOOKS")
    assert 1 < len(made) < AT_MOST
    told = tenants.modest.post(
        "/api/webhooks", json={"url": receiver.url, "connections": ["other"]}
    )
    assert told.status_code == 201, told.text
    receiver.secrets.append(told.json()["secret"])
    number = next(FREE)
    wanted: list[str] = []
    for step in range(10):
        await store_messages(documents, number + 100 + 10 * step, 10, SHOP, chats=10)
        wanted += await store_messages(documents, number + step, 1, OTHER)
    await arrived(receiver, wanted)
    assert receiver.texts == wanted
    assert receiver.refused == []
    assert silent.taken == [], "the greedy one's endpoints have taken nothing yet"
    for each in (told.json()["id"], *made):
        tenants.gateway.api.delete(f"/api/webhooks/{each}").raise_for_status()
    again = tenants.greedy.post("/api/webhooks", json=body)
    assert again.status_code == 201, "what is deleted makes room"
    tenants.gateway.api.delete(f"/api/webhooks/{again.json()['id']}").raise_for_status()


def test_keys(tenants: Tenants) -> None:
    def add(caller: Api, connection: str) -> tuple[str, Api] | None:
        body = {"name": "x", "scopes": ["send", "admin"], "connections": [connection]}
        answer = caller.post("/api/keys", json=body)
        if answer.status_code == 201:
            return answer.json()["id"], tenants.gateway.client(answer.json()["key"])
        tenants.require_refused(answer, "API_KEYS_PER_CONNECTION", "MAX_API_KEYS")
        return None

    made: list[tuple[str, Api]] = []
    caller = tenants.greedy
    for _ in range(AT_MOST):
        added = add(caller, "shop")
        if added is None:
            break
        made.append(added)
        caller = added[1]  # each is made by the last one, so that no key is asked twice
    assert 1 < len(made) < AT_MOST
    assert add(tenants.greedy, "shop") is None
    if tenants.of == "connection":  # of the instance it has its one part already
        second = add(tenants.modest, "other")
        assert second is not None
        made.append(second)
    body = {"connection": "other", "to": "15550100002", "text": "hello"}
    for asking in (tenants.modest, *(api for _, api in made[-1:] if tenants.of == "connection")):
        assert asking.post("/api/messages", json=body).status_code == 202
    for identifier, api in made:
        api.close()
        tenants.gateway.api.delete(f"/api/keys/{identifier}").raise_for_status()
    again = add(tenants.greedy, "shop")
    assert again is not None, "what is revoked makes room"
    tenants.gateway.api.delete(f"/api/keys/{again[0]}").raise_for_status()
