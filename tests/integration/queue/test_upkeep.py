"""The QueueActor on a real server and a real store, run in this process as Ray would run it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import pytest
import pytest_asyncio

from actors.connection.engine import InboxReceipt
from actors.connection.owner.inbox_drain import InboxDrain
from actors.connection.owner.sender import Ticket
from actors.queue import upkeep
from actors.queue.actor import QueueActor
from actors.queue.outbound_queue import Send
from actors.queue.upkeep import QueueUpkeep
from actors.state.account.app_state import document_id
from actors.state.actor import StateManager
from actors.state.documents import (
    CONNECTIONS,
    JOBS,
    MESSAGES,
    RECORDS_PER_BATCH,
    Documents,
    Page,
    Write,
)
from actors.state.open_store import open_documents
from tests.clocks import believe_clock
from tests.integration.queue.desk import ANA, BEN, SHOP, Desk, open_desk
from tests.integration.tree.scripted import ScriptedEngine
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from actors.connection.state_manager.port import State
    from tests.processes.valkey import Valkey

SECONDS = 15.0


pytestmark = pytest.mark.usefixtures("no_log_file")


@pytest_asyncio.fixture
async def documents(own_server: Valkey) -> AsyncIterator[Documents]:
    settings = own_server.settings()
    settings.save()
    store = open_documents(settings)
    await store.set(CONNECTIONS, SHOP, {"deleted": False})
    await store.set(CONNECTIONS, "gone", {"deleted": True})
    yield store
    await store.close()


@pytest_asyncio.fixture
async def desk(own_server: Valkey) -> AsyncIterator[Desk]:
    async with open_desk(own_server) as desk:
        yield desk


@pytest_asyncio.fixture
async def actor(own_server: Valkey, documents: Documents) -> AsyncIterator[QueueActor]:
    actor = QueueActor(str(own_server.directory), "queue")
    await actor.start()
    yield actor
    await actor.stop()


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    return await eventually("it is so", look, SECONDS)


async def test_every_status_reaches_both_collections(
    desk: Desk, documents: Documents, actor: QueueActor
) -> None:
    record = await desk.accept("hello")

    async def shown(status: str) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            found = [await documents.get(each, record.id) for each in (MESSAGES, JOBS)]
            done = all(each is not None and each["status"] == status for each in found)
            return found[0] if done else None

        document: dict[str, Any] = await until(look)
        return document

    assert (await shown("queued"))["text"] == "hello"
    await desk.claim()
    await shown("sending")
    await desk.complete("hello")
    await shown("sent")
    await desk.receipt("hello", "read")
    message = await shown("read")
    assert message["direction"] == "out"
    assert message["at"] == record.accepted_at
    assert message["sent_at"] == desk.now

    async def mirrored() -> bool:
        return await desk.lanes.reader.unmirrored([SHOP]) == {}

    await until(mirrored)


async def test_many_changes_are_mirrored(
    desk: Desk, documents: Documents, actor: QueueActor
) -> None:
    total = 2 * RECORDS_PER_BATCH + 10
    for number in range(total):
        await desk.accept(f"{number}")

    async def all_shown() -> bool:
        page = await documents.query(JOBS)
        return len(page.items) == total

    await until(all_shown)


async def mirroring(desk: Desk, documents: Documents) -> QueueUpkeep:
    found = QueueUpkeep(desk.lanes, documents, 90, time.time)
    await found.list_connections()
    return found


async def test_what_is_changing_is_mirrored_once_it_rests(desk: Desk, documents: Documents) -> None:
    keeping = await mirroring(desk, documents)
    record = await desk.accept("hello")
    await keeping.mirror()
    await desk.claim()
    await desk.complete("hello")
    await keeping.mirror()
    assert await documents.get(JOBS, record.id) is None
    await keeping.mirror()
    for collection in (JOBS, MESSAGES):
        found = await documents.get(collection, record.id)
        assert found is not None
        assert found["status"] == "sent"
    assert await desk.lanes.reader.unmirrored([SHOP]) == {}


async def test_what_rests_in_several_connections_shares_a_commit(
    desk: Desk, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = []
    for connection in (SHOP, "other"):
        await documents.set(CONNECTIONS, connection, {"deleted": False})
        ids += [(await desk.lanes.accept(Send(connection, ANA, "hi"))).record.id for _ in range(3)]
    batches = []
    store = documents.batch

    async def batch(writes: Sequence[Write]) -> None:
        batches.append({write.id for write in writes})
        await store(writes)

    monkeypatch.setattr(documents, "batch", batch)
    monkeypatch.setattr(upkeep, "RECORDS_PER_BATCH", 4)
    keeping = await mirroring(desk, documents)
    for _ in range(2):
        await keeping.mirror()
    assert [len(each) for each in batches] == [4 + 2, 2 + 1], "messages, and their chats"
    chats = {document_id(connection, ANA) for connection in (SHOP, "other")}
    assert set.union(*batches) == {*ids, *chats}
    assert await desk.lanes.reader.unmirrored([SHOP, "other"]) == {}


async def test_what_never_rests_is_mirrored_all_the_same(desk: Desk, documents: Documents) -> None:
    keeping = await mirroring(desk, documents)
    record = await desk.accept("hello")

    async def shown() -> object:
        await desk.claim()
        await desk.unclaim("hello")
        await keeping.mirror()
        return await documents.get(JOBS, record.id)

    await until(shown)


async def test_mirroring_leaves_most_of_its_time_to_what_is_being_sent(
    desk: Desk, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless what changed has waited long."""
    keeping = await mirroring(desk, documents)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)

    async def pause_for(text: str, now: float) -> list[float]:
        await desk.lanes.accept(Send(SHOP, ANA, text), now=now)
        for _ in range(2):
            await keeping.mirror()
        found, pauses[:] = list(pauses), []
        return found

    assert await pause_for("nothing is being sent", time.time()) == []
    await desk.claim()
    [pause] = await pause_for("soon", time.time())
    assert 0 < pause <= upkeep.MIRROR_LAG_SECONDS
    assert await pause_for("long ago", time.time() - upkeep.MIRROR_LAG_SECONDS) == []
    assert await desk.lanes.reader.unmirrored([SHOP]) == {}


async def test_what_is_due_is_readied_and_counted(desk: Desk, actor: QueueActor) -> None:
    await desk.accept("due", send_at=desk.now + 1)  # the desk's clock stands in the past
    await desk.accept("b", BEN)
    await desk.claim()
    await desk.fail("b", permanent=True)

    async def readied() -> bool:
        return await desk.status("due") == "queued"

    async def counted() -> bool:
        health = await actor.health()
        return (health["waiting"], health["dead"]) == (1, 1)

    await until(readied)
    await until(counted)


async def test_g3_what_is_accepted_after_redis_was_emptied_replaces_nothing_in_the_store(
    desk: Desk, documents: Documents, actor: QueueActor
) -> None:
    async def accept(text: str, key: str | None = None) -> str:
        accepted = await desk.lanes.accept(
            Send(SHOP, ANA, text), idempotency_key=key, now=time.time()
        )
        assert not accepted.replayed
        return accepted.record.id

    async def mirrored(*ids: str) -> list[str]:
        async def all_there() -> list[str] | None:
            found = [await documents.get(MESSAGES, id_) for id_ in ids]
            return [each["text"] for each in found if each] if all(found) else None

        texts: list[str] = await until(all_there)
        return texts

    before = [await accept("a"), await accept("b", "order 1")]
    assert await mirrored(*before) == ["a", "b"]
    await desk.redis.flushall()
    after = [await accept("c"), await accept("d", "order 1")]
    assert await mirrored(*before, *after) == ["a", "b", "c", "d"]
    await desk.take()


async def test_g3_a_receipt_of_a_message_that_left_redis_reaches_the_state_store(
    desk: Desk, documents: Documents, own_server: Valkey
) -> None:
    """Of one that was sent, and of one that was taken for dead."""
    for text, chat in (("sent", ANA), ("dead", BEN)):
        await desk.accept(text, chat)
    await desk.claim()
    await desk.complete("sent")
    await desk.fail("dead", permanent=True, uncertain=True)
    await desk.lanes.dead_letters.prune(SHOP, 0, desk.now + 1)
    mirroring_ = await mirroring(desk, documents)
    mirroring_._all_at = 0.0
    await mirroring_.mirror()
    await desk.pass_day()
    ids = [desk.ids.pop(text) for text in ("sent", "dead")]
    assert [await desk.lanes.reader.get(id_) for id_ in ids] == [None, None]
    engine, manager = ScriptedEngine(), StateManager(str(own_server.directory), "state")
    for key, id_ in enumerate(ids):
        message_id = id_.partition(".")[2]
        engine.inbox[key] = InboxReceipt(key, ANA, (message_id,), "read", 2000)
    state = cast("State", manager)
    drain = InboxDrain(Ticket(SHOP, 1), engine, desk.lanes, state, on_lost=lambda _: None)
    assert await drain.once()
    assert engine.inbox == {}
    await manager.stop()
    for id_ in ids:
        found = await documents.get(MESSAGES, id_)
        assert found is not None
        assert (found["status"], found["read_at"]) == ("read", 2000)
        assert (found["error"], found["uncertain"], "sent_at" in found) == (None, False, True)
        assert found["text"] in {"sent", "dead"}


async def test_dead_letters_whose_time_is_over_are_forgotten_and_the_mirror_says_so(
    desk: Desk, documents: Documents, actor: QueueActor, own_server: Valkey
) -> None:
    old = await desk.accept("old")  # the desk's clock stands in the past
    await desk.claim()
    await desk.fail("old", permanent=True)
    young = await desk.accept("young", BEN)
    await desk.claim()
    desk.now = time.time() - 29 * 86_400
    await desk.fail("young", permanent=True)
    await actor._upkeep.prune()
    assert len(await desk.lanes.dead_letters.page(SHOP, 10)) == 2, "the clock is not believed yet"
    believe_clock(own_server.directory)
    await actor._upkeep.prune()

    async def expired() -> bool:
        job = await documents.get(JOBS, old.id)
        return job is not None and job["expired_at"] is not None

    await until(expired)
    job = await documents.get(JOBS, old.id)
    assert job is not None
    assert (job["status"], job["error"]) == ("dead", "ack_timeout")
    assert [letter.record.id for letter in await desk.lanes.dead_letters.page(SHOP, 10)] == [
        young.id
    ]


async def test_g11_it_pauses_while_redis_is_away_and_catches_up(
    desk: Desk, documents: Documents, actor: QueueActor, own_server: Valkey
) -> None:
    before = await desk.accept("before", ANA)

    async def mirrored() -> bool:
        return await documents.get(MESSAGES, before.id) is not None

    await until(mirrored)
    own_server.kill()

    async def paused() -> bool:
        return set((await actor.health())["away"]) == {"mirror", "promote"}

    await until(paused)
    own_server.start()
    after = await desk.accept("after", ANA)

    async def caught_up() -> bool:
        away = (await actor.health())["away"]
        return not away and await documents.get(MESSAGES, after.id) is not None

    await until(caught_up)


async def test_a_successor_mirrors_what_a_dead_one_left(
    desk: Desk, documents: Documents, own_server: Valkey
) -> None:
    record = await desk.accept("hello")
    first = QueueActor(str(own_server.directory), "queue")
    await first.start()
    await first.stop()
    assert (await asyncio.wait_for(first.watch(), 5))["reason"] == "stopped"
    await desk.claim()
    second = QueueActor(str(own_server.directory), "queue")
    await second.start()

    async def mirrored() -> bool:
        found = await documents.get(MESSAGES, record.id)
        return found is not None and found["status"] == "sending"

    try:
        await until(mirrored)
    finally:
        await second.stop()


async def test_it_stops_although_the_store_swallowed_the_cancellation(
    actor: QueueActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a client that loses a cancellation which meets its answer."""
    asked = asyncio.Event()

    async def swallow(*_: object, **__: object) -> Page:
        asked.set()
        try:
            await asyncio.sleep(SECONDS)
        except asyncio.CancelledError:
            return Page([], None)
        raise AssertionError("was not cancelled")

    monkeypatch.setattr(actor._documents, "query", swallow)
    await asyncio.wait_for(asked.wait(), SECONDS)
    await asyncio.wait_for(actor.stop(), 5)


async def test_a_bug_in_the_upkeep_ends_the_actor(
    actor: QueueActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> None:
        raise ArithmeticError

    monkeypatch.setattr(actor._upkeep._lanes.reader, "unmirrored", lambda _: broken())
    ended = await asyncio.wait_for(actor.watch(), SECONDS)
    assert ended["reason"] == "broke"


async def test_a_message_that_the_store_refuses_holds_up_no_other(
    own_server: Valkey, desk: Desk, documents: Documents
) -> None:
    """It is sent all the same; its view has no words, the others have theirs."""
    with closing(sqlite3.connect(own_server.settings().state_file)) as database, database:
        database.execute(
            "CREATE TRIGGER forbidden BEFORE INSERT ON documents WHEN instr(NEW.data, 'unstorable')"
            " BEGIN SELECT RAISE(ABORT, 'forbidden'); END"
        )
    words = [*(f"token {number}" for number in range(9)), "unstorable", "the last"]
    records = [await desk.accept(text) for text in words]
    mirroring_ = await mirroring(desk, documents)
    mirroring_._all_at = 0.0
    await mirroring_.mirror()
    assert await desk.lanes.reader.unmirrored([SHOP]) == {}
    shown = [await documents.get(MESSAGES, record.id) for record in records]
    assert [one["text"] if one else None for one in shown] == [
        None if text == "unstorable" else text for text in words
    ]
    assert [one["status"] if one else None for one in shown] == ["queued"] * 11
    assert len((await documents.query(JOBS)).items) == 11
    record = await desk.lanes.reader.get(records[9].id)
    assert record is not None
    assert record.text == "unstorable", "its words are in the queue"
    await desk.drain(10)
    mirroring_._all_at = 0.0
    await mirroring_.mirror()
    ends = [await desk.lanes.reader.get(each.id) for each in records]
    assert [(one.status, one.text) for one in ends if one] == [
        ("sent", text if text == "unstorable" else "") for text in words
    ], "and stay there alone"
    (held,) = await desk.lanes.refused_views.page(SHOP, 10)
    assert held.record.id == records[9].id
    await desk.check()
    assert await desk.lanes.refused_views.retry(SHOP, held.record.message_id)
    with closing(sqlite3.connect(own_server.settings().state_file)) as database, database:
        database.execute("DROP TRIGGER forbidden")
    mirroring_._all_at = 0.0
    await mirroring_.mirror()
    stored = await documents.get(MESSAGES, held.record.id)
    assert stored is not None
    assert stored["text"] == "unstorable"
    assert await desk.lanes.refused_views.page(SHOP, 10) == []
    await desk.check()
