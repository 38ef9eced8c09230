"""One keeper a data directory: an advisory lock that the kernel drops when its holder dies."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

FILE = "keeper.lock"


class Held(Exception):  # noqa: N818 - reads as what it is
    """Another process keeps this data directory, or is stopping what runs there."""


class Lock:
    """The lock on a data directory. Children do not inherit it, so that it dies with its holder."""

    def __init__(self, data: Path) -> None:
        """Take it; raises `Held` at once when it is taken."""
        self._descriptor = os.open(data / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise Held(f"Another keeper has the data directory {data}.") from None

    def release(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def held(data: Path) -> bool:
    """Whether somebody has the lock now."""
    if not (data / FILE).exists():
        return False
    try:
        Lock(data).release()
    except Held:
        return True
    return False
