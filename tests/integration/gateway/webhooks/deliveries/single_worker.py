"""One worker by itself, on a store that may be away or slow."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actors.redis import keys
from actors.redis.leases.leader_election import Leadership
from actors.redis.leases.leases import Leases
from actors.runtime.actor_base import end_tasks
from actors.state.documents import DELIVERIES, WEBHOOKS, StoreAway, Where, WriteRefused
from actors.state.events.log import EventLog
from actors.state.sqlite.store import SqliteDocuments
from actors.state.webhooks import Secret, Webhook, Webhooks
from gateway.acceptance.address_policy import Guarded
from gateway.webhooks.delivery_worker import DeliveryWorker
from gateway.webhooks.event_tail import EventTail
from gateway.webhooks.requests import signatures
from gateway.webhooks.requests.delivery_body import DeliveryBodies
from gateway.webhooks.requests.http_post import Poster
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from redis.asyncio import Redis

    from actors.media.local_files import LocalFiles
    from actors.state.documents import Page, Write
    from tests.integration.gateway.receiver import Receiver

ID = "wh_" + "0" * 24


class Store(SqliteDocuments):
    """A store that takes no batch while it is `away`, and `slow` seconds for each when it is not.

    It refuses writes of webhooks for good while it is `strict`.

    `refused` and `taken` count them, `looks` its queries.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.away = self.strict = False
        self.slow = 0.0
        self.refused = self.taken = self.looks = 0

    async def batch(self, writes: Sequence[Write]) -> None:
        if self.away:
            self.refused += 1
            raise StoreAway
        if self.strict and any(write.collection == WEBHOOKS for write in writes):
            raise WriteRefused("forbidden")
        await asyncio.sleep(self.slow)
        await super().batch(writes)
        self.taken += 1

    async def query(self, *names: Any, **more: Any) -> Page:
        self.looks += 1
        return await super().query(*names, **more)


@dataclass
class SingleWorker:
    """The store, webhooks and Redis of a worker of the webhook `ID`."""

    documents: Store
    webhooks: Webhooks
    redis: Redis
    files: LocalFiles

    @property
    def bodies(self) -> DeliveryBodies:
        return DeliveryBodies(self.documents, Leases(self.redis), self.files)

    async def add(self, receiver: Receiver, *, events: tuple[str, ...] | None = None) -> None:
        secret = signatures.new_secret()
        receiver.secrets.append(secret)
        made = Webhook(ID, receiver.url, (Secret(secret),), time.time(), events=events)
        await self.webhooks.create(made, quota=UNLIMITED)

    async def webhook(self) -> Webhook:
        found = await self.webhooks.get(ID)
        assert found is not None
        return found

    async def dead(self) -> int:
        page = await self.documents.query(DELIVERIES, where=[Where("status", "==", "dead")])
        return len(page.items)

    async def statuses(self) -> list[str]:
        page = await self.documents.query(DELIVERIES)
        return [each["status"] for each in page.items]

    async def passed(self) -> bool:
        return (await self.webhook()).progress.cursor > 0

    async def quiet(self) -> bool:
        progress = (await self.webhook()).progress
        head = await EventLog(self.documents).head()
        return progress.behind(head.seq) == 0 and "repeat" not in await self.statuses()

    @asynccontextmanager
    async def worker(self, *, saves: bool = True) -> AsyncIterator[DeliveryWorker]:
        """A worker that runs, and `saves` how far it is as it ends, as the deliverer has it."""
        turn = Leadership(self.redis, keys.WEBHOOKS_CHANNEL, seconds=60)
        assert await turn.hold()
        tail = EventTail(self.documents)
        poster = Poster(Guarded(private=True))
        worker = DeliveryWorker(
            await self.webhook(),
            documents=self.documents,
            webhooks=self.webhooks,
            tail=tail,
            poster=poster,
            turn=turn,
            bodies=self.bodies,
            clock=time.time,
            deletion_time=time.time,
        )
        tasks = [asyncio.create_task(each) for each in (tail.run(), worker.run())]
        try:
            yield worker
        finally:
            await end_tasks(tasks, 5)
            if saves:
                self.documents.away = False
                await worker.save()
            await poster.close()
            await turn.release()
