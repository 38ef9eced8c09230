"""Makes a backup of the instance whenever the newest one is BACKUP_INTERVAL old, and notes since when it cannot."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.backup.bucket.port import BucketAway
from actors.runtime.backoff import doubled
from actors.state.documents import HEALTH_STATUS, StoreAway
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

TARGET_CHECK_SECONDS: Final = 60.0
"""Seconds after which the target is asked again for its newest backup: a person may have made one."""

NOTE: Final = "instance_backup"
"""The document of `HEALTH_STATUS` from which the health monitor learns that backups fail."""


class InstanceBackups:
    """Runs for the life of its actor. When a backup is due is in the target alone, so that a successor goes on.

    A backup that fails leaves the older ones, is tried again, and is an alert until one is made.
    """

    def __init__(self, settings: Settings, store: BackupStore, documents: Documents) -> None:
        self._settings = settings
        self._store = store
        self._documents = documents
        self._failing: float | None = None

    async def run(self) -> None:
        """Run until cancelled; raises only what is a bug."""
        failures = 0
        while True:
            try:
                left = await self._left()
                if left <= 0:
                    made = await create(
                        self._settings, self._store, runs=True, keep=self._settings.backups_kept
                    )
                    log.info("backed up", action="instance_backup", name=str(made.name))
                failures = 0
                await self._note(None)
                await asyncio.sleep(
                    TARGET_CHECK_SECONDS if left <= 0 else min(left, TARGET_CHECK_SECONDS)
                )
            except (BackupFailed, BucketAway) as error:
                failures += 1
                reason = getattr(error, "reason", error.code)
                log.warning("not backed up", action="instance_backup", reason=reason)
                await self._note(self._failing or time.time())
                await asyncio.sleep(doubled(failures, 2 * AGAIN, MAX_BACKUP_RETRY_SECONDS))

    async def _left(self) -> float:
        """Seconds until a backup is due."""
        mark = await asyncio.to_thread(mark_of, self._settings.data)
        names = await self._store.names(mark)
        if not names:
            return 0.0
        return names[-1].at + self._settings.backup_interval / 1000 - time.time()

    async def _note(self, failing: float | None) -> None:
        known, self._failing = self._failing, failing
        if failing is None and known is None:
            return
        with suppress(StoreAway):  # the next round notes it
            await self._documents.set(
                HEALTH_STATUS, NOTE, {"stuck": 0, "backup_failing_since": failing}
            )
