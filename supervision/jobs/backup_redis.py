"""Implements `teimoso jobs run backup-redis`: copies Redis as of one moment to an RDB file, keeps the newest copies."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.redis.client import RedisAway
from actors.redis.rdb import NotGiven, snapshot
from actors.runtime.atomic_files import clear_scratch, write_atomically
from supervision.jobs.job import JobFailed

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from supervision.jobs.job import Job

SNAPSHOT_NAME = "redis-{}-%Y%m%dT%H%M%SZ.rdb"
BACKUPS_MARK = "backups.mark"
STEP = 1 << 22  # bytes between two reports of the progress


def options(parser: ArgumentParser) -> None:
    """Add the directory of the copies, and the number of them."""
    parser.add_argument(
        "--to", type=Path, help="directory of the copies; by default backups in the data directory"
    )
    parser.add_argument("--keep", type=int, default=7, help="number of copies to keep")


async def run(job: Job, given: Namespace) -> dict[str, Any]:
    """Writes the whole file, readable for its owner alone, or none; deletes older copies only afterwards.

    It has queued messages in plain text: store it like the data directory.
    """
    if given.keep < 1:
        raise JobFailed("too_few", "--keep must be 1 or more.")
    directory = given.to or job.settings.data / "backups"
    if job.dry_run:
        size = await _size(job)
        return {"bytes": size, "file": None}
    target, reported = directory, 0

    def report(done: int) -> None:
        nonlocal reported
        if done - reported >= STEP:
            reported = done
            job.report(bytes=done)

    try:
        await asyncio.to_thread(directory.mkdir, mode=0o700, parents=True, exist_ok=True)
        mark = await asyncio.to_thread(mark_of, job.settings.data)
        await asyncio.to_thread(clear_scratch, directory, _names(mark))
        target = await asyncio.to_thread(_free, directory, mark)
        size = await snapshot(job.settings, target, report)
        removed = await asyncio.to_thread(_forget, directory, _names(mark), given.keep)
    except RedisAway:
        raise JobFailed("redis_away", "Redis does not answer.") from None
    except NotGiven as refusal:
        raise JobFailed(refusal.code, str(refusal)) from None
    except OSError as error:
        raise JobFailed(
            "not_written", f"{target} cannot be written: {error.strerror or type(error).__name__}."
        ) from None
    return {"bytes": size, "file": str(target), "removed": removed}


async def _size(job: Job) -> int:
    """Returns the bytes of memory that Redis uses; the file is smaller."""
    return int((await job.redis().info("memory"))["used_memory"])


def mark_of(data: Path) -> str:
    """Returns the mark that this instance's copies have among others in one folder; made at first need.

    It is a file of the data directory and moves with it. Raises OSError.
    """
    file = data / BACKUPS_MARK
    with suppress(FileNotFoundError):
        if re.fullmatch("[0-9a-f]{8}", mark := file.read_text().strip()):
            return mark
    write_atomically(file, made := secrets.token_hex(4))
    return made


def _free(directory: Path, mark: str) -> Path:
    while (target := directory / time.strftime(SNAPSHOT_NAME.format(mark), time.gmtime())).exists():
        time.sleep(0.1)  # a copy of the same second exists
    return target


def _names(mark: str) -> re.Pattern[str]:
    return re.compile(rf"redis-{mark}-\d{{8}}T\d{{6}}Z\.rdb")


def _forget(directory: Path, names: re.Pattern[str], keep: int) -> int:
    """Deletes older copies, only those that this job wrote for this instance."""
    old = sorted(file for file in directory.iterdir() if names.fullmatch(file.name))[:-keep]
    for file in old:
        file.unlink()
    return len(old)
