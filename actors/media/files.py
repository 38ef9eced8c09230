"""The files of an instance on this host, as processes have them in hand."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Self

from actors.media.directory import DirectoryStore
from actors.media.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import AsyncIterable
    from pathlib import Path

    from actors.media.ledger import Entry
    from actors.settings import Settings


class Files:
    """See the port, and beside it what a gateway asks.

    A file is in the ledger before it appears, so that it is copied and removed in its time.
    """

    def __init__(self, directory: Path, ledger: Ledger) -> None:
        self._ledger = ledger
        self._store = DirectoryStore(directory, before=ledger.note)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of the instance."""
        # Hosts may share the directory, but no SQLite file.
        name = f"media-{platform.node()}.db" if settings.several_hosts else "media.db"
        return cls(settings.media, Ledger(settings.data / name, settings.media, copying=False))

    async def keep(
        self, chunks: AsyncIterable[bytes], *, limit: int, expected: str | None = None
    ) -> tuple[str, int]:
        """See the port."""
        return await self._store.keep(chunks, limit=limit, expected=expected)

    async def find(self, sha256: str) -> Path | None:
        """See the port."""
        return await self._store.find(sha256)

    async def entry(self, sha256: str) -> Entry | None:
        """What is known of a file that can be sent; None where there is none.

        Raises as `find`.
        """
        file = await self.find(sha256)
        if file is None:
            return None
        entry = await self._ledger.find(sha256)
        if entry is None:  # of a host whose ledger was lost
            await self._ledger.note(sha256, file.stat().st_size)
            entry = await self._ledger.find(sha256)
        return entry

    async def call(self, sha256: str, mime: str | None, name: str | None) -> None:
        """Remember what its uploader calls it."""
        await self._ledger.call(sha256, mime, name)

    async def use(self, sha256: str, message: str) -> bool:
        """Keep it as long as this message may be sent; False where this host does not have it.

        To be asked before the message is accepted.
        """
        return await self._ledger.use(sha256, message)

    async def close(self) -> None:
        await self._ledger.close()
