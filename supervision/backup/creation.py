"""Makes one backup of a whole instance: stores the parts that the target lacks, then the list of all, deletes old ones."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.connection.backup.backup_format import Tampered
from actors.connection.backup.bucket.port import Conflict
from actors.connection.backup.keyring import WrongKey
from actors.connection.engine import EngineNotInstalled
from actors.connection.session.session import SessionUnavailable, StaleEpoch
from actors.media.store import StoreUnavailable
from actors.redis.client import RedisAway
from actors.redis.rdb import NotGiven
from actors.runtime.atomic_files import held
from actors.runtime.deletion_time import ordered_deletion_time
from actors.runtime.sqlite_writer import CopyFailed
from supervision.backup import parts
from supervision.backup.backup_store import BackupFile, BackupName, LeftOut, Manifest, in_the_past
from supervision.backup.parts import Uncopied
from supervision.jobs.backup_redis import mark_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.media.bucket_copies import BucketCopies
    from supervision.backup.backup_store import BackupStore
    from supervision.backup.parts import BackupPart

BACKUP_LOCK: Final = "backup.lock"
BACKUP_SCRATCH: Final = "backup.scratch"
"""In the data directory: held while a backup is made, and where the part at hand lies meanwhile, each try apart."""

PIECE_BYTES: Final = 64 * 2**20
"""Bytes of a file that are stored, found again and checked as one."""

SCRATCH_REMOVAL_SECONDS: Final = 60.0
"""Seconds for which the end of a backup waits until its scratch is removed."""


class BackupFailed(Exception):
    """No backup was made: a stable `code`, and a sentence for a person. The next one finds the parts that were stored."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Made(NamedTuple):
    """A backup that was made: its files and bytes, the bytes that the target lacked, and the backups that are left.

    Sessions that are `left_out` could not be copied: all else is in it.
    """

    name: BackupName
    files: int
    size: int
    added: int
    kept: int
    left_out: tuple[LeftOut, ...]


_SESSION = (SessionUnavailable, StaleEpoch, EngineNotInstalled)


async def create(settings: Settings, store: BackupStore, *, runs: bool, keep: int | None) -> Made:
    """Make a backup, whole or none; then `keep` the newest ones of this instance, all of them with None.

    A damaged session is left out, or is as the newest backup has it, and the backup says so.
    One is made at a time. Raises `BackupFailed` or `BucketAway`; older backups are as they were then.
    """
    with held(settings.data / BACKUP_LOCK) as ours:
        if not ours:
            raise BackupFailed("busy", "A backup of this instance is being made already.")
        # One that was given up may still write into its own directory, once its disk answers again.
        scratch = settings.data / BACKUP_SCRATCH / secrets.token_hex(4)
        try:
            return await _create(settings, store, scratch, runs=runs, keep=keep)
        except (CopyFailed, OSError, StoreUnavailable) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise BackupFailed("not_copied", f"A file cannot be copied: {reason}.") from None
        except _SESSION as error:
            raise BackupFailed(error.code, f"A session cannot be copied: {error.code}.") from None
        except RedisAway:
            raise BackupFailed("redis_away", "Redis does not answer.") from None
        except NotGiven as refusal:
            raise BackupFailed(refusal.code, str(refusal)) from None
        except Conflict:
            raise BackupFailed("busy", "Another backup was made in the same second.") from None
        finally:
            # A disk that does not answer would keep the failure from being reported.
            with suppress(TimeoutError):
                async with asyncio.timeout(SCRATCH_REMOVAL_SECONDS):
                    await asyncio.to_thread(shutil.rmtree, scratch.parent, ignore_errors=True)


async def _create(
    settings: Settings, store: BackupStore, scratch: Path, *, runs: bool, keep: int | None
) -> Made:
    await asyncio.to_thread(parts.clear, scratch.parent)
    await asyncio.to_thread(scratch.mkdir, 0o700)
    mark = await asyncio.to_thread(mark_of, settings.data)
    content, newest = store.content(mark), await _newest(store, mark)
    there = set() if newest is None else newest.pieces
    if BackupName.of(mark, time.time()) in await store.names(mark):
        await asyncio.sleep(1)  # one of the same second exists
    name = BackupName.of(mark, began := time.time())
    files, added, left_out = list[BackupFile](), 0, list[LeftOut]()
    async for part in parts.parts(settings, scratch, runs=runs):
        if isinstance(part, Uncopied):
            connection = part.place.rpartition("/")[2]
            earlier = ([], None) if newest is None else newest.earlier(part.place, connection)
            files += earlier[0]
            left_out.append(LeftOut(connection, part.code, earlier[1]))
            continue
        try:
            file, new = await _store(content, there, part, scratch / "piece", began)
        except FileNotFoundError:
            continue  # a file of a message, which was not needed any more
        files.append(file)
        added += new
    manifest = Manifest(name, tuple(files), tuple(left_out))
    await store.write(manifest)
    now = await asyncio.to_thread(ordered_deletion_time, settings.data)
    left = await (store.names(mark) if keep is None else store.prune(mark, keep, now))
    await _sweep(store, content, left)
    size = sum(file.size for file in files)
    return Made(name, len(files), size, added, len(left), manifest.left_out)


async def _store(
    content: BucketCopies, there: set[str], part: BackupPart, piece: Path, at: float
) -> tuple[BackupFile, int]:
    """Store a part's pieces that the target lacks; the file as the list has it, and the bytes of those."""
    pieces, size, added = [], 0, 0
    slices = await asyncio.to_thread(lambda: iter(_slices(part.file, piece)))
    while (found := await asyncio.to_thread(next, slices, None)) is not None:
        sha256, length, file = found
        if sha256 not in there:
            await content.write(sha256, file, at, level=part.level)
            there.add(sha256)
            added += length
        pieces.append(sha256)
        size += length
    await asyncio.to_thread(piece.unlink, missing_ok=True)
    return BackupFile(part.path, size, tuple(pieces)), added


def _slices(file: Path, piece: Path) -> Iterator[tuple[str, int, Path]]:
    """Each slice of a file: its SHA-256, its bytes, and a file with it and nothing else."""
    with file.open("rb") as stream:
        whole = file.stat().st_size <= PIECE_BYTES
        while data := stream.read(PIECE_BYTES):
            if not whole:
                piece.write_bytes(data)
            yield hashlib.sha256(data).hexdigest(), len(data), file if whole else piece


async def _newest(store: BackupStore, mark: str) -> Manifest | None:
    """The newest backup, whose content need not be looked for; None where there is none, or it cannot be read."""
    names = in_the_past(await store.names(mark), time.time())
    try:
        return await store.read(names[-1]) if names else None
    except (Tampered, WrongKey):
        return None


async def _sweep(store: BackupStore, content: BucketCopies, left: Sequence[BackupName]) -> None:
    """Delete the content that no backup needs; none where one of them cannot be read."""
    needed: set[str] = set()
    for name in left:
        try:
            needed |= (await store.read(name)).pieces
        except (Tampered, WrongKey):
            return
    await content.retain(needed)
