"""Backs up the session of a served connection to the bucket: at an interval if changed, on request, at its end."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.backup.bucket.port import BucketAway
from actors.connection.backup.session_snapshot import remove
from actors.connection.backup.vault import SNAPSHOT_FILE
from actors.connection.session.session import Session, SessionDamaged, SessionUnavailable
from actors.metrics.counters import measures
from actors.redis.client import RedisAway
from actors.runtime.backoff import doubled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from actors.connection.backup.vault import SessionCopy, Vault
    from actors.redis.leases.lease_record import Position
    from actors.redis.leases.leases import Lease, Leases

    CopyKeys = Callable[[Path], Awaitable[str | None]]

log = structlog.get_logger()

RETRY_PAUSE: Final = 1.0
BUCKET_RETRY_SECONDS: Final = 15.0
"""Seconds between tries while the bucket is away."""

KEYS_SCRATCH: Final = "keys.snapshot"
"""The name of the keys' copy until it is sealed, beside the session and as secret."""

_FAILS = (BucketAway, SessionUnavailable, SessionDamaged)


class BackupSchedule:
    """Copies one epoch's session whenever it changed, every `every` seconds, and when asked to.

    While the bucket is away nothing is lost and nothing waits: the next copy has all of it. Since
    when it is behind is in the lease record, and `/health` says so (G11).

    `copy_keys`, to be set before `run`, copies what the engine keeps beside the session file, and
    returns the name of that, None where there is nothing. `on_older`, to be set as well, is called where the vault turns out to have the session of a newer owner, which
    nobody could know while it was away: the served session is an old one.
    """

    def __init__(
        self,
        vault: Vault,
        leases: Leases,
        lease: Lease,
        file: Path,
        copies: Sequence[SessionCopy] | None,
        *,
        every: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`copies` are those of earlier owners, None where the bucket did not answer."""
        self._vault = vault
        self._leases = leases
        self._connection, self._epoch = lease.connection, lease.epoch
        self._file = file
        self._copies = None if copies is None else list(copies)
        self._every = every
        self.on_older: Callable[[], None] = lambda: None
        self.copy_keys: CopyKeys = _none
        self._clock = clock
        self._behind = lease.behind
        # A copy by an earlier owner is as old as this epoch at least.
        self._kept_at = time.monotonic()
        self._look = asyncio.Event()
        self._busy = asyncio.Lock()

    @property
    def age(self) -> float:
        """Seconds since the vault had the session as it was; without a copy, since this epoch began."""
        behind = 0.0 if self._behind is None else self._clock() - self._behind
        return max(time.monotonic() - self._kept_at, behind)

    def look(self) -> None:
        """Make a copy soon: a change just now is not to wait for the interval."""
        self._look.set()

    async def begin(self) -> None:
        """Note that this epoch's session is the live one. Until then the previous owner's is."""
        position = await asyncio.to_thread(Session.stored_position, self._file)
        await self._leases.note_session(
            self._connection, self._epoch, position, behind=self._behind
        )

    async def run(self) -> None:
        """Keep copies, for the life of the epoch."""
        pause, failures = self._every * random.random(), 0  # noqa: S311 - spreads the copies of many
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._look.wait()
            self._look.clear()
            if await self._back_up():
                pause, failures = self._every, 0
            else:
                failures += 1
                pause = doubled(failures, 2 * RETRY_PAUSE, min(BUCKET_RETRY_SECONDS, self._every))
                # A copy that is requested now would fail as well.
                await asyncio.sleep(RETRY_PAUSE)

    async def finish(self) -> None:
        """Copy what there is once nobody writes any more, and let the next owner know which it is.

        Where that cannot be done now, it is not known which commit was the last.
        """
        position = await asyncio.to_thread(Session.stored_position, self._file)
        final = await self._back_up()
        await self._note(position, final=final)

    async def _back_up(self) -> bool:
        """Whether the vault has the session as it is now."""
        async with self._busy:
            began = time.monotonic()
            try:
                await self._copy()
            except _FAILS as error:
                measures.count("teimoso_backups", outcome="failed")
                log.warning(
                    "not backed up",
                    action="backup",
                    connection=self._connection,
                    reason=getattr(error, "reason", error.code),
                )
                if self._behind is None:
                    self._behind = self._clock()
                    await self._note()
                return False
            self._kept_at = began
            measures.count("teimoso_backups", outcome="kept")
            if self._behind is not None:
                log.info("backed up again", action="backup", connection=self._connection)
                self._behind = None
                await self._note()
            return True

    async def _copy(self) -> None:
        if self._copies is None:
            copies = await self._vault.copies(self._connection)
            if copies and copies[-1].position.epoch >= self._epoch:
                self.on_older()
                raise BucketAway("newer_session")
            self._copies = copies
        newest = self._copies[-1].position if self._copies else None
        if newest == await asyncio.to_thread(Session.stored_position, self._file):
            return
        scratch, keys = self._file.with_name(SNAPSHOT_FILE), self._file.with_name(KEYS_SCRATCH)
        try:
            # The keys first: later items of the session are received again at most, and not lost.
            name = await self.copy_keys(keys)
            enclosed = {} if name is None else {name: keys}
            copy = await self._vault.back_up(
                self._connection, self._file, scratch, newest, enclosed
            )
        finally:
            remove(keys)
        if copy is not None:
            self._copies = await self._vault.prune([*self._copies, copy])

    async def _note(self, position: Position | None = None, *, final: bool = False) -> None:
        with suppress(RedisAway):
            await self._leases.note_session(
                self._connection,
                self._epoch,
                position,
                final=final,
                behind=self._behind,
            )


async def _none(_: Path) -> None:
    """Of an engine that keeps everything in the session file."""
    return
