from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.runtime.group_commit import GroupCommit, at_most

if TYPE_CHECKING:
    from collections import deque


class Journal:
    """Commits batches while `open` is set; `batches` are those whose commit began."""

    def __init__(self, limit: int = 3, concurrent: int = 1) -> None:
        self.batches: list[list[int]] = []
        self.cancelled: list[list[int]] = []
        self.open = asyncio.Event()
        self.group = GroupCommit(at_most(limit), self.commit, concurrent=concurrent)

    async def commit(self, batch: list[int]) -> None:
        self.batches.append(batch)
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled.append(batch)
            raise

    async def put(self, *calls: int) -> None:
        for call in calls:
            self.group.put(call)
        for _ in range(3):
            await asyncio.sleep(0)


async def test_calls_that_come_during_a_commit_are_the_next_batch() -> None:
    journal = Journal()
    await journal.put(1)
    assert journal.batches == [[1]], "a lone call waits for no other"
    await journal.put(2, 3, 4, 5)
    assert journal.batches == [[1]], "one batch is under way"
    journal.open.set()
    await journal.put()
    assert journal.batches == [[1], [2, 3, 4], [5]]
    await journal.put(6)
    assert journal.batches[3:] == [[6]], "a call after the end of the worker has a new one"


@pytest.mark.parametrize("concurrent", [1, 2, 3])
async def test_as_many_batches_are_under_way_as_are_allowed(concurrent: int) -> None:
    journal = Journal(limit=1, concurrent=concurrent)
    await journal.put(1, 2, 3, 4)
    assert journal.batches == [[1], [2], [3], [4]][:concurrent]
    journal.open.set()
    await journal.put()
    assert journal.batches == [[1], [2], [3], [4]], "in their order"


async def test_a_call_just_as_the_worker_ends_is_committed() -> None:
    journal = Journal()
    journal.open.set()
    for call in range(100):
        journal.group.put(call)
        await asyncio.sleep(0)
    await journal.put()
    assert [call for batch in journal.batches for call in batch] == [*range(100)]


async def test_a_close_cancels_the_batch_and_returns_the_rest() -> None:
    journal = Journal()
    await journal.put(1)
    await journal.put(2, 3)
    async with asyncio.timeout(5):  # a worker that is not cancelled would be waited for
        assert await journal.group.close() == [2, 3]
    assert journal.cancelled == [[1]]
    assert await journal.group.close() == []


async def test_a_close_before_the_first_batch_returns_all() -> None:
    journal = Journal()
    journal.group.put(1)
    assert await journal.group.close() == [1]
    assert journal.batches == []
    journal.open.set()
    await journal.put(2)
    assert journal.batches == [[2]], "a worker that never began is not counted"


async def test_a_batch_that_is_empty_is_skipped() -> None:
    committed: list[list[int]] = []

    def even(waiting: deque[int]) -> list[int]:
        call = waiting.popleft()
        return [] if call % 2 else [call]

    async def commit(batch: list[int]) -> None:
        committed.append(batch)

    group = GroupCommit(even, commit)
    for call in (1, 2, 3, 4):
        group.put(call)
    for _ in range(3):
        await asyncio.sleep(0)
    assert committed == [[2], [4]]
