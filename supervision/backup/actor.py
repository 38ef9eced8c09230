"""Implements the BackupActor (Ray), which the root keeps running where BACKUP_TARGET is set: backups by a schedule."""

from __future__ import annotations

import asyncio

from actors.config.settings import Settings
from actors.connection.backup.keyring import Keyring
from actors.connection.backup.open_vault import open_target
from actors.runtime.actor_base import LoopShell
from actors.state.open_store import open_documents
from supervision.backup.backup_store import BackupStore
from supervision.backup.schedule import InstanceBackups


class BackupActor(LoopShell):
    """Makes backups of the whole instance. Nothing waits for it; while it is dead none is made.

    One that was cut off is none: its successor makes it, and what was stored by then is not stored again.
    """

    async def _start(self) -> None:
        settings = await asyncio.to_thread(Settings.load, self.data)
        assert settings.backup_target is not None
        assert settings.session_encryption_key is not None
        keyring = Keyring.of(settings.session_encryption_key.get_secret_value())
        bucket = await asyncio.to_thread(open_target, settings.backup_target)
        self._documents = open_documents(settings)
        backups = InstanceBackups(settings, BackupStore(bucket, keyring), self._documents)
        self._run_for_life(backups.run())

    async def _close(self) -> None:
        await self._documents.close()
