"""The logs under `logs/`: none grows for ever, and a few older ones of each are kept.

Who writes a log keeps it open, and an actor's is written by several processes. So a log that has
grown is copied aside and cut to nothing, for whoever appends to it goes on in the same file.
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

KEPT = 4
EVERY = 30.0  # seconds between two looks

log = structlog.get_logger()

_turn = Lock()
"""A part that falls while its log is cut: what is moved under the cut would be cut to nothing."""


async def keep(directory: Path, limit: int) -> None:
    """Look for ever after the logs in `directory`; none is for long above `limit` bytes."""
    while True:
        await asyncio.to_thread(rotate, directory, limit)
        await asyncio.sleep(EVERY)


def rotate(directory: Path, limit: int) -> list[str]:
    """Cut each log that is larger than `limit` bytes; the names of those.

    What is written while one is copied is copied too; a line that comes between the last look and
    the cut is lost. On a full disk, where nothing can be copied, it is cut all the same: a log is
    worth less than the messages that have no room.
    """
    cut: list[str] = []
    try:
        files = sorted(directory.glob("*.log"))
    except OSError as error:
        log.warning("not cut", action="rotate", error=error.strerror)
        return cut
    for file in files:
        try:
            if file.stat().st_size > limit:
                _cut(file)
                cut.append(file.name)
        except OSError as error:
            log.warning("not cut", action="rotate", file=file.name, error=error.strerror)
    return cut


def set_aside(file: Path) -> None:
    """Make room for a new log under this name: the one that is there becomes the newest older one."""
    with _turn:
        if file.exists():
            _shift(file)
            file.replace(older(file, 1))


def older(file: Path, number: int) -> Path:
    """The log before: 1 is the newest of those that are kept, `KEPT` the oldest."""
    return file.with_name(f"{file.name}.{number}")


def _cut(file: Path) -> None:
    with _turn, file.open("r+b") as source:
        try:
            _shift(file)
            descriptor = os.open(older(file, 1), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as target:
                shutil.copyfileobj(source, target)
        except OSError as error:
            log.warning("not kept", action="rotate", file=file.name, error=error.strerror)
        source.truncate(0)


def _shift(file: Path) -> None:
    for number in range(KEPT - 1, 0, -1):
        if older(file, number).exists():
            older(file, number).replace(older(file, number + 1))
