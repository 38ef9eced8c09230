"""Backs up the instance when the newest backup is BACKUP_INTERVAL old; stores failures and missing sessions for alerts."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypedDict

import structlog

from actors.connection.backup.backup_format import Tampered
from actors.connection.backup.bucket.port import BucketAway
from actors.connection.backup.keyring import WrongKey
from actors.runtime.backoff import doubled
from actors.state.documents import HEALTH_STATUS, INSTANCE_BACKUP, StoreAway
from supervision.backup.backup_store import BackupName, Manifest, in_the_past
from supervision.backup.creation import BackupFailed, create
from supervision.jobs.backup_redis import mark_of

if TYPE_CHECKING:
    from actors.config.settings import Settings
    from actors.state.documents import Documents
    from supervision.backup.backup_store import BackupStore

log = structlog.get_logger()

AGAIN: Final = 15.0
MAX_BACKUP_RETRY_SECONDS: Final = 900.0
"""Seconds between two tries after a failure, which double."""

MAX_BACKUP_SECONDS: Final = 6 * 3600.0
"""Seconds after which a backup that is not done has failed; the next one finds what it stored."""

TARGET_CHECK_SECONDS: Final = 60.0
"""Seconds after which the target is asked again for its newest backup: a person may have made one."""


class BackupsDocument(TypedDict):
    """The state of scheduled backups."""

    backup_failing_since: float | None
    """Time since which they fail; null while they do not."""
    backup_lacks: list[str]
    """The connections whose sessions the newest one lacks."""
    backup_in_future: str | None
    """A backup that is later than now, which is never the newest; null while there is none."""


class InstanceBackups:
    """Runs for the life of its actor. When a backup is due is in the target alone, so that a successor goes on.

    A backup that fails, or is not done in `MAX_BACKUP_SECONDS`, leaves the older ones, is tried again, and is an alert
    until one is made; one without some sessions is an alert until the next one has them. One that is later than now is
    an alert as long as it is, and counts for nothing. A successor finds all of them: it reads the target.
    """

    def __init__(self, settings: Settings, store: BackupStore, documents: Documents) -> None:
        self._settings = settings
        self._store = store
        self._documents = documents
        self._failing: float | None = None
        self._noted: BackupsDocument | None = None
        self._newest: Manifest | None = None
        self._in_future: str | None = None

    async def run(self) -> None:
        """Run until cancelled; raises only what is a bug."""
        failures = 0
        while True:
            try:
                async with asyncio.timeout(MAX_BACKUP_SECONDS):
                    name = await self._newest_name()
                    left = self._left(name)
                    if left <= 0:
                        made = await create(
                            self._settings, self._store, runs=True, keep=self._settings.backups_kept
                        )
                        name, self._newest = made.name, None
                        log.info("backed up", action="instance_backup", name=str(name))
                failures, self._failing = 0, None
                await self._note(await self._lacking(name))
                await asyncio.sleep(
                    TARGET_CHECK_SECONDS if left <= 0 else min(left, TARGET_CHECK_SECONDS)
                )
            except (BackupFailed, BucketAway, TimeoutError) as error:
                failures += 1
                if isinstance(error, TimeoutError):
                    reason = "too_slow"
                else:
                    reason = getattr(error, "reason", error.code)
                log.warning("not backed up", action="instance_backup", reason=reason)
                self._failing = self._failing or time.time()
                await self._note(None)
                await asyncio.sleep(doubled(failures, 2 * AGAIN, MAX_BACKUP_RETRY_SECONDS))

    async def _newest_name(self) -> BackupName | None:
        mark = await asyncio.to_thread(mark_of, self._settings.data)
        names = await self._store.names(mark)
        past = in_the_past(names, time.time())
        self._in_future = str(names[-1]) if len(past) < len(names) else None
        return past[-1] if past else None

    def _left(self, newest: BackupName | None) -> float:
        """Seconds until a backup is due."""
        if newest is None:
            return 0.0
        return newest.at + self._settings.backup_interval / 1000 - time.time()

    async def _lacking(self, name: BackupName | None) -> list[str]:
        """The connections whose sessions the newest backup has not as they were then; none where it cannot be read."""
        if name is None:
            return []
        if self._newest is None or self._newest.name != name:
            try:
                self._newest = await self._store.read(name)
            except (Tampered, WrongKey):
                self._newest = Manifest(name, ())
            for each in self._newest.left_out:
                copy = each.copied_at and str(BackupName(name.mark, each.copied_at))
                log.error(
                    "session left out",
                    action="instance_backup",
                    connection=each.connection,
                    code=each.code,
                    copy=copy,
                )
        return [each.connection for each in self._newest.left_out]

    async def _note(self, lacking: list[str] | None) -> None:
        """Note since when backups fail, and the sessions that the newest one lacks; None leaves those as they were."""
        if lacking is None:
            lacking = [] if self._noted is None else self._noted["backup_lacks"]
        noted = BackupsDocument(
            backup_failing_since=self._failing,
            backup_lacks=lacking,
            backup_in_future=self._in_future,
        )
        if noted == self._noted:
            return
        with suppress(StoreAway):  # the next round notes it
            await self._documents.set(HEALTH_STATUS, INSTANCE_BACKUP, noted)
            self._noted = noted
