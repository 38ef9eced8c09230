"""The files of an engine under test: a directory alone, without a ledger and without a bucket."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from actors.media.directory import DirectoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable
    from pathlib import Path

    from actors.media.directory import Before, Turns


async def _nothing(_digest: str, _size: int) -> None:
    """Nobody counts these files."""


class BareFiles(DirectoryStore):
    """A `MediaStore` of which no file is noted anywhere; by default it may fill the disk."""

    def __init__(self, directory: Path, *, reserve: Callable[[], int] = int) -> None:
        super().__init__(directory, reserve=reserve)

    async def add(
        self,
        chunks: AsyncIterable[bytes],
        *,
        limit: int,
        expected: str | None = None,
        before: Before = _nothing,
        turns: Turns = nullcontext,
    ) -> tuple[str, int]:
        return await super().add(chunks, limit=limit, expected=expected, before=before, turns=turns)

    async def part(self, room: int) -> int:
        return room

    async def need(self, sha256: str) -> bool:
        return await self.find(sha256) is not None
