"""Items that go to the store together, of which it refuses some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.refused_items.bisection import store_each, unless_refused
from actors.connection.state_manager.port import StateAway, StateRefused

if TYPE_CHECKING:
    from collections.abc import Sequence


class Store:
    """Refuses each call that has one of `bad`; is away from the call numbered `away_at` on."""

    def __init__(self, *bad: int, away_at: int = 1000, lost_at: int = 1000) -> None:
        self.bad = set(bad)
        self.away_at, self.lost_at = away_at, lost_at
        self.calls = 0
        self.stored: list[int] = []
        self.aside: list[int] = []

    async def store(self, items: Sequence[int]) -> bool:
        self.calls += 1
        if self.calls >= self.away_at:
            raise StateAway
        if self.calls >= self.lost_at:
            return False
        if self.bad & set(items):
            raise StateRefused
        self.stored += items
        return True

    async def set_aside(self, item: int) -> None:
        self.aside.append(item)

    async def all(self, count: int) -> bool:
        return await store_each(range(count), self.store, self.set_aside)


@pytest.mark.parametrize("bad", [(), (0,), (199,), (120,), (7, 8), (1, 99, 198), tuple(range(200))])
async def test_all_others_are_stored_in_their_order(bad: tuple[int, ...]) -> None:
    store = Store(*bad)
    assert await store.all(200)
    assert store.stored == [number for number in range(200) if number not in bad]
    assert store.aside == list(bad)


async def test_one_is_found_in_few_calls() -> None:
    store = Store(120)
    assert await store.all(200)
    assert store.calls <= 1 + 2 * 8


async def test_what_is_away_or_lost_meanwhile_ends_it() -> None:
    away = Store(3, away_at=4)
    with pytest.raises(StateAway):
        await away.all(8)
    lost = Store(6, lost_at=3)
    assert not await lost.all(8)
    assert lost.stored == [0, 1, 2, 3]
    assert not lost.aside


async def test_a_report_that_is_refused_is_dropped() -> None:
    store = Store(1)
    assert await unless_refused(store.store([0]), connection="shop", action="report") is True
    assert await unless_refused(store.store([1]), connection="shop", action="report") is None
    with pytest.raises(StateAway):
        await unless_refused(Store(away_at=1).store([0]), connection="shop", action="report")
