"""Reports: a change is written at once, beats together, and the newest wins."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.state.connection_document import Observed
from actors.state.connections import Connections
from actors.state.documents import WRITES_WITH_EVENTS, StoreAway, WriteRefused
from actors.state.observed_states import ObservedStates
from actors.state.sqlite.store import SqliteDocuments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from actors.state.documents import Write

OPEN = Observed("open", None, epoch=3, since=100.0, account="a", restarts=1, beat=100.0)


async def unexpected(action: str) -> None:
    raise AssertionError(action)


class Counted:
    """A real store whose batches are counted and which can be taken away."""

    def __init__(self, documents: SqliteDocuments) -> None:
        self.documents = documents
        self.registry = Connections(documents)
        self.sizes: list[int] = []
        self.away = False

    async def write(self, writes: Sequence[Write]) -> None:
        if self.away:
            raise StoreAway("SQLITE_BUSY")
        self.sizes.append(len(writes))
        await self.documents.batch(writes)

    async def seen(self, connection: str) -> Observed | None:
        found = await self.registry.get(connection)
        assert found is not None
        return found.observed


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Counted]:
    documents = SqliteDocuments(tmp_path / "state.db")
    yield Counted(documents)
    await documents.close()


async def test_a_change_is_stored_when_the_report_returns(store: Counted) -> None:
    await store.registry.create("shop", id="shop")
    states = ObservedStates(store.write, interval=60, mistaken=unexpected)
    await states.report("shop", OPEN)
    assert await store.seen("shop") == OPEN
    for change in (
        replace(OPEN, state="reconnecting", cause="network", since=101.0),
        replace(OPEN, since=102.0, account="b"),
        replace(OPEN, epoch=4, since=90.0, restarts=2),
    ):
        await states.report("shop", change)
        assert await store.seen("shop") == change
    assert store.sizes == [1, 1, 1, 1]


async def test_beats_of_all_connections_are_one_batch_an_interval(store: Counted) -> None:
    names = [f"c{n}" for n in range(40)]
    states = ObservedStates(store.write, interval=60, mistaken=unexpected)
    for name in names:
        await store.registry.create(name, id=name)
        await states.report(name, OPEN)
    store.sizes.clear()
    for beat in (110.0, 120.0, 130.0):
        for name in names:
            await states.report(name, replace(OPEN, beat=beat))
    assert store.sizes == []
    await states.flush()
    assert store.sizes == [40]
    assert await store.seen("c7") == replace(OPEN, beat=130.0)
    await states.flush()
    assert store.sizes == [40]  # nothing new, nothing written


async def test_more_beats_than_a_batch_holds(store: Counted) -> None:
    states = ObservedStates(store.write, interval=60, mistaken=unexpected)
    for n in range(WRITES_WITH_EVENTS + 1):
        await states.report(f"c{n}", OPEN)
        await states.report(f"c{n}", replace(OPEN, beat=110.0))
    store.sizes.clear()
    await states.flush()
    assert store.sizes == [WRITES_WITH_EVENTS, 1]


async def test_a_change_overtakes_the_beat_that_waited(store: Counted) -> None:
    await store.registry.create("shop", id="shop")
    states = ObservedStates(store.write, interval=60, mistaken=unexpected)
    await states.report("shop", OPEN)
    await states.report("shop", replace(OPEN, beat=130.0))
    changed = replace(OPEN, state="reconnecting", since=131.0, beat=130.0)
    await states.report("shop", changed)
    store.sizes.clear()
    await states.flush()
    assert store.sizes == []
    assert await store.seen("shop") == changed


async def test_a_stale_owner_is_ignored_and_gets_no_error(store: Counted) -> None:
    await store.registry.create("shop", id="shop")
    states = ObservedStates(store.write, interval=60, mistaken=unexpected)
    await states.report("shop", OPEN)
    await states.report("shop", replace(OPEN, epoch=2, state="failed", since=500.0))
    assert await store.seen("shop") == OPEN
    await states.report("shop", replace(OPEN, epoch=2, state="failed", since=500.0, beat=600.0))
    await states.flush()
    assert await store.seen("shop") == OPEN
    await states.report("shop", replace(OPEN, beat=130.0))
    await states.flush()
    assert await store.seen("shop") == replace(OPEN, beat=130.0)


async def test_a_store_that_is_away_is_an_error_for_changes_and_awaited_for_beats(
    store: Counted,
) -> None:
    await store.registry.create("shop", id="shop")
    states = ObservedStates(store.write, interval=60, mistaken=unexpected)
    await states.report("shop", OPEN)
    store.away = True
    await states.report("shop", replace(OPEN, beat=130.0))
    await states.flush()
    changed = replace(OPEN, state="reconnecting", since=131.0)
    with pytest.raises(StoreAway):
        await states.report("shop", changed)
    store.away = False
    await states.flush()
    assert await store.seen("shop") == replace(OPEN, beat=130.0)
    await states.report("shop", changed)  # asked again
    assert await store.seen("shop") == changed


async def test_a_connection_made_anew_under_an_old_name_begins_anew(store: Counted) -> None:
    former = (await store.registry.create("shop")).id
    states = ObservedStates(store.write, interval=60, mistaken=unexpected)
    await states.report(former, replace(OPEN, epoch=9))
    await store.registry.delete(former)
    await store.registry.remove(former)
    later = (await store.registry.create("shop")).id
    first = Observed("pairing", epoch=1, since=200.0)
    await states.report(later, first)
    await states.report(former, replace(OPEN, epoch=10))
    assert await store.seen("shop") == first


async def test_beats_go_out_by_themselves(store: Counted) -> None:
    await store.registry.create("shop", id="shop")
    states = ObservedStates(store.write, interval=0.05, mistaken=unexpected)
    running = asyncio.create_task(states.run())
    try:
        await states.report("shop", OPEN)
        await states.report("shop", replace(OPEN, beat=130.0))
        async with asyncio.timeout(5):
            while await store.seen("shop") != replace(OPEN, beat=130.0):  # noqa: ASYNC110 - a store
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_beat_that_the_store_refuses_holds_up_no_other() -> None:
    stored = set[str]()

    async def write(writes: Sequence[Write]) -> None:
        if any(write.id == "bad" for write in writes):
            raise WriteRefused("too large")
        stored.update(write.id for write in writes)

    mistakes: list[str] = []

    async def mistaken(action: str) -> None:
        mistakes.append(action)

    states = ObservedStates(write, interval=3600, mistaken=mistaken)
    for number, name in enumerate(("a", "b", "bad", "c", "d")):
        if name != "bad":
            await states.report(name, OPEN)
        states._beats[name] = replace(OPEN, beat=200.0 + number)
    stored.clear()
    await states.flush()
    assert stored == {"a", "b", "c", "d"}
    assert not states._beats
    assert mistakes == ["observe"]
