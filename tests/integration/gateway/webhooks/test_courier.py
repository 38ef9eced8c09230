"""What one courier does where the store, or a person, comes between two of its steps."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from actors.redis import keys
from actors.redis.client import connect
from actors.redis.leader_election import Turn
from actors.redis.leases import Leases
from actors.runtime.actor_base import end_tasks
from actors.state.documents import DELIVERIES, StoreAway, Where
from actors.state.events.log import EventLog
from actors.state.sqlite.store import SqliteDocuments
from actors.state.webhooks import Progress, Secret, Webhook, Webhooks, progressing
from gateway.acceptance.address_policy import Guarded
from gateway.webhooks import signatures
from gateway.webhooks.delivery_policy import PATIENCE
from gateway.webhooks.delivery_worker import Courier
from gateway.webhooks.dispatcher import Deliverer
from gateway.webhooks.event_tail import Tail
from gateway.webhooks.http_post import Poster
from tests.integration.gateway.receiver import Receiver
from tests.integration.gateway.webhooks.telling import tell
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from redis.asyncio import Redis

    from actors.state.documents import Write
    from tests.processes.valkey import Valkey

SOON = 30.0
ID = "wh_" + "0" * 24


class Store(SqliteDocuments):
    """A store that takes no batch while it is `away`, and `slow` seconds for each when it is not.

    `refused` and `taken` count them.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.away = False
        self.slow = 0.0
        self.refused = self.taken = 0

    async def batch(self, writes: Sequence[Write]) -> None:
        if self.away:
            self.refused += 1
            raise StoreAway
        await asyncio.sleep(self.slow)
        await super().batch(writes)
        self.taken += 1


@dataclass
class Delivering:
    """What a courier of the webhook `ID` stands on; `clock` is how far its clock is ahead."""

    documents: Store
    webhooks: Webhooks
    redis: Redis
    clock: float = 0.0

    async def add(self, receiver: Receiver) -> None:
        secret = signatures.new_secret()
        receiver.secrets.append(secret)
        made = Webhook(ID, receiver.url, (Secret(secret),), time.time())
        await self.webhooks.create(made)

    async def webhook(self) -> Webhook:
        found = await self.webhooks.get(ID)
        assert found is not None
        return found

    async def dead(self) -> int:
        page = await self.documents.query(DELIVERIES, where=[Where("status", "==", "dead")])
        return len(page.items)

    @asynccontextmanager
    async def courier(self) -> AsyncIterator[Courier]:
        """A courier that runs, and notes how far it is as it ends, as the deliverer has it."""
        turn = Turn(self.redis, keys.WEBHOOKS, seconds=60)
        assert await turn.hold()
        tail = Tail(EventLog(self.documents), billed=False)
        poster = Poster(Guarded(private=True))
        courier = Courier(
            await self.webhook(),
            documents=self.documents,
            webhooks=self.webhooks,
            tail=tail,
            poster=poster,
            turn=turn,
            leases=Leases(self.redis),
            clock=lambda: time.time() + self.clock,
        )
        tasks = [asyncio.create_task(each) for each in (tail.run(), courier.run())]
        try:
            yield courier
        finally:
            await end_tasks(tasks, 5)
            await poster.close()
            await turn.release()
            self.documents.away = False
            await courier.save()


@pytest_asyncio.fixture
async def delivering(valkey: Valkey, tmp_path: Path) -> AsyncIterator[Delivering]:
    documents = Store(tmp_path / "state.db")
    redis = connect(valkey.settings())
    yield Delivering(documents, Webhooks(documents), redis)
    await redis.aclose()
    await documents.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as started:
        yield started


async def test_one_that_ends_before_a_dead_delivery_is_kept_does_not_pass_it(
    delivering: Delivering, receiver: Receiver
) -> None:
    """The store is away as it is to be kept, and back as the courier notes how far it is."""
    receiver.answer = lambda _: 500
    await delivering.add(receiver)
    await tell(delivering.documents, 1)
    delivering.clock = 2 * PATIENCE
    async with delivering.courier():
        delivering.documents.away = True
        await eventually("it cannot be kept", lambda: delivering.documents.refused, SOON)
    assert await delivering.dead() == 0
    async with delivering.courier():
        await eventually("it is kept", delivering.dead, SOON)


@pytest.mark.parametrize("how", ["another address", "on"])
async def test_one_that_fails_is_tried_at_once_where_a_person_changes_it(
    delivering: Delivering, receiver: Receiver, how: str
) -> None:
    await delivering.add(receiver)
    (wanted,) = await tell(delivering.documents, 1)
    failing = Progress(attempts=9, error="unreachable", retry_at=time.time() + 300)
    await delivering.documents.batch([progressing(ID, failing)])
    async with delivering.courier() as courier:
        await asyncio.sleep(0.3)
        assert receiver.taken == []
        changed = await (
            delivering.webhooks.change(ID, url=None, on=True)
            if how == "on"
            else delivering.webhooks.change(ID, url=f"{receiver.url}/new", on=None)
        )
        courier.update(changed)
        await eventually("it is told", lambda: receiver.taken, SOON)
    assert [each["data"]["text"] for each in receiver.taken] == [wanted]


async def test_one_that_is_stopped_notes_how_far_it_is_and_lets_go_of_the_turn(
    delivering: Delivering, receiver: Receiver
) -> None:
    """Also where that takes longer than whoever ends it waits before he says so again."""
    await delivering.add(receiver)
    documents = delivering.documents
    tail = Tail(EventLog(documents), billed=False)
    poster = Poster(Guarded(private=True))
    turn = Turn(delivering.redis, keys.WEBHOOKS)
    leases = Leases(delivering.redis)
    deliverer = Deliverer(documents, delivering.webhooks, tail, poster, turn, leases=leases)
    tasks = [asyncio.create_task(each) for each in (tail.run(), deliverer.run())]
    try:
        await tell(documents, 1, 3)
        await eventually("all is told", lambda: len(receiver.taken) == 3, SOON)
        documents.slow = 0.3
        await tell(documents, 4, 3)
        await eventually("the rest is told", lambda: len(receiver.taken) == 6, SOON)
        before = documents.taken
    finally:
        await end_tasks(tasks, 5)
        await deliverer.close()
        await poster.close()
    assert documents.taken > before, "it was noted as it ended"
    # The answer to the last one may have been on its way.
    assert (await delivering.webhook()).progress.cursor >= receiver.seqs[-2]
    assert await delivering.redis.get(keys.WEBHOOKS) is None
