"""The queue and its view in the state store are compared after a start; what differs is counted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest_asyncio
from structlog.testing import capture_logs

from actors.health.probes import Probes
from actors.messages.content import ReadMark, Text
from actors.queue.mirror import comparison
from actors.queue.mirror.comparison import Comparison, Differences
from actors.queue.outbound_queue import OutboundQueue, Send
from actors.queue.upkeep import QueueUpkeep
from actors.redis import keys
from actors.redis.client import connect
from actors.redis.leases.leases import Leases
from actors.runtime.owner_liveness import Liveness
from actors.state.connections import Connections
from actors.state.documents import COMPARISON, CONNECTIONS, HEALTH_STATUS, JOBS, Documents, Write
from actors.state.open_store import open_documents
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, SHOP, Desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import pytest

    from actors.state.documents import Document
    from tests.processes.valkey import Valkey

NONE = Differences()
OTHER = "kiosk"


@pytest_asyncio.fixture
async def documents(own_server: Valkey) -> AsyncIterator[Documents]:
    store = open_documents(own_server.settings())
    await store.set(CONNECTIONS, SHOP, {"deleted": False})
    yield store
    await store.close()


@pytest_asyncio.fixture
async def desk(own_server: Valkey) -> AsyncIterator[Desk]:
    settings = own_server.settings(queue_concurrency=3)
    redis = connect(settings)
    lanes = OutboundQueue(redis, settings)
    desk = Desk(redis, lanes, Leases(redis), now=time.time())
    await desk.take()
    yield desk
    await lanes.close()
    await redis.aclose()


@pytest_asyncio.fixture
async def mirror(desk: Desk, documents: Documents) -> QueueUpkeep:
    upkeep = QueueUpkeep(desk.lanes, documents, 30, time.time)
    await upkeep.list_connections()
    return upkeep


async def mirrored(upkeep: QueueUpkeep) -> None:
    upkeep._all_at = 0.0
    await upkeep.mirror()


async def compared(desk: Desk, documents: Documents, *more: str) -> Differences:
    return await Comparison(desk.lanes.reader, documents, settled=0).run({SHOP, *more})


async def fill(desk: Desk) -> None:
    """A message in each state that is not finished, and some that are."""
    for text, chat in (("sent", ANA), ("dead", BEN), ("waits", EVA), ("later", LEO)):
        await desk.accept(text, chat, **({"send_at": desk.now + 60} if text == "later" else {}))
    await desk.claim()
    await desk.complete("sent")
    await desk.fail("dead", permanent=True)
    await desk.fail("waits", retry_in=60)
    await desk.accept("queued", ANA)
    await desk.claim()
    await desk.accept("another", ANA)
    await desk.lanes.accept(Send.of(SHOP, ANA, ReadMark(arrived=desk.now)), now=desk.now)


async def test_a_queue_and_its_view_do_not_differ(
    desk: Desk, documents: Documents, mirror: QueueUpkeep
) -> None:
    await fill(desk)
    assert await compared(desk, documents) == NONE, "what is still to be mirrored is lag"
    await mirrored(mirror)
    assert await compared(desk, documents, "shop-2") == NONE
    note = await documents.get(HEALTH_STATUS, COMPARISON)
    assert note is not None
    assert (note["missing"], note["unseen"], note["differing"]) == (0, 0, 0)


async def test_what_redis_lost_is_missing(
    desk: Desk, documents: Documents, mirror: QueueUpkeep
) -> None:
    await fill(desk)
    await mirrored(mirror)
    await desk.redis.flushdb()
    with capture_logs() as logs:
        assert await compared(desk, documents) == Differences(missing=5)
    (told,) = [each for each in logs if each["action"] == "queue.compare"]
    assert (told["log_level"], told["missing"]) == ("error", 5)
    assert not any(text in str(told) for text in (ANA, "another"))
    probes = Probes(
        desk.redis,
        desk.leases,
        desk.lanes,
        documents,
        Connections(documents),
        liveness=Liveness(),
        bucket=None,
        interval=30,
        redis_limit=0,
    )
    view, *_ = await probes.stored_reports()
    assert view is not None
    assert view.differences == (5, 0, 0)


async def test_what_the_store_lost_is_unseen(
    desk: Desk, documents: Documents, mirror: QueueUpkeep
) -> None:
    await fill(desk)
    await mirrored(mirror)
    page = await documents.query(JOBS)
    await documents.batch([Write("delete", JOBS, each["id"]) for each in page.items])
    assert await compared(desk, documents) == Differences(unseen=5)


async def test_an_older_copy_of_redis_differs(
    desk: Desk, documents: Documents, mirror: QueueUpkeep
) -> None:
    """Messages were sent since: the view knows, and the queue would send them again."""
    for text, chat in (("a", ANA), ("b", BEN), ("c", EVA)):
        await desk.accept(text, chat)
    await mirrored(mirror)
    copy = {key: await desk.redis.dump(key) or b"" for key in await desk.redis.keys("*")}
    await desk.claim()
    await desk.complete("a")
    await desk.fail("b", permanent=True)
    await mirrored(mirror)
    assert await compared(desk, documents) == NONE
    await desk.redis.flushdb()
    for key, dumped in copy.items():
        await desk.redis.restore(key, 0, dumped)
    assert await compared(desk, documents) == Differences(differing=3)


async def test_it_is_done_once_after_a_start_and_never_without_connections(
    desk: Desk, documents: Documents, mirror: QueueUpkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_comparison", Comparison(desk.lanes.reader, documents, settled=0))
    mirror._connections = ()
    await mirror.compare()
    assert await documents.get(HEALTH_STATUS, COMPARISON) is None
    await mirror.list_connections()
    await desk.accept("a")
    await desk.redis.delete(keys.of(SHOP).changed)
    for _ in range(2):
        await mirror.compare()
    note = await documents.get(HEALTH_STATUS, COMPARISON)
    assert note is not None
    assert note["unseen"] == 1
    await documents.set(HEALTH_STATUS, COMPARISON, {})
    await mirror.compare()
    assert (await documents.get(HEALTH_STATUS, COMPARISON) or {}).get("unseen") is None


async def test_it_reads_page_after_page_and_no_more_than_its_bound(
    desk: Desk, documents: Documents, mirror: QueueUpkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(11):
        await desk.accept(f"{number}")
    await mirrored(mirror)
    await desk.redis.flushdb()
    monkeypatch.setattr(comparison, "COMPARISON_PAGE", 2)
    assert await compared(desk, documents) == Differences(missing=11)
    monkeypatch.setattr(comparison, "MAX_COMPARED_DOCUMENTS", 6)
    assert await compared(desk, documents) == Differences(missing=6)


async def test_one_connections_backlog_hides_no_other_ones_loss(
    desk: Desk, documents: Documents, mirror: QueueUpkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(11):
        await desk.accept(f"{number}")
    await documents.set(CONNECTIONS, OTHER, {"deleted": False})
    await mirror.list_connections()
    for number in range(2):
        await desk.lanes.accept(Send.of(OTHER, ANA, Text(f"{number}")), now=desk.now + 1)
    await mirrored(mirror)
    for key in await desk.redis.keys(f"*{OTHER}*"):
        await desk.redis.delete(key)
    monkeypatch.setattr(comparison, "COMPARISON_PAGE", 2)
    monkeypatch.setattr(comparison, "MAX_COMPARED_DOCUMENTS", 4)
    assert await compared(desk, documents, OTHER) == Differences(missing=2)


class Meanwhile:
    """A store in which something happens between each document and what is asked of the queue next."""

    def __init__(self, documents: Documents, happen: Callable[[], Awaitable[None]]) -> None:
        self._documents, self._happen = documents, happen

    async def get(self, collection: str, id_: str) -> Document | None:
        found = await self._documents.get(collection, id_)
        await self._happen()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._documents, name)


async def test_what_moves_while_it_is_looked_at_is_no_difference(
    desk: Desk, documents: Documents, mirror: QueueUpkeep
) -> None:
    await desk.accept("a")
    await mirrored(mirror)
    await documents.batch([Write("delete", JOBS, (await desk.get("a")).id)])
    seen = 0

    async def move() -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            await desk.claim()
            await mirrored(mirror)

    store: Any = Meanwhile(documents, move)
    assert await compared(desk, store) == NONE
    assert seen >= 1
    await documents.batch([Write("delete", JOBS, (await desk.get("a")).id)])
    assert await compared(desk, store) == Differences(unseen=1), "a lasting difference is reported"
