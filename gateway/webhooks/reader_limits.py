"""Limits concurrent readers of events and of console pages by key, connection and process; has events logged for them.

`stream` sends the events, `page_stream` the pages.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

from actors.runtime.limits.durations import DAY
from actors.runtime.limits.keyed_semaphores import KeyedSemaphores
from actors.state.events.log import EventLog
from gateway.concurrency import ConcurrencyLimiter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager

    from actors.runtime.limits.quotas import Quota
    from actors.state.documents import Documents
    from gateway.http.api_keys import ApiKey

READS_AT_ONCE: Final = 1
"""Readers of one tenant that read or make texts at once: fifty of them cost the others no more than one."""


class ReaderLimits:
    """Limits concurrent readers, and has events written for those that want them.

    They are written from the first of those on, and for `EVENT_RETENTION_DAYS` after the last.
    """

    def __init__(self, documents: Documents, *, days: int, quota: Quota) -> None:
        self._log = EventLog(documents)
        self._keep = days * DAY
        self._until = 0.0
        self._readers = ConcurrencyLimiter(quota)
        self._turns = KeyedSemaphores[str](READS_AT_ONCE)

    @contextlib.contextmanager
    def reading(self, key: ApiKey) -> Iterator[None]:
        """Count a reader with this key while it reads. Raises `LimitReached`."""
        end = self._readers.take(key)
        try:
            yield
        finally:
            end()

    def turn(self, key: ApiKey) -> AbstractAsyncContextManager[None]:
        """Hold the turn of the key's tenant to read the log, or to make texts of some events."""
        return self._turns.of(key.tenant)

    async def want(self) -> None:
        """Have events written; seldom asks the store. Raises `StoreAway`."""
        now = time.time()
        if self._until - now > self._keep / 2:
            return
        self._until = (await self._log.want(now + self._keep)).until

    async def seq(self) -> int:
        """The number of the last event. Raises `StoreAway`."""
        return (await self._log.head()).seq
