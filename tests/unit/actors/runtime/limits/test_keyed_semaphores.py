"""Turns of a key: so many at once, in the order in which they were wanted, and none of another key's."""

from __future__ import annotations

import asyncio

import pytest

from actors.runtime.limits.keyed_semaphores import KeyedSemaphores, NoTurn


@pytest.mark.parametrize("at_once", [1, 2])
async def test_turns_come_in_their_order(at_once: int) -> None:
    turns, free = KeyedSemaphores[str](at_once), [asyncio.Event() for _ in range(4)]
    begun: list[str] = []

    async def run(key: str, number: int) -> None:
        async with turns.of(key):
            begun.append(f"{key}{number}")
            await free[number].wait()

    async with asyncio.TaskGroup() as tasks:
        for number in range(4):
            tasks.create_task(run("a", number))
        tasks.create_task(run("b", 0))
        await asyncio.sleep(0)
        expected = [f"a{number}" for number in range(at_once)]
        assert begun == [*expected, "b0"]
        for number, event in enumerate(free):
            event.set()
            for _ in range(3):
                await asyncio.sleep(0)
            expected += [f"a{number + at_once}"] if number + at_once < 4 else []
            assert [each for each in begun if each != "b0"] == expected


async def test_a_task_that_is_cancelled_or_fails_leaves_nothing() -> None:
    turns = KeyedSemaphores[str](1)

    async def wait() -> None:
        async with turns.of("a"):
            await asyncio.Event().wait()

    has, wants = asyncio.create_task(wait()), asyncio.create_task(wait())
    await asyncio.sleep(0)
    for task in (wants, has):
        task.cancel()
    await asyncio.gather(has, wants, return_exceptions=True)
    with pytest.raises(ValueError, match="own"):
        async with turns.of("a"):
            raise ValueError("own")
    assert not vars(turns)["_turns"]


async def test_one_that_gives_up_takes_no_turn() -> None:
    turns, free = KeyedSemaphores[str](1), asyncio.Event()

    async def wait(within: float | None) -> None:
        async with turns.of("a", within):
            await free.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(wait(0.01))  # it has its turn, however long it goes on
        await asyncio.sleep(0)
        last = tasks.create_task(wait(None))
        with pytest.raises(NoTurn):
            await wait(0.01)
        assert not last.done()
        free.set()
    assert not vars(turns)["_turns"]


async def test_an_error_of_a_turn_is_its_own() -> None:
    with pytest.raises(TimeoutError):
        async with KeyedSemaphores[str](1).of("a", 10):
            raise TimeoutError
