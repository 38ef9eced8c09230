"""Declares the interface of the store of message files (by SHA-256); computes room on disk and in MEDIA_LIMIT."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from actors.media import holders
from actors.runtime.limits.disk_floor import free_bytes
from actors.runtime.limits.limit_uses import FILES_FULL, LimitUse, quota_uses
from actors.runtime.limits.limits import DISK_RESERVE, LimitReached, disk_limit

if TYPE_CHECKING:
    from collections.abc import AsyncIterable
    from pathlib import Path

    from actors.config.settings import Settings

SHA256_PATTERN: Final = re.compile(r"[0-9a-f]{64}")
"""A SHA-256 as files are named by it."""


class FileTooLarge(Exception):
    """The file has more bytes than allowed. Nothing was kept."""

    code: Final = "media_too_large"


class StoreUnavailable(Exception):
    """The disk fails. Nothing was kept; the call may be repeated.

    `reason` names the condition; it quotes nothing.
    """

    code: str = "media_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StoreFull(LimitReached, StoreUnavailable):
    """The disk has no room for files: it is full, or would have less than DISK_RESERVE, or less than is others' part.

    Nothing was kept.
    """

    code: str = "disk_reserve"

    def __init__(self, reason: str = DISK_RESERVE, reserve: int = 0) -> None:
        """`reserve` is how many bytes were to stay free; 0 where the disk is full to its end."""
        super().__init__(disk_limit(reserve), "instance")
        self.reason = reason


def room_for_files(place: Path | int, reserve: int) -> int:
    """Return the bytes that files may still take on the disk of a path or descriptor: those free beyond `reserve`.

    Raises OSError.
    """
    return max(0, free_bytes(place) - reserve)


def files_uses(settings: Settings) -> tuple[LimitUse, ...] | None:
    """Return the uses of MEDIA_LIMIT on this host; None where the ledger of files cannot be read. Blocking."""
    quota = settings.file_quota
    try:
        if not quota.total.size or not settings.media_ledger.exists():
            return ()
        found = holders.read(settings.media_ledger)
    except OSError:
        return None
    return tuple(quota_uses(FILES_FULL, quota, found.held, elsewhere=found.elsewhere))


class MediaStore(Protocol):
    """Files by the SHA-256 (hex) of their bytes, so the same file is kept once.

    A file is there whole or not at all, on disk (fsync) before `add` returns (G1), and never held
    whole in memory. It is not encrypted on this disk, which is for the owner alone; a copy in a
    bucket is (G10).
    """

    async def add(
        self, chunks: AsyncIterable[bytes], *, limit: int, expected: str | None = None
    ) -> tuple[str, int]:
        """Keep what comes; return its SHA-256 (hex) and its size in bytes.

        Raises `FileTooLarge` beyond `limit` bytes, `StoreUnavailable`, ValueError where it is not the
        `expected` one, and whatever `chunks` raises; nothing is left of it then.
        """

    async def room(self) -> int:
        """Bytes that files may still take on this disk: those that are free beyond DISK_RESERVE.

        `add` raises `StoreFull` for more. Raises `StoreUnavailable`.
        """

    async def part(self, room: int) -> int:
        """Bytes of the disk's `room` that files of this connection may still take: the others have their parts of it.

        `add` raises `StoreFull` for more. Raises `StoreUnavailable`.
        """

    async def find(self, sha256: str) -> Path | None:
        """The file on this host, brought from the bucket where it is only there; None: nowhere.

        Raises `BucketAway` where only the bucket could answer, and `StoreUnavailable`.
        """

    async def need(self, sha256: str) -> bool:
        """Keep a file that is somewhere as if it came just now; False where it is nowhere.

        Raises as `find`.
        """
