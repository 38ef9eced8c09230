"""Pages of a webhook's deliveries: the documents that one reads, counted by the emulator of Firestore, and all pages of a list."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from actors.state.events.deliveries import Attempt, Delivery
from actors.state.events.log import EventLog
from actors.state.open_store import open_documents
from tests.integration.gateway.served import Gateway
from tests.integration.gateway.webhooks.stored_messages import store_messages
from tests.processes.firestore import Firestore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.valkey import Valkey

EVENTS, AT_ONCE = 600, 200
LIMIT = 20


def test_a_page_reads_what_it_shows(tmp_path: Path, valkey: Valkey) -> None:
    with Firestore(tmp_path) as firestore:
        host = firestore.host
        with Gateway(tmp_path / "g", valkey, firestore_emulator_host=host) as gateway:
            gateway.connect()
            body = {"url": "https://example.com/"}
            webhook = gateway.api.post("/api/webhooks", json=body).json()["id"]
            gateway.api.patch(f"/api/webhooks/{webhook}", json={"enabled": False})
            asyncio.run(bury(gateway, webhook))

            def page(**query: Any) -> tuple[dict[str, Any], int]:
                """A page, and the documents that it read."""
                firestore.counts(reset=True)
                path = f"/api/webhooks/{webhook}/deliveries"
                answer = gateway.api.get(path, params={"limit": LIMIT, **query}).json()
                return answer, int(firestore.counts()["reads"])

            newest, reads = page()
            assert len(newest["items"]) == LIMIT
            assert reads < 2 * LIMIT
            found: list[str] = []
            after: dict[str, str] = {}
            while True:
                some, reads = page(status="waiting", **after)
                assert reads < 250
                found += [one["id"] for one in some["items"]]
                if some["next"] is None:
                    break
                after = {"after": some["next"]}
            numbers = [*map(int, found)]
            assert numbers == sorted(set(numbers), reverse=True)
            assert len(numbers) == EVENTS // 2, "those that are not dead"


async def bury(gateway: Gateway, webhook: str) -> None:
    """Have each second event of the log be a dead delivery."""
    documents = open_documents(gateway.settings)
    try:
        await store_messages(documents, 1, EVENTS, size=AT_ONCE)
        told = (await EventLog(documents).after(0)).events
        assert len(told) == EVENTS
        attempt = Attempt(told[0].at, 500, "status_500", 0.1)
        writes = [
            Delivery(webhook, each, "dead", "lane", 1, (attempt,)).write for each in told[::2]
        ]
        await documents.batch(writes)
    finally:
        await documents.close()
