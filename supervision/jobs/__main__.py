"""Runs one maintenance job to its end: `python -m supervision.jobs NAME --data DIR [--dry-run] …`.

The last line on stdout has its `result`, or a `code` and a sentence why it failed; then the exit
status is 1, and Ray marks the job as failed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from actors.config.settings import InvalidSettings, Settings
from actors.connection.backup.backup_format import Tampered
from actors.connection.backup.bucket.port import BucketAway
from actors.connection.backup.keyring import WrongKey
from actors.redis.client import RedisAway
from actors.state.documents import StoreAway
from supervision.jobs import JOB_MODULES
from supervision.jobs.job import Job, JobFailed, write_report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


class _JobParser(argparse.ArgumentParser):
    """Raises `JobFailed` for wrong options, so that they are reported as any other failure of a job."""

    def error(self, message: str) -> NoReturn:
        raise JobFailed("invalid_options", f"{message[0].upper()}{message[1:]}.")


def module(job: str) -> ModuleType:
    """Returns the module of a job: its documentation, `options` and `run`."""
    return import_module(f"supervision.jobs.{JOB_MODULES[job]}")


def main(words: Sequence[str] | None = None) -> int:
    """Run the job that `words` name. Returns the exit status: 1, with a sentence on stderr, for settings that are invalid."""
    os.umask(0o077)
    parser = _JobParser(prog="teimoso jobs run")
    commands = parser.add_subparsers(dest="job", required=True, metavar="JOB")
    for name in JOB_MODULES:
        command = commands.add_parser(name, help=(module(name).__doc__ or "").strip())
        command.add_argument(
            "--data", type=Path, required=True, help="data directory of the instance"
        )
        command.add_argument(
            "--dry-run", action="store_true", help="report the steps without taking them"
        )
        module(name).options(command)
    words = sys.argv[1:] if words is None else words
    try:
        given = parser.parse_args(words)
    except JobFailed as refusal:
        return _failed(words[0] if words else "", refusal.code, str(refusal))
    try:
        job = Job(given.job, _settings(given.data), given.dry_run)
    except InvalidSettings as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return asyncio.run(_run(job, given))


async def _run(job: Job, given: argparse.Namespace) -> int:
    try:
        result = await module(job.name).run(job, given)
    except JobFailed as refusal:
        return _failed(job.name, refusal.code, str(refusal))
    except (RedisAway, StoreAway, BucketAway, WrongKey, Tampered) as error:
        return _failed(job.name, getattr(error, "code", "redis_away"), str(error))
    finally:
        await job.close()
    job.report(dry_run=job.dry_run, result=result)
    return 0


def _failed(job: str, code: str, sentence: str) -> int:
    write_report(job, code=code, error=sentence)
    return 1


def _settings(data: Path) -> Settings:
    """Returns the settings of the instance; those of the environment where none was started in the directory."""
    data = data.expanduser().absolute()
    try:
        return Settings.load(data)
    except (OSError, ValueError):
        from actors.config.sources import resolve_settings  # noqa: PLC0415 - heavy, seldom needed

        return resolve_settings(data=data)


if __name__ == "__main__":
    sys.exit(main())
