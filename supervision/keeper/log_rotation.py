"""Rotates the log files under `logs/` by size, and keeps a few older files of each log.

Writers keep a log open, several processes that of an actor. A large log is therefore copied and
truncated, and its writers go on appending to the same file.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from threading import Lock
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from pathlib import Path

    from actors.runtime.limits.disk_floor import DiskFloor

LOGS_KEPT = 4
ROTATION_CHECK_SECONDS = 30.0

LOW_PART, LOW_LOGS_KEPT = 10, 1
LOW_ROTATION_CHECK_SECONDS = 2.0
"""The part of its size that a log has while the disk is low, its older files then, and the seconds between two checks."""

log = structlog.get_logger()

_turn = Lock()
"""Serializes rotation and `set_aside`: a file that is moved during the copy would be truncated."""


async def run(directory: Path, limit: int, floor: DiskFloor) -> None:
    """Rotates the logs in `directory`, for ever; none is above `limit` bytes for long.

    While the disk is below its `floor` a log has a tenth of that, and one older file that has its newest lines.
    """
    while True:
        low = await floor.lately()
        size, kept = (limit // LOW_PART, LOW_LOGS_KEPT) if low else (limit, LOGS_KEPT)
        await asyncio.to_thread(rotate, directory, size, kept)
        await asyncio.sleep(LOW_ROTATION_CHECK_SECONDS if low else ROTATION_CHECK_SECONDS)


def rotate(directory: Path, limit: int, kept: int = LOGS_KEPT) -> list[str]:
    """Rotates each log that is larger than `limit` bytes, to so many older ones that are `kept`; returns their names.

    Lines that come during the copy are copied too; one between the end of the copy and the truncation
    is lost. On a full disk a log is truncated without a copy: messages need the space more.
    """
    cut: list[str] = []
    try:
        files = sorted(directory.glob("*.log"))
    except OSError as error:
        log.warning("log not rotated", action="rotate", error=error.strerror)
        return cut
    for file in files:
        try:
            if file.stat().st_size > limit:
                _cut(file, kept)
                cut.append(file.name)
        except OSError as error:
            log.warning("log not rotated", action="rotate", file=file.name, error=error.strerror)
    return cut


def set_aside(file: Path) -> None:
    """Renames the log of this name to the newest older one, so that a new log can begin."""
    with _turn:
        if file.exists():
            _shift(file, LOGS_KEPT)
            file.replace(older(file, 1))


def older(file: Path, number: int) -> Path:
    """Returns the path of an older log: 1 is the newest, `LOGS_KEPT` the oldest."""
    return file.with_name(f"{file.name}.{number}")


def _cut(file: Path, kept: int) -> None:
    with _turn, file.open("r+b") as source:
        try:
            _shift(file, kept)
            descriptor = os.open(older(file, 1), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as target:
                shutil.copyfileobj(source, target)
        except OSError as error:
            log.warning(
                "older log not written", action="rotate", file=file.name, error=error.strerror
            )
        source.truncate(0)


def _shift(file: Path, kept: int) -> None:
    """Makes room for another older file, and removes what is beyond those that are kept."""
    for number in range(kept, LOGS_KEPT + 1):
        older(file, number).unlink(missing_ok=True)
    for number in range(kept - 1, 0, -1):
        if older(file, number).exists():
            older(file, number).replace(older(file, number + 1))
