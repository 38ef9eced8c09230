"""A copy of all that Redis holds, at one moment, as a file that a Redis or Valkey loads."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.redis.client import RedisAway
from actors.redis.snapshot import NotGiven, snapshot
from supervision.jobs.job import CannotDo

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from supervision.jobs.job import Job

STEP = 1 << 22  # bytes between two words about the progress


def options(parser: ArgumentParser) -> None:
    parser.add_argument("--to", type=Path, help="a directory; backups in the data directory")
    parser.add_argument("--keep", type=int, default=7, help="files that stay there")


async def run(job: Job, given: Namespace) -> dict[str, Any]:
    """The file is there whole, for its owner alone, or not at all; older ones go only then.

    Messages that wait are in it in clear: it belongs where the data directory may be.
    """
    if given.keep < 1:
        raise CannotDo("too_few", "--keep must be 1 or more.")
    directory = given.to or job.settings.data / "backups"
    if job.dry_run:
        size = await _size(job)
        return {"bytes": size, "file": None}
    name = time.strftime("redis-%Y%m%dT%H%M%SZ.rdb", time.gmtime())
    target = directory / name
    told = 0

    def tell(done: int) -> None:
        nonlocal told
        if done - told >= STEP:
            told = done
            job.tell(bytes=done)

    try:
        await asyncio.to_thread(directory.mkdir, mode=0o700, parents=True, exist_ok=True)
        size = await snapshot(job.settings, target, tell)
        removed = await asyncio.to_thread(_forget, directory, given.keep)
    except RedisAway:
        raise CannotDo("redis_away", "Redis does not answer.") from None
    except NotGiven as refusal:
        raise CannotDo(refusal.code, str(refusal)) from None
    except OSError as error:
        raise CannotDo(
            "not_written", f"{target} cannot be written: {error.strerror or type(error).__name__}."
        ) from None
    return {"bytes": size, "file": str(target), "removed": removed}


async def _size(job: Job) -> int:
    """What Redis holds in memory; the file is smaller."""
    return int((await job.redis().info("memory"))["used_memory"])


def _forget(directory: Path, keep: int) -> int:
    old = sorted(directory.glob("redis-*.rdb"))[:-keep]
    for file in old:
        file.unlink()
    return len(old)
