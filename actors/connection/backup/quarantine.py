"""Moves a damaged or outdated session file, with SQLite's files beside it, into a side directory; deletes nothing."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DAMAGED = "damaged"
"""Where damaged sessions lie, in the directory of their connection."""


def move_aside(file: Path, epoch: int, now: float | None = None, *, into: str = DAMAGED) -> Path:
    """Move `file` and what SQLite keeps beside it `into` a directory there; where they are now.

    Each owner moves to a place of its own (epochs never repeat), so nothing is overwritten. After a
    crash in between the next owner moves the rest. Raises OSError; what was not moved is untouched.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    place = file.parent / into / f"{moment}-{epoch}"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The main file last: as long as it is there, the session counts as damaged.
    for suffix in ("-shm", "-wal", ""):
        part = file.with_name(file.name + suffix)
        if os.path.lexists(part):
            part.rename(place / part.name)
    for directory in (file.parent, place.parent, place):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    return place
