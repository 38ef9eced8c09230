"""Limits how many processes of this host do a kind of work at once, by locks on files that end with their holders."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_LOOK: Final = 0.1
"""Seconds between two attempts to get a turn, on average."""


class HostTurns:
    """At most `count` tasks have a turn of this name at once, over all processes that share the directory.

    Processes share these turns, by locks that the kernel releases when their holder dies; tasks of one process that wait
    for each other by a key take `KeyedSemaphores`. The next task is chosen by chance, not by its place in a row: a
    process with many waiting tasks should let one of them ask.
    """

    def __init__(self, directory: Path, name: str, count: int) -> None:
        self._files = [directory / f"{name}-{number}.lock" for number in range(count)]

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[int]:
        """Wait for a turn, and hold it until the block ends; returns the descriptor of its lock.

        A process that inherits the descriptor has the turn, too, for as long as it runs.
        """
        while (descriptor := self._free()) is None:  # noqa: ASYNC110 - its holder may be another process
            await asyncio.sleep(_LOOK * random.uniform(0.5, 1.5))  # noqa: S311 - spread only
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _free(self) -> int | None:
        for file in self._files:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                return descriptor
        return None
