"""The StateManager without Ray, on a real store: what it confirmed is there, once (G5, G11)."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.abilities.port import Call
from actors.connection.limits.account_limits import LimitNotice
from actors.connection.owner.reporter import PairingNotice
from actors.state.actor import StateManager
from actors.state.connection_document import Observed
from actors.state.connections import Connections
from actors.state.documents import (
    CONNECTIONS,
    RECOVERY_ACTIONS,
    StoreAway,
)
from actors.state.events.log import EventLog
from tests.clocks import believe_clock
from tests.integration.state.received import CHAT, LID, by_lid, item, stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.config.settings import Settings
    from actors.state.documents import Documents, Write


async def test_messages_are_in_the_store_when_the_call_returns(
    manager: StateManager, documents: Documents
) -> None:
    await manager.store_messages("shop", 1, [item(n) for n in range(20)])
    found = await stored(documents)
    assert [message["text"] for message in found] == [f"token {n}" for n in range(20)]
    assert {message["status"] for message in found} == {"received"}
    await manager.store_messages("shop", 1, [])


async def test_what_comes_again_is_there_once_and_as_it_first_was(
    manager: StateManager, documents: Documents
) -> None:
    items = [item(n) for n in range(10)]
    await asyncio.gather(*(manager.store_messages("shop", 1, items) for _ in range(5)))
    first = await stored(documents)
    await manager.store_messages("shop", 1, [{**each, "source": "history"} for each in items])
    assert await stored(documents) == first
    assert len(first) == 10


async def test_a_placeholder_gives_way_to_the_message_and_never_the_other_way(
    manager: StateManager, documents: Documents
) -> None:
    placeholder = item(1, type="undecryptable", text=None)
    await manager.store_messages("shop", 1, [placeholder])
    await manager.store_messages("shop", 1, [item(1)])
    await manager.store_messages("shop", 1, [placeholder])
    (found,) = await stored(documents)
    assert (found["type"], found["text"]) == ("text", "token 1")


async def test_both_in_one_call(manager: StateManager, documents: Documents) -> None:
    placeholder = item(1, type="undecryptable", text=None)
    await manager.store_messages("shop", 1, [placeholder, item(1), placeholder])
    (found,) = await stored(documents)
    assert found["text"] == "token 1"


async def test_many_connections_share_few_batches(
    manager: StateManager, documents: Documents
) -> None:
    await asyncio.gather(
        *(manager.store_messages(f"c{n}", 1, [item(k) for k in range(10)]) for n in range(100))
    )
    for n in (0, 50, 99):
        assert len(await stored(documents, f"c{n}")) == 10
    health = await manager.health()
    assert (health["store"], health["written"]) == (True, 1200), (
        "each call is fenced, and has a chat"
    )
    assert health["batches"] <= 10


async def test_history_that_outlived_its_time_is_removed(
    manager: StateManager, settings: Settings, documents: Documents
) -> None:
    now, days = time.time(), settings.history_retention_days * 86_400
    for number, age in enumerate((days + 60, days - 60)):
        await documents.set(RECOVERY_ACTIONS, str(number), {"at": now - age})
    believe_clock(settings.data)
    await manager.start()
    async with asyncio.timeout(10):
        while await documents.get(RECOVERY_ACTIONS, "0") is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert await documents.get(RECOVERY_ACTIONS, "1") is not None


async def test_states_at_once_beats_later(
    manager: StateManager, settings: Settings, documents: Documents
) -> None:
    registry = Connections(documents)
    await registry.create("shop", id="shop")
    opened = Observed("open", epoch=2, since=100.0, account=CHAT, beat=100.0)
    await manager.report_state("shop", asdict(opened))
    found = await registry.get("shop")
    assert found is not None
    assert found.observed == opened
    await manager.report_state("shop", asdict(replace(opened, epoch=1, state="failed")))
    await manager.report_state("shop", asdict(replace(opened, beat=130.0)))
    async with asyncio.timeout(10):
        while found is not None and found.observed == opened:
            await asyncio.sleep(settings.heartbeat_interval / 1000)
            found = await registry.get("shop")
    assert found is not None
    assert found.observed == replace(opened, beat=130.0)


async def test_a_store_that_is_locked_is_noticed_within_seconds_and_heals_by_itself(
    manager: StateManager, settings: Settings, documents: Documents
) -> None:
    await manager.store_messages("shop", 1, [item(0)])
    locker = sqlite3.connect(settings.state_file, isolation_level=None)
    try:
        locker.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(12):  # below the patience of a connection
            outcomes = await asyncio.gather(
                manager.store_messages("shop", 1, [item(1)]),
                manager.store_messages("desk", 1, [item(2)]),
                return_exceptions=True,
            )
        assert [type(outcome) for outcome in outcomes] == [StoreAway, StoreAway]
        assert (await manager.health())["store"] is False
        locker.execute("ROLLBACK")
    finally:
        locker.close()
    await manager.store_messages("shop", 1, [item(1)])  # the inbox still had it
    assert [message["text"] for message in await stored(documents)] == ["token 0", "token 1"]
    assert (await manager.health())["store"] is True


async def test_stopping_stores_the_last_beat_and_ends_the_watch(
    settings: Settings, documents: Documents
) -> None:
    registry = Connections(documents)
    await registry.create("shop", id="shop")
    manager = StateManager(str(settings.data), "state")
    watch = asyncio.create_task(manager.watch())
    await manager.start()
    opened = Observed("open", epoch=2, since=100.0, beat=100.0)
    await manager.report_state("shop", asdict(opened))
    await manager.report_state("shop", asdict(replace(opened, beat=130.0)))
    await asyncio.gather(manager.stop(), manager.stop())
    assert (await watch)["reason"] == "stopped"
    found = await registry.get("shop")
    assert found is not None
    assert found.observed == replace(opened, beat=130.0)
    with pytest.raises(StoreAway):
        await manager.store_messages("shop", 1, [item(1)])


async def test_stopping_before_the_start(settings: Settings) -> None:
    manager = StateManager(str(settings.data), "state")
    await manager.stop()
    assert repr(manager) == "<state>"


async def test_a_stale_owner_writes_nothing(
    settings: Settings, manager: StateManager, documents: Documents
) -> None:
    """G6: at each StateManager, and whether or not that one has learnt of the newer owner."""
    await Connections(documents).create("shop", id="shop")
    own = {"sender": "15550100001@s.whatsapp.net", "from_me": True}
    status = {**by_lid(1, **own), "status": "read"}
    assert await manager.store_messages("shop", 1, [by_lid(0), by_lid(1, **own)])
    assert await manager.store_messages("shop", 2, [item(2)])
    before = await stored(documents)
    restarted = StateManager(str(settings.data), "state")
    try:
        for asked in (manager, restarted):
            assert not await asked.store_messages("shop", 1, [item(3)])
            assert not await asked.note_statuses("shop", 1, [status])
            assert await asked.merge_chat("shop", 1, LID, CHAT) == "lost"
            assert await stored(documents) == before
            assert await asked.store_messages("desk", 1, [item(3)]), "another connection"
        assert await restarted.note_statuses("shop", 2, [status])
        assert [one["status"] for one in await stored(documents)] == [
            "received",
            "read",
            "received",
        ]
    finally:
        await restarted.stop()


async def test_a_qr_is_noted_while_somebody_wants_events_and_of_the_newest_owner_alone(
    manager: StateManager, documents: Documents
) -> None:
    await Connections(documents).create("shop", id="shop")
    log = EventLog(documents)

    def notice(number: int) -> dict[str, Any]:
        return asdict(PairingNotice("qr", number, 60.0, 40.0))

    async def noted() -> dict[str, Any] | None:
        document = await documents.get(CONNECTIONS, "shop")
        assert document is not None
        return document.get("pairing")

    assert await manager.note_pairing("shop", 2, [notice(1)])
    assert await noted() is None, "nobody reads events"
    await log.want(time.time() + 60)
    assert await manager.note_pairing("shop", 2, [notice(2), notice(3)])
    assert await manager.note_pairing("shop", 2, [notice(2), notice(3)])
    assert not await manager.note_pairing("shop", 1, [notice(4)])
    assert await noted() == {**notice(3), "epoch": 2}
    events = (await log.after(0)).events
    assert [each.event.data["number"] for each in events] == [2, 3]


async def test_a_call_is_an_event_once_and_while_somebody_wants_events(
    manager: StateManager, documents: Documents
) -> None:
    """Also where the confirmation was lost; an older owner tells nothing (G6)."""
    await Connections(documents).create("shop", id="shop")
    log = EventLog(documents)
    rings = asdict(Call("A", CHAT, 5, "offered"))
    over = {**rings, "at": 9, "state": "ended"}
    assert await manager.note_calls("shop", 2, [{**rings, "id": "early"}])
    await log.want(time.time() + 60)
    for items in ([rings], [rings, over]):
        assert await manager.note_calls("shop", 2, items)
    assert not await manager.note_calls("shop", 1, [{**rings, "id": "late"}])
    events = [each.event for each in (await log.after(0)).events]
    assert [(each.type, each.data["id"], each.data["state"], each.at) for each in events] == [
        ("call.received", "A", "offered", 5.0),
        ("call.received", "A", "ended", 9.0),
    ]


async def test_a_limit_of_an_account_is_noted_and_is_one_event(
    manager: StateManager, documents: Documents
) -> None:
    """As at each login; an older owner notes nothing (G6)."""
    await Connections(documents).create("shop", id="shop")
    log = EventLog(documents)
    await log.want(time.time() + 60)
    first = asdict(LimitNotice(60.0, "time_lock", 40.0))
    for epoch in (2, 2, 3):
        assert await manager.note_limit("shop", epoch, {**first, "at": 40.0 + epoch})
    assert not await manager.note_limit("shop", 2, asdict(LimitNotice(None, None, 50.0)))
    document = await documents.get(CONNECTIONS, "shop")
    assert document is not None
    assert document["limit"] == {**first, "at": 42.0}
    assert await Connections(documents).get("shop") is not None, "it can be read"
    (event,) = (await log.after(0)).events
    assert (event.event.type, event.event.data["until"]) == ("connection.limited", 60.0)


async def test_an_owner_is_stale_once_a_newer_one_was_seen(
    manager: StateManager, documents: Documents
) -> None:
    """G6: its report is enough."""
    await Connections(documents).create("shop", id="shop")
    assert await manager.store_messages("shop", 3, [item(0)])
    await manager.report_state("shop", asdict(Observed(state="open", epoch=4, since=1.0)))
    assert not await manager.store_messages("shop", 3, [item(1)])
    assert await manager.store_messages("shop", 4, [item(1)])
    assert len(await stored(documents)) == 2


@pytest.mark.parametrize(("count", "size"), [(1_000, 1), (200, 60_000), (0, 0)])
async def test_each_batch_of_a_call_is_fenced(
    manager: StateManager, documents: Documents, count: int, size: int
) -> None:
    """G6: an owner may be superseded between two of them."""
    await documents.set(CONNECTIONS, "shop", {"id": "shop", "deleted": False})
    await manager.start()
    commit, batches = manager._batcher._commit, list[list[str]]()

    async def watched(writes: Sequence[Write]) -> None:
        batches.append([write.collection for write in writes])
        await commit(writes)

    manager._batcher._commit = watched
    items = [item(number, text="x" * size) for number in range(count)]
    assert await manager.store_messages("shop", 1, items)
    assert [batch[0] for batch in batches] == [CONNECTIONS] * len(batches)
    assert [batch.count(CONNECTIONS) for batch in batches] == [1] * len(batches)
    assert len(batches) == {1_000: 3, 200: 3, 0: 1}[count]
    chats = min(count, 1)
    assert sum(map(len, batches)) == count + chats + len(batches)
