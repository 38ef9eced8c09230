"""Groups concurrent calls on an event loop into batches: calls that wait during a commit form the next batch.

`sqlite_writer` groups the writes of several threads to one SQLite file, in a thread of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Call = TypeVar("Call")
Batch = TypeVar("Batch")


class GroupCommit(Generic[Call, Batch]):
    """Commits calls in the order of `put`, in batches; a lone call waits for no other.

    A batch is taken only once fewer than `concurrent` are under way: with one, once the batch before it is
    committed. `commit` settles the calls of its batch, in case of an error or of a cancellation too, and raises
    nothing else.
    """

    def __init__(
        self,
        take: Callable[[deque[Call]], Batch],
        commit: Callable[[Batch], Awaitable[None]],
        *,
        concurrent: int = 1,
    ) -> None:
        """`take` removes the next batch from the calls that wait; it may return a false one, which is skipped."""
        self._take = take
        self._commit = commit
        self._concurrent = concurrent
        self._workers: set[asyncio.Task[None]] = set()
        self.waiting: deque[Call] = deque()

    def put(self, call: Call) -> None:
        """Queue a call on the running event loop."""
        self.waiting.append(call)
        if len(self._workers) < self._concurrent:
            self._workers.add(asyncio.create_task(self._work()))

    async def close(self) -> list[Call]:
        """Cancel the batches under way; return the calls that no batch took."""
        workers = [*self._workers]
        self._workers.clear()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        rest = [*self.waiting]
        self.waiting.clear()
        return rest

    async def _work(self) -> None:
        try:
            while self.waiting:
                if batch := self._take(self.waiting):
                    await self._commit(batch)
        finally:
            # Not in a done callback: a call before that runs would wait for a worker that is over.
            worker = asyncio.current_task()
            assert worker is not None
            self._workers.discard(worker)


def at_most(limit: int) -> Callable[[deque[Call]], list[Call]]:
    """Return a `take` for batches of `limit` calls at most."""

    def take(waiting: deque[Call]) -> list[Call]:
        return [waiting.popleft() for _ in range(min(limit, len(waiting)))]

    return take
