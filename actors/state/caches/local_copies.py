"""Copies connections and API keys of Firestore to local files, so that a start needs no store.

The store is the truth: a copy serves only until the store was
read once, and each process that reads the store writes it (`cached_collection`).
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from actors.runtime.atomic_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from actors.config.settings import Settings
    from actors.state.documents import Document

log = structlog.get_logger()

FLEETING = frozenset({"observed", "fence"})
"""Fields that change with every beat and serve no start."""


class LocalCopy:
    """The documents of one collection as a process read them last; on a full disk it stays as it was."""

    def __init__(self, file: Path | None) -> None:
        """Without a `file` nothing is kept: the store itself is in the data directory."""
        self._file = file
        self._written: str | None = None

    async def write(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Keep them; costs nothing where they are what was kept last."""
        if self._file is None:
            return
        kept = [
            {name: value for name, value in document.items() if name not in FLEETING}
            for document in documents
        ]
        text = json.dumps(kept)
        if text != self._written:
            try:
                await asyncio.to_thread(_write, self._file, text)
            except OSError as error:
                log.warning("local copy not written", action="copy", error=type(error).__name__)
                return
            self._written = text

    async def read(self) -> Sequence[Document] | None:
        """The documents that were kept, None where none were."""
        if self._file is None:
            return None
        with suppress(OSError, ValueError):
            found: list[Document] = json.loads(await asyncio.to_thread(self._file.read_text))
            return found
        return None


def copy_of(settings: Settings, collection: str) -> LocalCopy:
    """The instance's copy of a collection."""
    directory = settings.data / "copies"
    return LocalCopy(directory / f"{collection}.json" if settings.on_firestore else None)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomically(file, text)
