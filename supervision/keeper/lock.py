"""Locks a data directory by flock, so that keepers and stops exclude each other; it ends with its holder's process."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

LOCK_FILE = "keeper.lock"


class Held(Exception):
    """Another process holds the lock of this data directory: a keeper, or a stop in progress."""


class DirectoryLock:
    """The lock on a data directory. Children do not inherit it, so that it dies with its holder."""

    def __init__(self, data: Path) -> None:
        """Takes the lock, without waiting. Raises `Held`."""
        self._descriptor = os.open(data / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise Held(f"Another keeper has the data directory {data}.") from None

    def release(self) -> None:
        """Close the file, which ends the lock."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def held(data: Path) -> bool:
    """Returns whether a process holds the lock now."""
    if not (data / LOCK_FILE).exists():
        return False
    try:
        DirectoryLock(data).release()
    except Held:
        return True
    return False
