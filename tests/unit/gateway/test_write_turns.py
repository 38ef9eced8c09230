"""Turns of writes: a tenant that writes alone has none, and beside another one each has a few in each round."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.write_turns import SHARED_SECONDS, WRITES_PER_ROUND, WriteTurns

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = 3 * WRITES_PER_ROUND


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def writing(turns: WriteTurns, tenant: str, count: int, begun: list[str]) -> Callable[[], bool]:
    """Have so many writes begin as they may; the last of them is cancelled by what is returned."""

    async def write() -> None:
        turn = turns.turn(tenant)
        if turn is not None:
            await turn
        begun.append(tenant)

    tasks = [asyncio.create_task(write()) for _ in range(count)]
    return tasks[-1].cancel


async def begun_by_round(begun: list[str]) -> list[str]:
    """The writes that began in each round of the loop in which some did."""
    found = []
    for _ in range(2 * MANY):
        begun.clear()
        await asyncio.sleep(0)
        found += ["".join(begun)] if begun else []
    return found


async def test_a_tenant_alone_waits_for_nothing() -> None:
    turns, begun = WriteTurns(Clock()), list[str]()
    for _ in range(2):
        writing(turns, "a", MANY, begun)
        assert await begun_by_round(begun) == ["a" * MANY]


async def test_each_of_several_has_a_few_in_a_round() -> None:
    turns, begun = WriteTurns(Clock()), list[str]()
    turns.turn("b")
    writing(turns, "a", MANY, begun)
    writing(turns, "b", 1, begun)
    assert await begun_by_round(begun) == [
        "a" * WRITES_PER_ROUND + "b",
        "a" * WRITES_PER_ROUND,
        "a" * WRITES_PER_ROUND,
    ]
    assert not vars(turns)["_waiting"]
    assert not vars(turns)["_begun"]


async def test_one_that_is_alone_again_waits_for_nothing() -> None:
    clock = Clock()
    turns, begun = WriteTurns(clock), list[str]()
    turns.turn("b")
    turns.turn("a")
    clock.now += SHARED_SECONDS
    writing(turns, "a", MANY, begun)
    assert await begun_by_round(begun) == ["a" * MANY]


async def test_writes_that_are_cancelled_take_no_turn() -> None:
    turns, begun = WriteTurns(Clock()), list[str]()
    turns.turn("b")
    cancel = writing(turns, "a", WRITES_PER_ROUND + 1, begun)
    await asyncio.sleep(0)
    assert begun == ["a"] * WRITES_PER_ROUND
    cancel()
    assert await begun_by_round(begun) == []
    assert not vars(turns)["_waiting"]
    assert not vars(turns)["_begun"]
