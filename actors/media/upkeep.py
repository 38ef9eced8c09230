"""Copies media files to the bucket and removes unneeded ones, in rounds that one process of a host at a time runs.

Both follow the ledger of this host and cost nothing for files that lie there. One process of the
host at a time does it, a round each; where one dies, the next goes on.
"""

from __future__ import annotations

import asyncio
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.backup.bucket.port import BucketAway
from actors.media.ledger import MARK_SECONDS
from actors.media.store import StoreUnavailable
from actors.runtime.atomic_files import held
from actors.runtime.backoff import backoff
from actors.state import own_mistakes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from actors.media.bucket_copies import BucketCopies
    from actors.media.directory import DirectoryStore
    from actors.media.ledger import Ledger
    from actors.state.documents import Documents

COPY_CHECK_SECONDS: Final = 2.0
"""Seconds between looks at what is to be copied, of a gateway."""

SELDOM: Final = 10.0
"""The same of others, of which there may be many on a host; and where nothing is copied."""

TIDY: Final = 3600.0
"""Seconds between looks at what is not needed any more."""

FIRST_UPKEEP_PAUSE, LONGEST_UPKEEP_PAUSE = 0.5, 15.0
"""Seconds after a failure; it doubles with each one, up to the second."""

FILE_PAGE: Final = 100

log = structlog.get_logger()


class FileUpkeep:
    """A file that is to be copied is, also after a crash and a bucket that was away (G11).

    A file goes once it was not needed for the retention, and a day more: the hosts that share the
    directory have that long to say that a message of theirs still waits with it.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: DirectoryStore,
        lock: Path,
        *,
        retention: float,
        deletion_time: Callable[[], float],
        copies: BucketCopies | None,
        waits: Callable[[str], Awaitable[bool]] | None = None,
        clock: Callable[[], float] = time.time,
        documents: Documents | None = None,
    ) -> None:
        """`retention` is in seconds before `actors.runtime.deletion_time`. `waits` returns whether a message may still be sent; `documents` has mistakes noted.

        Without `waits` no file goes that a message was accepted with.
        """
        self._ledger = ledger
        self._store = store
        self._lock = lock
        self._retention = retention
        self._deletion_time = deletion_time
        self._copies = copies
        self._waits = waits
        self._clock = clock
        self._mistaken = partial(own_mistakes.note_once, documents)
        self._every = SELDOM if waits is None or copies is None else COPY_CHECK_SECONDS
        self._tidied: float | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        failures = 0
        while True:
            pause = self._every
            try:
                # Locked for one round: another process may know messages that wait.
                with held(self._lock) as ours:
                    if ours:
                        await self.round()
                failures = 0
            except (BucketAway, StoreUnavailable, OSError) as error:
                failures += 1
                if failures == 1:
                    reason = getattr(error, "code", type(error).__name__)
                    log.warning("media upkeep failed", action="media_upkeep", error=reason)
                chance = random.random()  # noqa: S311 - jitter
                pause = backoff(
                    failures, FIRST_UPKEEP_PAUSE, LONGEST_UPKEEP_PAUSE, chance, floor=0.5
                )
            except Exception:  # not foreseen; without this loop nothing would be copied again
                log.exception("media upkeep failed", action="media_upkeep")
                await self._mistaken("media_upkeep")
                pause = LONGEST_UPKEEP_PAUSE
            await asyncio.sleep(pause)

    async def round(self) -> None:
        """Copy all that is to be copied, and now and then remove what nobody needs.

        Raises `BucketAway` and `StoreUnavailable`; the rest waits for the next round.
        """
        await self._ledger.scan(self._clock())
        try:
            await self.copy()
        finally:  # or a file that cannot be copied would keep all others for ever
            if self._tidied is None or time.monotonic() - self._tidied > TIDY:
                await self.tidy()
                self._tidied = time.monotonic()

    async def copy(self) -> None:
        """Copy all that is to be copied; one that cannot be read holds up no other."""
        copies, broken = self._copies, None
        while copies is not None and (entries := await self._ledger.to_copy(FILE_PAGE)):
            done = 0
            for entry in entries:
                file = self._store.place(entry.sha256)
                assert file is not None
                try:
                    await copies.write(entry.sha256, file, entry.needed_at)
                except FileNotFoundError:
                    if self._clock() - entry.needed_at < TIDY:
                        continue  # it is about to appear
                    await self._ledger.lost(entry.sha256)
                except (OSError, StoreUnavailable) as error:
                    broken = error
                    continue
                else:
                    await self._ledger.copied(entry.sha256, entry.needed_at)
                done += 1
            if not done:
                break
        if broken is not None:
            raise broken

    async def tidy(self) -> None:
        """Remove what nobody needs any more, here and in the bucket."""
        now = await asyncio.to_thread(self._deletion_time)
        since = now - self._retention
        if self._waits is not None:
            await self._settle_uses(now, since, self._waits)
        copies, gone = self._copies, 0
        while entries := await self._ledger.unneeded(since - MARK_SECONDS, FILE_PAGE):
            for entry in entries:
                # The bucket first: a copy of a file that is not here any more would not be asked for again.
                if copies is not None and not await copies.forget(
                    entry.sha256, since - MARK_SECONDS
                ):
                    log.info("file in use elsewhere", action="media_kept")
                gone += await self._ledger.remove(entry.sha256, since - MARK_SECONDS)
        if gone:
            log.info("files removed", action="media_removed", count=gone)

    async def _settle_uses(
        self, now: float, since: float, waits: Callable[[str], Awaitable[bool]]
    ) -> None:
        """Renew files whose messages wait, and forget messages that do not: each is looked at once a day."""
        while page := await self._ledger.older_uses(now - MARK_SECONDS, FILE_PAGE):
            waiting = [use for use in page if await waits(use.message)]
            for sha256 in {use.sha256 for use in waiting}:
                entry = await self._ledger.find(sha256)
                if entry is not None and entry.needed_at < since + 2 * MARK_SECONDS:
                    await self._ledger.renew(sha256, now)
            over = [use for use in page if use not in waiting]
            await self._ledger.settle_uses(waiting, over, now)
