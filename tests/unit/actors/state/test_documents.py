"""Groups of writes that are committed together as far as there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.state.documents import (
    BATCH_BYTES,
    WRITES_WITH_EVENTS,
    StoreAway,
    Write,
    WriteRefused,
    commit_each,
    size_of,
    weight,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


class Store:
    def __init__(self, *bad: str) -> None:
        self.bad = bad
        self.away = False
        self.batches: list[list[str]] = []

    async def commit(self, writes: Sequence[Write]) -> None:
        if self.away:
            raise StoreAway
        names = [write.id for write in writes]
        if set(names) & set(self.bad):
            raise WriteRefused
        self.batches.append(names)


def group(*names: str, size: int = 0) -> list[Write]:
    return [Write("set", "things", name, {"text": "x" * size}) for name in names]


async def test_what_has_room_is_one_batch() -> None:
    store = Store()
    assert await commit_each(store.commit, [group("a", "b"), group("c")]) == []
    assert store.batches == [["a", "b", "c"]]
    assert await commit_each(store.commit, []) == []


@pytest.mark.parametrize(
    "groups",
    [
        [group(str(n), size=BATCH_BYTES // 3) for n in range(8)],
        [group(str(n), *"abc") for n in range(WRITES_WITH_EVENTS // 2)],
    ],
    ids=["bytes", "writes"],
)
async def test_a_batch_is_bounded(groups: list[list[Write]]) -> None:
    store = Store()
    assert await commit_each(store.commit, groups) == []
    assert len(store.batches) > 1
    assert max(map(len, store.batches)) <= WRITES_WITH_EVENTS
    assert [name for batch in store.batches for name in batch] == [
        write.id for each in groups for write in each
    ]


async def test_refused_groups_are_found_and_left_out_whole() -> None:
    store = Store("3", "12x")
    groups = [group(str(n), f"{n}x") for n in range(16)]
    assert await commit_each(store.commit, groups) == [3, 12]
    stored = [name for batch in store.batches for name in batch]
    assert stored == [name for n in range(16) if n not in {3, 12} for name in (str(n), f"{n}x")]


async def test_a_store_that_is_away_ends_it() -> None:
    store = Store()
    store.away = True
    with pytest.raises(StoreAway):
        await commit_each(store.commit, [group("a"), group("b")])


def test_sizes_are_about_those_in_a_commit() -> None:
    assert size_of("ü" * 10) == 20
    assert size_of({"a": ["x" * 100, 1], "b": None}) in range(115, 150)
    assert weight(Write("change", "things", "x", bytes=500)) == 507
    assert weight(Write("set", "things", "x", {"a": "y" * 900})) in range(900, 930)
