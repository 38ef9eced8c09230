"""A host that keeps files of messages, and copies of them in a bucket."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

from actors.config.sources import resolve_settings
from actors.connection.backup.open_vault import open_bucket
from actors.media.open_store import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.media.local_files import LocalFiles

OLD, NEW = "5e" * 32, "6f" * 32
DAY = 24 * 3600.0
RETENTION = 30 * DAY


class Host:
    """A host with a disk of its own, and the bucket that it shares."""

    def __init__(self, data: Path, bucket: str | Path, key: str = OLD, **more: Any) -> None:
        data.mkdir(exist_ok=True)
        self.data = data
        self.now = time.time()
        self.waiting: set[str] = set()
        self.settings = resolve_settings(
            data=data, storage_bucket=str(bucket), session_encryption_key=key, **more
        )
        self.settings.save()
        self.bucket = open_bucket(self.settings)
        self.files: LocalFiles = open_store(self.settings, self.bucket)
        self.upkeep = self.files.upkeep(
            self.waits, lambda: self.now, deletion_time=lambda: self.now
        )

    async def waits(self, message: str) -> bool:
        return message in self.waiting

    async def keep(self, content: bytes) -> str:
        async def chunks() -> AsyncIterator[bytes]:
            yield content

        return (await self.files.of("shop").add(chunks(), limit=2**30))[0]

    async def later(self, seconds: float) -> None:
        """Time goes on, and what is to be tidied is."""
        self.now += seconds
        await self.upkeep.copy()
        await self.upkeep.tidy()

    @property
    def here(self) -> set[str]:
        found = (each for each in self.settings.media.rglob("*") if each.is_file())
        return {each.name for each in found}

    def lose_disk(self) -> None:
        shutil.rmtree(self.settings.media)
