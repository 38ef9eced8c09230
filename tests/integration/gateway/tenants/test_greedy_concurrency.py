"""A tenant that has all that it may on its way at once leaves another its answers (G13)."""

from __future__ import annotations

import json
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from actors.state.documents import MESSAGES
from actors.state.open_store import open_documents
from tests.integration.gateway.files import send
from tests.integration.gateway.served import OTHER, SHOP, Gateway
from tests.integration.gateway.tenants.conftest import CONNECTIONS, key_of
from tests.integration.gateway.tenants.raw_requests import (
    answered,
    begun,
    request,
    statuses,
    unresting,
)
from tests.integration.gateway.webhooks.stored_messages import store_messages
from tests.processes.slow_file import slow_file
from tests.waits import until

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.integration.gateway.served import Api
    from tests.processes.valkey import Valkey

TO = "15550100002"
SEND = {"connection": "other", "to": TO, "text": "hello"}
EACH = 100
"""The requests that a connection may have on their way by default."""


def test_unfinished_bodies(gateway: Gateway, greedy: Api, modest: Api) -> None:
    unfinished = request(greedy, "POST", "/api/messages", b"{", 900_000)
    with begun(gateway, unfinished, EACH + 50) as held:
        until("those beyond its places are refused", lambda: len(answered(held)) >= 50, 10)
        assert statuses(answered(held)) == [429] * 50
        assert modest.post("/api/messages", json=SEND).status_code == 202


LIMITS = {
    "connection": (
        {"concurrent_requests_per_connection": 6, "max_concurrent_requests": 100},
        [429, "quota_reached", "connection", "CONCURRENT_REQUESTS_PER_CONNECTION"],
    ),
    "instance": (
        # One for each, and five in the order of arrival.
        {"concurrent_requests_per_connection": 1000, "max_concurrent_requests": 10},
        [503, "instance_limit_reached", "instance", "MAX_CONCURRENT_REQUESTS"],
    ),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_requests_of_several_keys(limit: str, valkey: Valkey, tmp_path: Path) -> None:
    """Six places for the greedy one by whatever key; streams and sends that wait take none of them."""
    flags, refusal = LIMITS[limit]
    with (
        Gateway(tmp_path, valkey, max_connections=CONNECTIONS, **flags) as gateway,
        ExitStack() as callers,
        ExitStack() as held,
    ):
        for connection in (SHOP, OTHER):
            gateway.connect(connection)
        keys = [callers.enter_context(key_of(gateway, "shop")) for _ in range(3)]
        greedy, modest = keys[0], callers.enter_context(key_of(gateway, "other"))
        streams = held.enter_context(begun(gateway, request(greedy, "GET", "/api/events", b""), 4))
        until("they read", lambda: len(answered(streams)) == 4, 10)
        assert statuses(streams) == [200] * 4
        body = json.dumps({**SEND, "connection": "shop"}).encode()
        waiting = request(greedy, "POST", "/api/messages?wait=60", body)
        waits = held.enter_context(begun(gateway, waiting, 8))
        until("two waits are refused", lambda: len(answered(waits)) == 2, 10)
        assert statuses(answered(waits)) == [refusal[0]] * 2
        unfinished = []
        for key in keys:
            beginning = request(key, "POST", "/api/messages", b"{", 100)
            unfinished += held.enter_context(begun(gateway, beginning, 2))
        refused = until("it has all", lambda: _refusal(greedy), 10)
        assert not answered(unfinished)
        assert int(refused.headers["retry-after"]) > 0
        told = refused.json()
        assert [refused.status_code, told["code"], told["of"], told["setting"]] == refusal
        metrics = gateway.api.get("/metrics").text
        assert f'teimoso_limits_reached_total{{limit="{refusal[3]}"}}' in metrics
        assert modest.post("/api/messages", json=SEND).status_code == 202
        held.close()
        until("there is room again", lambda: _refusal(greedy) is None, 10)


def _refusal(caller: Api) -> httpx.Response | None:
    answer = caller.get("/api/queue")
    return None if answer.status_code == 200 else answer


@pytest_asyncio.fixture
async def stored(gateway: Gateway) -> None:
    documents = open_documents(gateway.settings)
    await store_messages(documents, 0, 3000, SHOP, size=100, more=" " + "w" * 500, chats=50)
    await store_messages(documents, 5000, 50, OTHER, size=50)
    await documents.close()


@pytest.mark.usefixtures("stored")
def test_large_pages(gateway: Gateway, greedy: Api, modest: Api) -> None:
    """Three small pages, one after the other, come before half of the large ones that were asked for earlier."""
    small = "/api/messages?connection=other&limit=1"
    assert modest.get(small).status_code == 200
    large = request(greedy, "GET", "/api/messages?connection=shop&limit=500", b"")
    with begun(gateway, large, 40) as held:
        for _ in range(3):
            assert len(modest.get(small).json()["items"]) == 1
        assert len(answered(held)) < 20
        until("the greedy one has its pages too", lambda: len(answered(held)) == 40, 60)
        assert statuses(held) == [200] * 40


@pytest_asyncio.fixture
async def messages(gateway: Gateway) -> dict[str, str]:
    """The id of a long message of the one, and of a short one of the other."""
    documents = open_documents(gateway.settings)
    await store_messages(documents, 0, 1, SHOP, more=" " + "w" * 250_000)
    await store_messages(documents, 1, 1, OTHER)
    found = (await documents.query(MESSAGES)).items
    await documents.close()
    return {each["connection"]: each["id"] for each in found}


def test_single_messages(
    gateway: Gateway, greedy: Api, modest: Api, messages: dict[str, str]
) -> None:
    """A few answers of the greedy one come between two of the modest one, not all that it asked for."""
    long = request(greedy, "GET", f"/api/messages/{messages[SHOP]}", b"")
    between = []
    with unresting(gateway, long, EACH - 10) as came:
        until("each of its requests had an answer", lambda: came() > EACH, 60)
        for _ in range(9):
            before = came()
            assert modest.get(f"/api/messages/{messages[OTHER]}").status_code == 200
            between.append(came() - before)
    assert median(between) < EACH / 4


@pytest.mark.usefixtures("silent_owners")
def test_questions_to_whatsapp(gateway: Gateway, greedy: Api) -> None:
    """They take no turn: its own reads do not wait for them."""
    asks = request(greedy, "GET", f"/api/connections/shop/numbers/{TO}", b"")
    with begun(gateway, asks, 10) as held:
        assert greedy.get("/api/queue").status_code == 200
        assert not answered(held)


def test_urls(gateway: Gateway, greedy: Api, modest: Api) -> None:
    """The greedy one's files do not come; the modest one's comes at once."""
    with slow_file() as (slow, _, _), slow_file() as (fine, _, comes):
        comes.set()
        body = {"connection": "shop", "to": TO, "type": "image", "media": {"url": slow}}
        sending = request(greedy, "POST", "/api/messages", json.dumps(body).encode())
        with begun(gateway, sending, EACH + 10) as held:
            until("those beyond its places are refused", lambda: len(answered(held)) >= 10, 10)
            assert statuses(answered(held)) == [429] * 10
            accepted = send(modest, {"url": fine}, connection="other")
            assert accepted.status_code == 202, accepted.text
            assert len(answered(held)) == 10
