"""Ends a backup command whose disk or target does not answer: threads that wait for one would keep the process."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from actors.connection.backup.bucket.port import Bucket, BucketObject, Content

T = TypeVar("T")

STANDSTILL_SECONDS: Final = 120
"""Seconds in which no step has ended, without those for a large file."""

SLOWEST_DISK: Final = 8 * 2**20
"""Bytes a second that are read at least."""


def end_process(sentence: str) -> NoReturn:
    """End the process with a sentence on stderr and status 1, without its threads: they may wait for good."""
    sys.stderr.write(sentence.rstrip() + "\n")
    sys.stderr.flush()
    os._exit(1)


class Standstill:
    """While its block runs, the process ends with a sentence once a step has gone on for `STANDSTILL_SECONDS` and none ended.

    Steps are calls in threads of what `run` runs, calls of a `watched` bucket, and whatever keeps the event loop itself.
    While the loop waits for something else, as for Redis, which has bounds of its own, and while the process is stopped,
    no seconds count.
    """

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        self._seconds: float = STANDSTILL_SECONDS
        self._lock = threading.Lock()
        self._steps = self._pending = 0
        self._paused = False
        self._over = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="standstill", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def allow(self, size: int) -> None:
        """A step may copy a file of so many bytes."""
        self._seconds = STANDSTILL_SECONDS + size / SLOWEST_DISK

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count no seconds while the block runs: a person is asked."""
        self._paused = True
        try:
            yield
        finally:
            self._paused = False

    def begin(self) -> None:
        """A step begins."""
        with self._lock:
            self._pending += 1

    def end(self, _: object = None) -> None:
        """A step has ended."""
        with self._lock:
            self._pending -= 1
            self._steps += 1

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` as `asyncio.run` does."""

        async def watched() -> T:
            asyncio.get_running_loop().set_default_executor(_Threads(self))
            ticks = asyncio.ensure_future(self._tick())
            try:
                return await work
            finally:
                ticks.cancel()

        return asyncio.run(watched())

    def watched(self, bucket: Bucket) -> Bucket:
        """Return the bucket, whose calls are steps."""
        return _Watched(bucket, self)

    async def _tick(self) -> None:
        while True:
            with self._lock:
                self._steps += not self._pending
            await asyncio.sleep(1.0)

    def _watch(self) -> None:
        before, still = self._steps, 0
        while not self._over.wait(1.0):
            still = still + 1 if self._steps == before and not self._paused else 0
            before = self._steps
            if still >= self._seconds:
                end_process(self._sentence)


class _Threads(ThreadPoolExecutor):
    """The threads of an event loop."""

    def __init__(self, standstill: Standstill) -> None:
        super().__init__(thread_name_prefix="step")
        self._standstill = standstill

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self._standstill.begin()
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(self._standstill.end)
        return future


class _Watched:
    """A bucket whose calls are steps."""

    def __init__(self, bucket: Bucket, standstill: Standstill) -> None:
        self._bucket = bucket
        self._standstill = standstill

    @contextmanager
    def _step(self) -> Iterator[None]:
        self._standstill.begin()
        try:
            yield
        finally:
            self._standstill.end()

    async def write(self, name: str, data: bytes, replaces: int = 0) -> int:
        with self._step():
            return await self._bucket.write(name, data, replaces)

    async def read(self, name: str) -> Content | None:
        with self._step():
            return await self._bucket.read(name)

    async def list(self, prefix: str) -> Sequence[BucketObject]:
        with self._step():
            return await self._bucket.list(prefix)

    async def delete(self, name: str, generation: int = 0) -> None:
        with self._step():
            await self._bucket.delete(name, generation)
