"""Marks which connection a session directory is for; removes files left there by a deleted connection of the same id.

A deletion reaches one directory. On a host that has its own, what lies there is found
to be another's once the id is served again.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from actors.runtime.atomic_files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

OWNER_MARK: Final = "created_at"


def is_anothers(directory: Path, created_at: float) -> bool:
    """Whether it is of a connection of the same id that was created at another time."""
    try:
        return (directory / OWNER_MARK).read_text() != repr(created_at)
    except FileNotFoundError:
        return False


def begin(directory: Path, created_at: float) -> None:
    """Remove what is another's, and let the directory be of the connection created then.

    Raises OSError. After a crash in between it is another's still, for the mark goes last.
    """
    if is_anothers(directory, created_at):
        for entry in directory.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != OWNER_MARK:
                entry.unlink()
        (directory / OWNER_MARK).unlink()
    if not (directory / OWNER_MARK).exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(directory / OWNER_MARK, repr(created_at))
