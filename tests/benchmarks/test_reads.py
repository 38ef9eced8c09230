"""Reads of the API and pages of the console over HTTP, on a whole instance with a backlog in each store.

One caller asks, one request at a time. The documents that a page reads are counted by the emulator of Firestore, with two
backlogs: a page whose cost grows with the backlog shows there.
"""

from __future__ import annotations

import asyncio
import base64
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from actors.config.settings import Settings
from tests.benchmarks.figures import Figure, Figures
from tests.benchmarks.load.backlog import (
    CHATS,
    bury,
    fill,
    person,
    raise_alerts,
    save_people,
)
from tests.benchmarks.load.reads import OWNED, OWNED_PAGES, PAGES, STORED, ids_of, with_ids
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
OWN_GROUP = "Ours"
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
        asyncio.run(save_people(settings, identity))
        asyncio.run(raise_alerts(settings, identity, ALERTS))
        show_and_send(running)
        for number in range(GROUPS):
            body = {"subject": f"Group {number}", "creator": CONTACT, "participants": [ACCOUNT]}
            running.simulator.post("/groups", json=body).raise_for_status()
        queue_dead(running)
        yield running


def owned_ids(instance: Instance) -> dict[str, str]:
    """The ids in paths of `OWNED` and `OWNED_PAGES`: of the own group and of the file; `contact` has a picture."""
    groups = instance.api.get("/api/connections/shop/groups").raise_for_status().json()["items"]
    (group,) = (each["chat"] for each in groups if each["subject"] == OWN_GROUP)
    invite = instance.api.get(f"/api/groups/{group}/invite", params={"connection": "shop"})

    def file() -> str | None:
        path = f"/api/messages?connection=shop&chat={CONTACT}&limit=100"
        for one in instance.api.get(path).raise_for_status().json()["items"]:
            if one["media"] is not None and one["media"]["state"] == "stored":
                return str(one["id"])
        return None

    return {
        "contact": CONTACT,
        "group": group,
        "invite": invite.raise_for_status().json()["code"],
        "file": until("the file is stored", file, 60),
    }


def show_and_send(instance: Instance) -> None:
    """The contact has a picture, and sends an image; the account has a group of its own."""
    picture = base64.b64encode(b"\xff\xd8\xff a picture").decode()
    for path, body in (
        (f"/contacts/{CONTACT}/profile", {"picture": picture}),
        (f"/contacts/{CONTACT}/say", {"to": ACCOUNT, "type": "image", "size": 100_000}),
    ):
        instance.simulator.post(path, json=body).raise_for_status()
    group = {"connection": "shop", "subject": OWN_GROUP, "participants": [CONTACT]}
    instance.api.post("/api/groups", json=group).raise_for_status()


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


@pytest.mark.timeout(1800)
def test_api_reads(figures: Figures, instance: Instance) -> None:
    with client_of(instance.port) as client:
        paths = with_ids({**STORED, **OWNED}, ids_of(client) | owned_ids(instance))
        name = f"API reads with {CHATS} chats and {MESSAGES:,} messages, p95 of the slowest"
        add(figures, name, client, paths)


@pytest.mark.timeout(1800)
def test_console_pages(figures: Figures, instance: Instance) -> None:
    with client_of(instance.port) as client, Person(instance, KEY) as person_:
        name = f"console pages with {CHATS} chats and {MESSAGES:,} messages, p95 of the slowest"
        paths = with_ids({**PAGES, **OWNED_PAGES}, ids_of(client) | owned_ids(instance))
        add(figures, name, person_, paths)


@pytest.mark.timeout(1800)
def test_documents_read(figures: Figures, tmp_path: Path) -> None:
    with (
        Firestore(tmp_path / "firestore") as firestore,
        Valkey(tmp_path / "valkey") as valkey,
        Gateway(tmp_path / "g", valkey, firestore_emulator_host=firestore.host) as gateway,
    ):
        gateway.connect()  # the dearer one: its lists look in the address book
        asyncio.run(save_people(gateway.settings, SHOP))
        with client_of(gateway.port) as client:
            webhook = paused_webhook(client)
            found: list[dict[str, int]] = []
            begun = 0
            for count in COUNTED:
                asyncio.run(fill(gateway.settings, SHOP, range(begun, count)))
                asyncio.run(bury(gateway.settings, webhook, count // 10))
                begun = count
                ids = ids_of(client)
                with Person(gateway, KEY) as person_:
                    found.append(
                        {
                            **{
                                what: documents_of(firestore, client, path)
                                for what, path in with_ids(STORED, ids).items()
                            },
                            **{
                                f"page {what}": documents_of(firestore, person_, path)
                                for what, path in with_ids(PAGES, ids).items()
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
            at_most=1.01,
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
