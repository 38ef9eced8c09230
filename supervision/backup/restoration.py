"""Restores a whole instance from a backup into an empty directory, from which `teimoso up` goes on."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.config.settings import Settings
from actors.connection.backup.backup_format import Tampered
from actors.connection.backup.bucket.port import BucketAway
from actors.connection.backup.open_vault import open_bucket, open_vault
from actors.connection.backup.restore import RESTORING
from actors.connection.backup.session_snapshot import disclose
from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session
from actors.media.store import StoreUnavailable
from actors.redis.leases.leases import Leases
from actors.runtime.private_directory import make_private
from actors.state.connections import Connections
from actors.state.open_store import open_documents
from supervision.backup import restored_queue, session_placement
from supervision.backup.backup_store import in_the_past
from supervision.backup.restored_queue import Ended, QueueUnreadable
from supervision.backup.unfinished import UNFINISHED_RESTORE, unfinished

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from actors.connection.backup.vault import SessionCopy
    from actors.media.bucket_copies import BucketCopies
    from actors.redis.leases.lease_record import Position
    from supervision.backup.backup_store import (
        BackupFile,
        BackupName,
        BackupStore,
        LeftOut,
        Manifest,
    )

RESTORE_SCRATCH: Final = "restore.scratch"


class CannotRestore(Exception):
    """Nothing was restored: the message is the reason, a sentence for a person. The directory can be tried again."""


class Restored(NamedTuple):
    """A backup that was restored: its connections, what `restored_queue.settle` ended, and the sessions that it lacks."""

    name: BackupName
    files: int
    connections: tuple[str, ...]
    ended: Ended
    left_out: tuple[LeftOut, ...]


async def restore(
    data: Path, store: BackupStore, named: str | None, announce: Callable[[Manifest], None]
) -> Restored:
    """Write the backup with that name, the newest one with None, to `data`; `unfinished.finish` lets it be started.

    `announce` gets its list before anything is written. Raises `CannotRestore`, `WrongKey`, `Tampered` or `BucketAway`: the directory has a mark then, and is begun anew by
    the next call. A directory with anything else in it is left as it is.
    """
    require_empty(data)
    name = _chosen(await store.names(), named)
    manifest = await store.read(name)
    announce(manifest)
    await asyncio.to_thread(_begin, data)
    scratch, content = data / RESTORE_SCRATCH, store.content(name.mark)
    try:
        await asyncio.to_thread(scratch.mkdir, mode=0o700)
        for file in manifest.files:
            await _write(content, file, data / file.path, scratch)
        settings = Settings.load(data)
        connections, ended, epochs = await _settle(data, settings)
        for session in sorted(settings.sessions.glob(f"*/{SESSION_FILE}")):
            newest = await _newest(settings, session)
            await _place(session, epochs.get(session.parent.name, 0), newest)
    except (OSError, StoreUnavailable) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise CannotRestore(f"{data} cannot be written: {reason}.") from None
    except QueueUnreadable as error:
        raise CannotRestore(f"The queue of the backup cannot be loaded: {error}") from None
    await asyncio.to_thread(shutil.rmtree, scratch)
    return Restored(name, len(manifest.files), connections, ended, manifest.left_out)


def require_empty(data: Path) -> None:
    """Raise `CannotRestore` unless `data` is empty, missing, or has what a restore left that was cut off."""
    if data.exists() and not data.is_dir():
        raise CannotRestore(f"{data} is no directory.")
    if data.is_dir() and any(data.iterdir()) and not unfinished(data):
        raise CannotRestore(
            f"{data} is not empty: a backup is restored into a directory of its own."
        )


def _begin(data: Path) -> None:
    make_private(data)
    (data / UNFINISHED_RESTORE).touch(mode=0o600)
    for left in data.iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        elif left.name != UNFINISHED_RESTORE:
            left.unlink()


def _chosen(names: list[BackupName], named: str | None) -> BackupName:
    if named is not None:
        found = [name for name in names if str(name) == named]
        if not found:
            raise CannotRestore(f"There is no whole backup {named} there.")
        return found[0]
    if not names:
        raise CannotRestore("There is no whole backup there.")
    past = in_the_past(names, time.time())
    if not past:
        raise CannotRestore(
            f"All backups there are of the future by this machine's clock: set it, or name one by --copy {names[-1]}."
        )
    marks = sorted({name.mark for name in names})
    if len(marks) > 1:
        raise CannotRestore(
            f"There are backups of {len(marks)} instances there, {', '.join(marks)}:"
            " name one by --copy MARK/TIME; `teimoso backup list --from` shows them."
        )
    return max(past, key=lambda name: name.at)


class _Checked:
    """A piece on its way to its file; its content and size are checked behind it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        self._hash.update(data)
        self._stream.write(data)


async def _write(content: BucketCopies, file: BackupFile, target: Path, scratch: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        for sha256 in file.pieces:
            piece = _Checked(stream)
            there = await content.read(sha256, piece, scratch)
            if not there or piece.digest != sha256:
                raise Tampered(f"a part of {file.path} is missing or changed")
        stream.flush()
        if stream.tell() != file.size:
            raise Tampered(f"the length of {file.path}")


async def _settle(
    data: Path, settings: Settings
) -> tuple[tuple[str, ...], Ended, Mapping[str, int]]:
    """Bring the queue up to the state store; the connections, what was ended, and the newest epoch of each."""
    documents = open_documents(settings)
    try:
        there = [one.id for one in (await Connections(documents).list(deleted=True)).items]
        async with restored_queue.served(data, settings) as redis:
            ended = await restored_queue.settle(redis, settings, documents, there)
            leases = await Leases(redis).read_all(there)
    finally:
        await documents.close()
    return tuple(there), ended, {name: lease.epoch for name, lease in leases.items()}


async def _newest(settings: Settings, file: Path) -> SessionCopy | None:
    """The newest copy of a session in the bucket of sessions; None where there is none, or the bucket is away."""
    if settings.session_storage_type == "local":
        return None
    try:
        copies = await open_vault(settings, open_bucket(settings)).copies(file.parent.name)
    except BucketAway:
        return None
    return copies[-1] if copies else None


async def _place(file: Path, epoch: int, newest: SessionCopy | None) -> None:
    """Have the session served under a new epoch, unless the bucket has a newer one, which the start takes."""
    position: Position = await asyncio.to_thread(Session.check, file)
    restoring = file.with_name(RESTORING)
    await asyncio.to_thread(file.replace, restoring)
    enclosed = await asyncio.to_thread(disclose, restoring)
    if newest is not None and newest.position > position:
        restoring.replace(file)
        for name in enclosed:
            file.with_name(f"{RESTORING}.{name}").replace(file.with_name(name))
        return
    await session_placement.place(restoring, file, max(epoch, position.epoch) + 1)
