"""Reads of the API and pages of the console over HTTP, on a whole instance with a backlog in each store.

One caller asks, one request at a time. The documents that a page reads are counted by the emulator of Firestore, with two
backlogs: a page whose cost grows with the backlog shows there.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from actors.config.settings import Settings
from tests.benchmarks.figures import Figure, Figures
from tests.benchmarks.load.backlog import CHATS, bury, fill, person, raise_alerts
from tests.integration.gateway.person import Person
from tests.integration.gateway.served import KEY, SHOP, Gateway
from tests.plain_http import NO_AUTHORITIES
from tests.processes.firestore import Firestore
from tests.processes.instance import Instance, until
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCOUNT, CONTACT = "15550100001", "15550100002"
NOBODY = "15550100099"
"""A number without WhatsApp."""

MESSAGES, DEAD, ALERTS, GROUPS = 100_000, 1_000, 5_000, 50
ASKED = 60
"""Requests for each figure, after some that warm up."""

WARM = 5
AIM = 100.0
"""Milliseconds."""

COUNTED = (2_000, 10_000)
"""Messages of the two backlogs on Firestore."""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    environment = {"RATE_LIMIT": "100000000"}
    with Instance(tmp_path_factory.mktemp("reads") / "data", environment) as running:
        running.pair("shop", ACCOUNT)
        webhook = paused_webhook(running.api)
        identity = running.incarnation("shop")
        settings = Settings.load(running.data)
        asyncio.run(fill(settings, identity, range(MESSAGES)))
        asyncio.run(bury(settings, webhook, DEAD))
        asyncio.run(raise_alerts(settings, identity, ALERTS))
        for number in range(GROUPS):
            body = {"subject": f"Group {number}", "creator": CONTACT, "participants": [ACCOUNT]}
            running.simulator.post("/groups", json=body).raise_for_status()
        queue_dead(running)
        yield running


def paused_webhook(api: httpx.Client) -> str:
    """Its events wait."""
    made = api.post("/api/webhooks", json={"url": "https://example.com/"}).raise_for_status()
    webhook: str = made.json()["id"]
    api.patch(f"/api/webhooks/{webhook}", json={"enabled": False}).raise_for_status()
    return webhook


def queue_dead(instance: Instance) -> None:
    """Messages to nobody become dead letters, and as many wait for their time."""
    instance.simulator.post(f"/contacts/{NOBODY}", json={"registered": False})
    sends = {"connection": "shop", "text": "are you there?"}
    for number in range(DEAD):
        at = "2099-01-01T00:00:00Z"
        later = {**sends, "to": person(number % CHATS), "send_at": at}
        for body in ({**sends, "to": NOBODY}, later):
            instance.api.post("/api/messages", json=body).raise_for_status()

    def all_dead() -> bool:
        counts = instance.api.get("/api/queue").raise_for_status().json()
        return bool(counts["dead"] >= DEAD)

    until("all are dead", all_dead, 300)


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


def client_of(port: int) -> httpx.Client:
    return httpx.Client(
        base_url=f"http://127.0.0.1:{port}",
        headers={"X-Api-Key": KEY},
        timeout=60,
        verify=NO_AUTHORITIES,
    )


def stored(client: httpx.Client) -> dict[str, str]:
    """The reads that the state store answers, by what they are; also pages in the middle of a list."""

    def read(path: str) -> Any:
        return client.get(path).raise_for_status().json()

    newest = read("/api/messages?connection=shop&limit=1")["items"][0]
    deep = read("/api/messages?connection=shop&limit=500&order=oldest")["next"]
    chats = read("/api/chats?connection=shop&limit=200")["next"]
    (webhook,) = (each["id"] for each in read("/api/webhooks")["items"])
    deliveries = f"/api/webhooks/{webhook}/deliveries"
    return {
        "messages": "/api/messages?connection=shop",
        "messages, 500": "/api/messages?connection=shop&limit=500",
        "messages, a later page": f"/api/messages?connection=shop&order=oldest&after={deep}",
        "messages of a chat": f"/api/messages?connection=shop&chat={person(7)}",
        "messages that were sent": "/api/messages?connection=shop&direction=out",
        "one message": f"/api/messages/{newest['id']}",
        "chats": "/api/chats?connection=shop",
        "chats, 200": "/api/chats?connection=shop&limit=200",
        "chats, a later page": f"/api/chats?connection=shop&after={chats}",
        "chats searched": "/api/chats?connection=shop&search=customer%20499",
        "chats searched in vain": "/api/chats?connection=shop&search=nothing",
        "contacts": "/api/contacts?connection=shop",
        "contacts searched in vain": "/api/contacts?connection=shop&search=nothing",
        "connections": "/api/connections",
        "one connection": "/api/connections/shop",
        "webhooks": "/api/webhooks",
        "deliveries": deliveries,
        "deliveries that are dead": f"{deliveries}?status=dead",
        "deliveries that got through": f"{deliveries}?status=delivered",
        "alerts": "/api/alerts",
        "recoveries": "/api/recoveries",
        "API keys": "/api/keys",
        "health": "/health",
    }


def pages(client: httpx.Client) -> dict[str, str]:
    """The pages of the console, by what they show; those of a connection are of `shop`."""
    (webhook,) = client.get("/api/webhooks").raise_for_status().json()["items"]
    root = "/console/conversations/shop"
    return {
        "connections": "/",
        "one connection": "/console/connections/shop",
        "conversations": root,
        "conversations searched": f"{root}?search=customer%20499",
        "a conversation": f"{root}/{person(7)}",
        "queue": "/console/queue",
        "recovery": "/console/recovery",
        "system": "/console/system",
        "API keys": "/console/api-keys",
        "webhooks": "/console/webhooks",
        "one webhook": f"/console/webhooks/{webhook['id']}",
        "settings": "/console/settings",
        "logs": "/console/logs",
    }


@pytest.mark.timeout(1800)
def test_api_reads(figures: Figures, instance: Instance) -> None:
    with client_of(instance.port) as client:
        groups = client.get("/api/connections/shop/groups").raise_for_status().json()["items"]
        assert len(groups) == GROUPS
        paths = stored(client) | {
            "queue": "/api/queue",
            "dead letters": "/api/queue/dead",
            "dead letters, 500": "/api/queue/dead?limit=500",
            "refused documents": "/api/connections/shop/refused-documents",
            "load": "/api/system/metrics",
            "groups": "/api/connections/shop/groups",
            "one group": f"/api/groups/{groups[0]['chat']}?connection=shop",
            "profile": "/api/connections/shop/profile",
            "blocked people": "/api/contacts/shop/blocked",
        }
        name = f"API reads with {CHATS} chats and {MESSAGES:,} messages, p95 of the slowest"
        add(figures, name, client, paths)


@pytest.mark.timeout(1800)
def test_console_pages(figures: Figures, instance: Instance) -> None:
    with client_of(instance.port) as client, Person(instance, KEY) as person_:
        name = f"console pages with {CHATS} chats and {MESSAGES:,} messages, p95 of the slowest"
        add(figures, name, person_, pages(client))


@pytest.mark.timeout(1800)
def test_documents_read(figures: Figures, tmp_path: Path) -> None:
    with (
        Firestore(tmp_path / "firestore") as firestore,
        Valkey(tmp_path / "valkey") as valkey,
        Gateway(tmp_path / "g", valkey, firestore_emulator_host=firestore.host) as gateway,
    ):
        gateway.connect()
        with client_of(gateway.port) as client:
            webhook = paused_webhook(client)
            found: list[dict[str, int]] = []
            begun = 0
            for count in COUNTED:
                asyncio.run(fill(gateway.settings, SHOP, range(begun, count)))
                asyncio.run(bury(gateway.settings, webhook, count // 10))
                begun = count
                with Person(gateway, KEY) as person_:
                    found.append(
                        {
                            **{
                                what: documents_of(firestore, client, path)
                                for what, path in stored(client).items()
                            },
                            **{
                                f"page {what}": documents_of(firestore, person_, path)
                                for what, path in pages(client).items()
                            },
                        }
                    )
    few, many = found
    dearest = max(many, key=lambda what: many[what])
    figures.add(
        Figure(
            f"documents of the dearest read with {COUNTED[1]:,} messages, beside {COUNTED[0]:,}",
            many[dearest],
            "documents",
            against=few[dearest],
            at_most=1.0,
            remarks={
                "the dearest": dearest,
                **{what: f"{few[what]}, {count}" for what, count in many.items()},
            },
        )
    )


def documents_of(firestore: Firestore, client: httpx.Client, path: str) -> int:
    """The documents of an answer: the least of three, since the gateway also looks on its own."""
    counts = []
    for _ in range(3):
        firestore.counts(reset=True)
        assert client.get(path).status_code == 200, path
        counts.append(int(firestore.counts()["reads"]))
    return min(counts)
