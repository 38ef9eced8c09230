"""Ends a backup command that stands still, as where a disk does not answer: its threads would wait for as long as that."""

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
    """While its block runs, the process ends with a sentence once no step has ended for `STANDSTILL_SECONDS`.

    Steps are calls in threads of what `run` runs, and calls of a `watched` bucket. Seconds in which the process itself
    was stopped do not count.
    """

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        self._seconds: float = STANDSTILL_SECONDS
        self._steps = 0
        self._held = False
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
    def held(self) -> Iterator[None]:
        """Count no seconds while the block runs: a person is asked."""
        self._held = True
        yield
        self._held = False

    def _note(self, _: object = None) -> None:
        self._steps += 1

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` as `asyncio.run` does."""

        async def watched() -> T:
            asyncio.get_running_loop().set_default_executor(_Threads(self._note))
            return await work

        return asyncio.run(watched())

    def watched(self, bucket: Bucket) -> Bucket:
        """Return the bucket, whose calls are steps."""
        return _Watched(bucket, self._note)

    def _watch(self) -> None:
        before, still = self._steps, 0
        while not self._over.wait(1.0):
            still = still + 1 if self._steps == before and not self._held else 0
            before = self._steps
            if still >= self._seconds:
                end_process(self._sentence)


class _Threads(ThreadPoolExecutor):
    """The threads of an event loop."""

    def __init__(self, ended: Callable[[object], None]) -> None:
        super().__init__(thread_name_prefix="step")
        self._ended = ended

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(self._ended)
        return future


class _Watched:
    """A bucket whose calls are noted once they end."""

    def __init__(self, bucket: Bucket, ended: Callable[[], None]) -> None:
        self._bucket = bucket
        self._ended = ended

    async def write(self, name: str, data: bytes, replaces: int = 0) -> int:
        generation = await self._bucket.write(name, data, replaces)
        self._ended()
        return generation

    async def read(self, name: str) -> Content | None:
        content = await self._bucket.read(name)
        self._ended()
        return content

    async def list(self, prefix: str) -> Sequence[BucketObject]:
        found = await self._bucket.list(prefix)
        self._ended()
        return found

    async def delete(self, name: str, generation: int = 0) -> None:
        await self._bucket.delete(name, generation)
        self._ended()
