"""The batcher: confirmed writes are stored, others raise, and they come in batches."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from actors.state.batcher import Batcher
from actors.state.documents import StoreAway, Write, WriteRefused
from tests.processes.measured import Measured

if TYPE_CHECKING:
    from collections.abc import Sequence


class Store:
    """A store of the test's own: it can be away, be slow, and refuse what is called bad."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.away = False
        self.room: int | None = None  # batches until it is full
        self.tries = 0
        self.open = asyncio.Event()
        self.open.set()

    async def commit(self, writes: Sequence[Write]) -> None:
        self.tries += 1
        await self.open.wait()
        if self.away or len(self.batches) == self.room:
            raise StoreAway("SQLITE_FULL")
        names = [write.id for write in writes]
        if "bad" in names:
            raise ValueError("not storable")
        self.batches.append(names)


def writes(*names: str) -> list[Write]:
    return [Write("set", "things", name, {}) for name in names]


def away(batcher: Batcher) -> bool:
    return batcher.away_since is not None


async def test_one_call_is_one_batch_at_once() -> None:
    store = Store()
    batcher = Batcher(store.commit)
    await batcher.add(writes("a", "b"))
    await batcher.add([])
    assert store.batches == [["a", "b"]]
    await batcher.close()


async def test_what_arrives_while_a_batch_commits_is_the_next_one() -> None:
    store = Store()
    batcher = Batcher(store.commit)
    store.open.clear()
    first = asyncio.create_task(batcher.add(writes("a")))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(batcher.add(writes(str(n)))) for n in range(300)]
    await asyncio.sleep(0.01)
    assert not first.done()
    assert batcher.waiting == 300
    store.open.set()
    await asyncio.gather(first, *others)
    assert [len(batch) for batch in store.batches] == [1, 300]
    assert (batcher.written, batcher.batches) == (301, 2)
    await batcher.close()


async def test_a_batch_is_bounded_and_a_large_call_spans_several_in_order() -> None:
    store = Store()
    batcher = Batcher(store.commit, limit=4)
    names = [str(n) for n in range(10)]
    await asyncio.gather(batcher.add(writes(*names)), batcher.add(writes("x")))
    assert [len(batch) for batch in store.batches] == [4, 4, 3]
    assert [name for batch in store.batches for name in batch] == [*names, "x"]
    await batcher.close()


async def test_a_call_that_fits_into_a_batch_is_in_one() -> None:
    """So its first write can refuse all others, whatever was given before it."""
    store = Store()
    batcher = Batcher(store.commit, limit=4)
    calls = ("ab", "cde", "f", "ghijk", "l")
    await asyncio.gather(*(batcher.add(writes(*call)) for call in calls))
    assert ["".join(batch) for batch in store.batches] == ["ab", "cdef", "ghij", "kl"]
    await batcher.close()


async def test_a_call_returns_only_when_the_last_of_its_writes_is_stored() -> None:
    store = Store()
    store.room = 1
    batcher = Batcher(store.commit, limit=1, first_pause=0.01)
    with pytest.raises(StoreAway):
        await batcher.add(writes("a", "b"))
    assert store.batches == [["a"]]
    store.room = None
    await batcher.add(writes("a", "b"))  # the caller still has them
    assert store.batches[-2:] == [["a"], ["b"]]
    await batcher.close()


async def test_while_the_store_is_away_callers_get_errors_and_it_is_tried_seldom() -> None:
    store = Store()
    store.away = True
    batcher = Batcher(store.commit, answer_seconds=0.3, first_pause=0.1, longest_pause=0.2)
    began = time.monotonic()
    told = 0
    while told < 60 or time.monotonic() - began < 1.0:
        outcomes = await asyncio.gather(
            *(batcher.add(writes(str(n))) for n in range(20)), return_exceptions=True
        )
        assert all(isinstance(outcome, StoreAway) for outcome in outcomes)
        told += len(outcomes)
    assert store.tries <= 3 + (time.monotonic() - began) / 0.2  # not one try a caller, or round
    assert away(batcher)
    assert batcher.waiting == 0  # nobody's writes pile up
    store.away = False
    await batcher.add(writes("a"))
    assert not away(batcher)
    await batcher.close()


async def test_a_store_that_hangs_is_away() -> None:
    store = Store()
    store.open.clear()
    batcher = Batcher(store.commit, answer_seconds=0.05)
    outcomes = await asyncio.gather(
        batcher.add(writes("a")), batcher.add(writes("b")), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [StoreAway, StoreAway]
    store.open.set()
    await batcher.add(writes("c"))
    assert "c" in store.batches[-1]
    await batcher.close()


async def test_a_call_that_no_store_takes_fails_alone() -> None:
    store = Store()
    batcher = Batcher(store.commit)
    outcomes = await asyncio.gather(
        batcher.add(writes("a")),
        batcher.add(writes("bad")),
        batcher.add(writes("b")),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), ValueError, type(None)]
    assert sorted(name for batch in store.batches for name in batch) == ["a", "b"]
    await batcher.add(writes("c"))
    await batcher.close()


async def test_a_caller_that_went_away_disturbs_nobody() -> None:
    store = Store()
    store.open.clear()
    batcher = Batcher(store.commit)
    gone = [asyncio.create_task(batcher.add(writes(str(n)))) for n in range(3)]
    stays = asyncio.create_task(batcher.add(writes("stays")))
    await asyncio.sleep(0.01)
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    store.open.set()
    await stays
    assert store.batches[-1][-1] == "stays"
    await batcher.close()


async def test_closing_finishes_what_was_asked_and_refuses_the_rest() -> None:
    store = Store()
    store.open.clear()
    batcher = Batcher(store.commit)
    asked = [asyncio.create_task(batcher.add(writes(str(n)))) for n in range(5)]
    await asyncio.sleep(0.01)
    closing = asyncio.create_task(batcher.close())
    await asyncio.sleep(0.01)
    with pytest.raises(StoreAway):
        await batcher.add(writes("late"))
    store.open.set()
    await asyncio.gather(closing, *asked)
    assert sorted(name for batch in store.batches for name in batch) == ["0", "1", "2", "3", "4"]


async def test_closing_does_not_wait_for_ever_for_a_store_that_hangs() -> None:
    store = Store()
    store.open.clear()
    batcher = Batcher(store.commit, answer_seconds=0.05)
    asked = asyncio.create_task(batcher.add(writes("a")))
    await asyncio.sleep(0.01)
    await batcher.close()
    with pytest.raises(StoreAway):
        await asked


async def test_what_the_store_takes_and_does_not_take_is_measured() -> None:
    store, measured = Store(), Measured()
    batcher = Batcher(store.commit)
    await batcher.add(writes("a", "b"))
    store.away = True
    with pytest.raises(StoreAway):
        await batcher.add(writes("c"))
    assert measured.rise("teimoso_state_store_seconds", operation="write") == 1
    assert measured.rise("teimoso_state_store_failures", operation="write") == 1
    await batcher.close()


async def test_a_batch_is_bounded_by_bytes_as_well() -> None:
    store = Store()
    batcher = Batcher(store.commit, limit=100, limit_bytes=2_000)

    def heavy(*names: str) -> list[Write]:
        return [Write("set", "things", name, {"text": "x" * 500}) for name in names]

    calls = ("a", "bcd", "efghij", "k")
    await asyncio.gather(*(batcher.add(heavy(*call)) for call in calls))
    # A call that a batch has room for stays whole; one that none has room for is spread.
    assert ["".join(batch) for batch in store.batches] == ["a", "bcd", "efg", "hij", "k"]
    await batcher.close()


async def test_a_change_weighs_what_it_says() -> None:
    store = Store()
    batcher = Batcher(store.commit, limit_bytes=2_000)
    changes = [Write("change", "things", name, bytes=1_500) for name in "ab"]
    await asyncio.gather(*(batcher.add([change]) for change in changes))
    assert store.batches == [["a"], ["b"]]
    await batcher.add([Write("change", "things", "huge", bytes=5_000)])
    assert store.batches[-1] == ["huge"], "the store decides on what is too large by itself"
    await batcher.close()


async def test_a_refused_call_is_found_by_halves_and_fails_alone() -> None:
    store = Store()
    batcher = Batcher(store.commit)
    measured = Measured()
    names = [str(n) for n in range(64)]
    names[40] = "bad"
    store.open.clear()
    first = asyncio.create_task(batcher.add(writes("first")))
    await asyncio.sleep(0.01)
    calls = [asyncio.create_task(batcher.add(writes(name))) for name in names]
    await asyncio.sleep(0.01)
    store.open.set()
    await first
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each).__name__ for each in outcomes if each is not None] == ["ValueError"]
    assert isinstance(outcomes[40], ValueError)
    assert [name for batch in store.batches[1:] for name in batch] == [
        name for name in names if name != "bad"
    ]
    assert store.tries <= 2 + 2 * 6  # the first batch, the whole, and two for each halving
    assert measured.rise("teimoso_state_store_refusals", reason="refused") == 0
    await batcher.close()


async def test_refusals_are_counted() -> None:
    async def commit(_: Sequence[Write]) -> None:
        raise WriteRefused("too large")

    batcher = Batcher(commit)
    measured = Measured()
    with pytest.raises(WriteRefused):
        await batcher.add(writes("a"))
    assert measured.rise("teimoso_state_store_refusals", reason="refused") == 1
    await batcher.close()
