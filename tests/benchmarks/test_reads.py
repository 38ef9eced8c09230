"""Reads of the API and pages of the console over HTTP, with a connection of 500 chats and 100 000 messages.

The store is filled as the StateManager fills it: each message with its chat's document. One caller asks, one
request at a time.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from actors.connection.engine import InboxMessage
from actors.state.account import chat_activity
from actors.state.documents import BATCH_LIMIT
from actors.state.messages.received import incoming, storing
from actors.state.open_store import open_documents
from tests.benchmarks.figures import Figure, Figures
from tests.integration.gateway.person import Person
from tests.integration.gateway.served import KEY, SHOP, Gateway
from tests.plain_http import NO_AUTHORITIES
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.config.settings import Settings
    from actors.state.documents import Write

CHATS, MESSAGES = 500, 100_000
BEGAN = 1_700_000_000
ASKED = 60
"""Requests for each figure, after some that warm up."""

WARM = 5
AIM = 100.0
"""Milliseconds."""


def person(number: int) -> str:
    return f"1555010{number:04}@s.whatsapp.net"


async def fill(settings: Settings) -> None:
    """Every chat has its share of the messages, one after the other."""
    documents = open_documents(settings)
    writes: list[Write] = []
    known: list[chat_activity.Activity | None] = []
    for number in range(MESSAGES):
        chat = person(number % CHATS)
        message = InboxMessage(
            key=number + 1,
            chat=chat,
            sender=chat,
            message_id=f"{number:032X}",
            at=BEGAN + number,
            type="text",
            text=f"message {number} of this chat, as long as most of those that customers write",
            push_name=f"Customer {number % CHATS}",
            received_at=BEGAN + number + 0.5,
            place=BEGAN + number + 0.5,
        )
        document = incoming(SHOP, asdict(message), 0.0)
        writes.append(storing(document, tells=None))
        known.append(chat_activity.of_message(document, document["id"]))
        if len(writes) == BATCH_LIMIT // 2:
            await documents.batch([*writes, *chat_activity.noting(SHOP, known)])
            writes, known = [], []
    await documents.batch([*writes, *chat_activity.noting(SHOP, known)])
    await documents.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    root = tmp_path_factory.mktemp("reads")
    with (
        Valkey(root / "valkey") as valkey,
        Gateway(root / "gateway", valkey, rate_limit=100_000_000) as running,
    ):
        running.connect()
        asyncio.run(fill(running.settings))
        yield running


def percentiles(client: httpx.Client, path: str) -> tuple[float, float]:
    """The median and the 95th percentile of the answers to a path, in milliseconds."""
    found = []
    for number in range(WARM + ASKED):
        begun = time.perf_counter()
        answer = client.get(path)
        if number >= WARM:
            found.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, answer.text
    found.sort()
    return found[len(found) // 2], found[int(len(found) * 0.95)]


def add(figures: Figures, name: str, client: httpx.Client, paths: dict[str, str]) -> None:
    """One figure for the slowest of these, with those of each."""
    seen = {what: percentiles(client, path) for what, path in paths.items()}
    remarks: dict[str, float | str] = {
        what: f"{slow:.0f} ms (median {middle:.0f})" for what, (middle, slow) in seen.items()
    }
    slowest = max(slow for _, slow in seen.values())
    figures.add(Figure(name, slowest, "ms", at_most=AIM, remarks=remarks))


@pytest.mark.timeout(600)
def test_api_reads(figures: Figures, gateway: Gateway) -> None:
    with httpx.Client(
        base_url=f"http://127.0.0.1:{gateway.port}",
        headers={"X-Api-Key": KEY},
        timeout=60,
        verify=NO_AUTHORITIES,
    ) as client:

        def read(path: str) -> Any:
            return client.get(path).raise_for_status().json()

        newest = read("/api/messages?connection=shop&limit=1")["items"][0]
        deep = read("/api/messages?connection=shop&limit=500&order=oldest")["next"]
        chats = read("/api/chats?connection=shop&limit=200")
        assert read("/api/chats?connection=shop&limit=1")["items"][0]["unread"] == MESSAGES // CHATS
        paths = {
            "messages": "/api/messages?connection=shop",
            "messages, 500": "/api/messages?connection=shop&limit=500",
            "messages, a later page": f"/api/messages?connection=shop&order=oldest&after={deep}",
            "messages of a chat": f"/api/messages?connection=shop&chat={person(7)}",
            "one message": f"/api/messages/{newest['id']}",
            "chats": "/api/chats?connection=shop",
            "chats, 200": "/api/chats?connection=shop&limit=200",
            "chats, a later page": f"/api/chats?connection=shop&after={chats['next']}",
            "chats searched": "/api/chats?connection=shop&search=customer%20499",
            "chats searched in vain": "/api/chats?connection=shop&search=nothing",
            "contacts": "/api/contacts?connection=shop",
            "contacts searched in vain": "/api/contacts?connection=shop&search=nothing",
            "connections": "/api/connections",
            "queue": "/api/queue",
            "health": "/health",
        }
        name = f"API reads with {CHATS} chats and {MESSAGES:,} messages, p95 of the slowest"
        add(figures, name, client, paths)


@pytest.mark.timeout(600)
def test_console_pages(figures: Figures, gateway: Gateway) -> None:
    with Person(gateway, KEY) as client:
        root = "/console/conversations/shop"
        paths = {
            "connections": "/",
            "one connection": "/console/connections/shop",
            "conversations": root,
            "conversations searched": f"{root}?search=customer%20499",
            "a conversation": f"{root}/{person(7)}",
            "queue": "/console/queue",
            "recovery": "/console/recovery",
            "system": "/console/system",
        }
        name = f"console pages with {CHATS} chats and {MESSAGES:,} messages, p95 of the slowest"
        add(figures, name, client, paths)
