"""The readers of `GET /api/events` in one gateway process: how many, and that events are written.

What a reader is sent is `stream`.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from actors.state.events.log import EventLog
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.state.documents import Documents

READERS = 100
"""Of one gateway process at a time."""

DAY = 86_400.0


class Streams:
    """Counts the readers that read at once, and has events written for them.

    They are written from the first reader on, and for `EVENT_RETENTION_DAYS` after the last.
    """

    def __init__(self, documents: Documents, *, days: int) -> None:
        self._log = EventLog(documents)
        self._keep = days * DAY
        self._until = 0.0
        self.readers = 0

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Problem `too_many_readers`."""
        if self.readers >= READERS:
            raise Problem("too_many_readers", f"{READERS} read already; try again later.")
        self.readers += 1
        try:
            yield
        finally:
            self.readers -= 1

    async def want(self) -> None:
        """Have events written; seldom asks the store. Raises `StoreAway`."""
        now = time.time()
        if self._until - now > self._keep / 2:
            return
        self._until = (await self._log.want(now + self._keep)).until

    async def seq(self) -> int:
        """The number of the last event. Raises `StoreAway`."""
        return (await self._log.head()).seq
