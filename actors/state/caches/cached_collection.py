"""Caches a collection of SQLite or Firestore in a process's memory, with a local copy for starts without the store."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from actors.state.documents import StoreAway

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.state.caches.local_copies import LocalCopy
    from actors.state.documents import Document, Documents

STORE_READ_SECONDS = 5.0
"""Seconds after which the store counts as away."""

log = structlog.get_logger()


class CachedCollection:
    """Hands all documents of a collection to `take`, each time that they are read.

    While the store is away `take` is not called: documents that were read before stay. Where the store never
    answered, those of the copy in the data directory are handed over once.
    """

    def __init__(
        self,
        documents: Documents,
        collection: str,
        copy: LocalCopy,
        take: Callable[[Sequence[Document]], None],
        *,
        within: float = STORE_READ_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`within`: seconds that a read may take; `clock`, in seconds, is that of `read_at`."""
        self._documents = documents
        self._collection = collection
        self._copy = copy
        self._take = take
        self._within = within
        self._clock = clock
        self._away = False
        self._resumed = False
        self.read_at: float | None = None  # the last answer of the store

    @property
    def fresh(self) -> bool:
        """Whether the store answered the last read."""
        return self.read_at is not None and not self._away

    async def refresh(self) -> bool:
        """Read the collection; return whether the store answered. Raises errors of `take` and of a refusing store."""
        try:
            async with asyncio.timeout(self._within):
                items = (await self._documents.query(self._collection)).items
            self._take(items)
        except (StoreAway, TimeoutError) as error:
            if not self._away:
                reason = type(error).__name__
                log.warning(
                    "store away", action="store_away", collection=self._collection, error=reason
                )
            self._away = True
            if self.read_at is None and not self._resumed:
                await self._resume()
            return False
        except Exception:
            self._away = True
            raise
        if self._away:
            log.info("store back", action="store_back", collection=self._collection)
        self._away = False
        self.read_at = self._clock()
        await self._copy.write(items)
        return True

    async def _resume(self) -> None:
        if (kept := await self._copy.read()) is not None:
            self._take(kept)
            self._resumed = True
