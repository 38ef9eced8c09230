"""Moves a damaged or outdated session file, with SQLite's files beside it, out of the way; only the newest ones stay."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from pathlib import Path

log = structlog.get_logger()

DAMAGED = "damaged"
"""Where damaged sessions lie, in the directory of their connection."""

DRAINED: Final = "drained"
"""Where older files lie that hold nothing more."""

KEPT_SESSIONS: Final = 3
"""Sessions of either directory that stay for a person to look at."""


def move_aside(file: Path, epoch: int, now: float | None = None, *, into: str = DAMAGED) -> Path:
    """Move `file` and what SQLite keeps beside it `into` a directory there; where they are now.

    Each owner moves to a place of its own (epochs never repeat), so nothing is overwritten. After a
    crash in between the next owner moves the rest. Raises OSError; files that were not moved are untouched.
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


def remove_former(directory: Path) -> None:
    """Remove what was moved aside of a connection but the newest three of either kind.

    A damaged session stays for as long as anything in it may not be in the state store: items of its
    inbox, files that it was to fetch, or all of it where it cannot be read. So does one that the disk does not remove.
    """
    for kind in (DAMAGED, DRAINED):
        for place in sorted((directory / kind).glob("*-*"))[:-KEPT_SESSIONS]:
            if kind == DRAINED or not _holds_items(place / "session.db"):
                shutil.rmtree(place, ignore_errors=True)
                log.info(
                    "former session removed",
                    action="remove_former",
                    connection=directory.name,
                    place=f"{kind}/{place.name}",
                )


def _holds_items(file: Path) -> bool:
    if not file.exists():  # a move that was cut short left its log here
        return file.with_name("session.db-wal").exists()
    from actors.connection.session.session import Session  # noqa: PLC0415 - a standby loads it by itself

    return Session.may_hold_items(file)
