"""Places the newest session on disk before the owner opens it: the local file, or a backup from the bucket."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.backup.backup_format import Tampered
from actors.connection.backup.bucket.port import BucketAway
from actors.connection.backup.quarantine import DAMAGED, move_aside, remove_former
from actors.connection.backup.session_choice import choose
from actors.connection.backup.session_snapshot import (
    BESIDE,
    beside,
    fold,
    remove,
    snapshot,
)
from actors.connection.session.file import NO_POSITION
from actors.connection.session.session import Session, SessionDamaged, StaleEpoch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from actors.connection.backup.vault import SessionCopy, Vault
    from actors.redis.leases.lease_record import Position
    from actors.redis.leases.leases import Lease

log = structlog.get_logger()

RESTORING: Final = "session.restoring"
"""A session that is not in its place yet. Left by a crash, it is begun anew."""

BUCKET_TIMEOUT: Final = 6.0
"""Seconds for one answer of the bucket: the caller that took the actor for this waits as well."""

SHORT: Final = 1.5
"""The same where it can go on without."""

OLDER_DIRECTORY: Final = "older"
"""Where files lie that turned out not to be the live one, until their inbox is drained."""


class Restorer:
    """Places one connection's newest session on disk at a takeover, from its file or a copy.

    The live session is the newest that the lease record or the vault names (G6, G7). A file that is not
    moves to ``older``: its messages that were not stored yet are drained from there. A damaged one
    moves to ``damaged``. Nothing is deleted but former ones (`remove_former`). A crash at any instruction
    leaves the file as it was, or the restored one in its place.
    """

    def __init__(
        self,
        vault: Vault,
        connection: str,
        file: Path,
        *,
        alone: bool,
        renew: Callable[[Path, int], Awaitable[None]],
    ) -> None:
        """`alone`: nobody elsewhere could have served. `renew` makes what may be old fit to serve."""
        self._vault = vault
        self._connection = connection
        self._file = file
        self._alone = alone
        self._renew = renew
        self._there: Position | None = None
        self._damage: str | None = None
        self.copies: Sequence[SessionCopy] | None = None

    async def look(self) -> int:
        """Read the newest epoch of file and vault, before a lease is taken.

        Raises `BucketAway` where the vault alone could say what to serve with, and what
        `Session.stored_position` raises but for damage.
        """
        try:
            there = await asyncio.to_thread(Session.check, self._file)
            self._there = None if there == NO_POSITION else there
        except SessionDamaged as damage:
            self._damage = str(damage)
        try:
            async with asyncio.timeout(BUCKET_TIMEOUT if self._there is None else SHORT):
                self.copies = await self._vault.copies(self._connection)
        except (BucketAway, TimeoutError) as away:
            if self._there is None:
                raise BucketAway(str(away) or "no_answer") from None
            self.copies = None
        positions = [copy.position for copy in self.copies or ()]
        return max((one.epoch for one in (self._there, *positions) if one is not None), default=0)

    async def place(self, lease: Lease) -> bool:
        """Put the live session in its place, with its lease held; False where there is none.

        Raises `BucketAway`, `WrongKey`, `Tampered` where no copy can be read, or what the session
        raises.
        """
        kept = self.copies[-1].position if self.copies else None
        blind = self.copies is None and not self._alone
        choice = choose(self._there, lease.session, kept, final=lease.final, blind=blind)
        if choice.source == "nothing":
            return False
        if choice.source == "file" and not choice.renew:
            return True
        restoring = self._file.with_name(RESTORING)
        renew = choice.renew
        if choice.source == "file":
            await asyncio.to_thread(_snapshot, self._file, restoring)
        else:
            enclosed, newest = await self._fetch(restoring)
            # The copy before the newest is an older one for certain, and of keys beside the session file nobody can
            # tell whether they are the last.
            renew = renew or not newest or bool(enclosed)
        if renew:
            await self._renew(restoring, lease.epoch)
        await asyncio.to_thread(self._replace, restoring, lease.epoch, choice.source)
        log.warning(
            "session restored",
            action="restore",
            connection=self._connection,
            source=choice.source,
            renewed=renew,
        )
        return True

    async def _fetch(self, target: Path) -> tuple[Sequence[str], bool]:
        """Restore the newest copy that can be read to `target`; the files beside it, and whether it is the newest."""
        refusal = None
        for copy in reversed(self.copies or ()):
            try:
                enclosed = await self._vault.restore(copy, target, within=BUCKET_TIMEOUT)
            except TimeoutError:
                raise BucketAway("no_answer") from None
            except Tampered as error:
                refusal = error
                log.error(  # noqa: TRY400 - the code says it
                    "copy refused",
                    action="restore",
                    connection=self._connection,
                    copy=copy.name,
                    reason=error.code,
                )
            else:
                return enclosed, refusal is None
        assert refusal is not None
        raise refusal

    def _replace(self, restoring: Path, epoch: int, source: str) -> None:
        aside = None
        if self._damage is not None:
            aside = DAMAGED
            log.error(
                "session moved aside",
                action="move_aside",
                connection=self._connection,
                place=aside,
                reason=self._damage,
            )
        elif self._there is not None:
            fold(self._file)
            aside = OLDER_DIRECTORY if source == "vault" else None
        put_in_place(restoring, self._file, epoch, aside)
        remove_former(self._file.parent)


def put_in_place(restoring: Path, file: Path, epoch: int, aside: str | None) -> None:
    """Let `restoring` be the session `file`; the one there moves `aside`, or is replaced by it.

    Raises OSError, `SessionUnavailable` where somebody has the one there open, or `StaleEpoch` where
    it is a newer owner's.
    """
    _sync(restoring)
    there = [name for name in BESIDE if beside(restoring, name).exists()]
    for name in there:
        _sync(beside(restoring, name))
    # An owner that was frozen until now may have a successor.
    if aside != DAMAGED and Session.stored_position(file).epoch > epoch:
        raise StaleEpoch
    if aside == OLDER_DIRECTORY:
        fold(file)
    if aside is not None:
        now = time.time()
        for name in BESIDE:  # the session last: as long as it is there, all of it counts as that
            move_aside(file.with_name(name), epoch, now, into=aside)
        move_aside(file, epoch, now, into=aside)
    for name in there:
        remove(file.with_name(name), beside=True)
        beside(restoring, name).replace(file.with_name(name))
        remove(beside(restoring, name), beside=True)
    remove(file, beside=True)
    restoring.replace(file)
    _sync(file.parent)


def _snapshot(file: Path, restoring: Path) -> None:
    """Copy a session that nobody serves, and the files with its keys."""
    snapshot(file, restoring)
    for name in BESIDE:
        for suffix in ("", "-wal"):
            source = file.with_name(name + suffix)
            target = beside(restoring, name + suffix)
            target.unlink(missing_ok=True)
            if source.exists():
                shutil.copy(source, target)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
