"""Copies the parts of an instance one after the other while it runs: each before those to which it hands its items.

The order is the consistency: an item that moves on while the parts are copied is in the part that it left, in the one
that it came to, or in both, and never in neither. Repeats are what every part expects after a crash.

sessions → queue → state store → files
"""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.config.settings import RUNTIME_FILE
from actors.connection import whatsmeow
from actors.connection.backup.restore import OLDER_DIRECTORY
from actors.connection.backup.session_snapshot import beside, enclose, remove, snapshot
from actors.connection.session import SESSION_FILE
from actors.connection.session.file import NO_POSITION
from actors.connection.session.session import (
    Session,
    SessionBlocked,
    SessionDamaged,
    SessionTooNew,
    SessionUnavailable,
)
from actors.media.store import SHA256_PATTERN
from actors.redis import rdb
from actors.runtime.sqlite_writer import CopyFailed, copy_database
from supervision.keeper import manifest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from actors.config.settings import Settings

LOG: Final = "valkey/appendonlydir"
AOF_BASE: Final = f"{LOG}/appendonly.aof.1.base.rdb"
LOG_LIST: Final = f"{LOG}/appendonly.aof.manifest"
"""The log of the embedded Valkey as it begins with a snapshot."""

DAMAGED_CONDITIONS: Final = frozenset({"SQLITE_NOTADB", "SQLITE_CORRUPT"})
"""SQLite's names of damage, by which no try copies a file."""


class BackupPart(NamedTuple):
    """A file of the backup: its path in the data directory, and where it lies until the next part is asked for.

    `level` is how hard it is compressed.
    """

    path: str
    file: Path
    level: int = 6


class Uncopied(NamedTuple):
    """A session that cannot be copied, while all others can: its directory in the data directory, and a stable code."""

    place: str
    code: str


async def parts(
    settings: Settings, scratch: Path, *, runs: bool
) -> AsyncIterator[BackupPart | Uncopied]:
    """Yield all parts, in their order; `scratch` is a directory for the one that is at hand.

    `runs`: Redis is asked for the queue; else the files of the embedded one, which is stopped, are taken. A damaged
    session is `Uncopied`. Raises what `snapshot`, `copy_database` and `rdb.snapshot` raise besides.
    """
    for directory in sorted(settings.sessions.glob("*/")):
        async for session in _sessions(directory, scratch):
            yield session
    async for part in _queue(settings, scratch) if runs else _log(settings.data):
        yield part
    async for part in _databases(settings.data, [settings.state_file], scratch):
        yield part
    for file in await asyncio.to_thread(lambda: list(_media(settings))):
        yield BackupPart(str(file.relative_to(settings.data)), file, 0)
    # Behind the files: the list may have some that are not in the backup, which is as if a disk had lost them.
    lists = sorted(settings.data.glob("media*.db"))
    async for part in _databases(settings.data, lists, scratch):
        yield part
    for name in (RUNTIME_FILE, manifest.MANIFEST_FILE):
        if (settings.data / name).exists():
            yield BackupPart(name, settings.data / name)


async def copy_keys(file: Path, scratch: Path) -> dict[str, Path]:
    """Copy the keys beside a session, where its engine has them there, to `scratch`; before the session itself."""
    database, keys = file.with_name(whatsmeow.DATABASE), beside(scratch, whatsmeow.DATABASE)
    if not database.exists():
        return {}
    await whatsmeow.copy_keys(database, Session.stored_position(file).epoch, keys)
    return {whatsmeow.DATABASE: keys}


async def _sessions(directory: Path, scratch: Path) -> AsyncIterator[BackupPart | Uncopied]:
    try:
        async for part in _session(directory, scratch):
            yield part
    except (SessionBlocked, SessionDamaged, SessionTooNew) as error:
        yield Uncopied(f"sessions/{directory.name}", error.code)


def _older(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"{OLDER_DIRECTORY}/*/{SESSION_FILE}"))


async def _session(directory: Path, scratch: Path) -> AsyncIterator[BackupPart]:
    """The session of a connection, its keys enclosed, and older files whose items nobody stored yet."""
    place = f"sessions/{directory.name}"
    file, copy = directory / SESSION_FILE, scratch / SESSION_FILE
    try:
        if file.exists() and not file.is_file():
            raise SessionBlocked
        keys = await copy_keys(file, copy)
        position = await asyncio.to_thread(snapshot, file, copy) if file.exists() else NO_POSITION
        if keys:
            await asyncio.to_thread(enclose, copy, keys)
    except SessionUnavailable:
        if file.exists():
            raise
        return  # its connection was deleted just now
    finally:
        remove(beside(copy, whatsmeow.DATABASE))
    if position != NO_POSITION:
        yield BackupPart(f"{place}/{SESSION_FILE}", copy)
    remove(copy)
    async for part in _older_files(directory, scratch):
        yield part


async def _older_files(directory: Path, scratch: Path) -> AsyncIterator[BackupPart]:
    for older in _older(directory):
        try:
            async for part in _databases(directory.parent.parent, [older], scratch):
                yield part
        except CopyFailed as error:
            if str(error) not in DAMAGED_CONDITIONS:
                raise
            # As it is: its items are lost here as there, and all else is not to wait for it.
            yield BackupPart(str(older.relative_to(directory.parent.parent)), older)


async def _databases(data: Path, files: list[Path], scratch: Path) -> AsyncIterator[BackupPart]:
    for file in files:
        if not file.exists():
            continue
        copy = scratch / file.name
        await asyncio.to_thread(copy_database, file, copy)
        yield BackupPart(str(file.relative_to(data)), copy)
        remove(copy)


async def _queue(settings: Settings, scratch: Path) -> AsyncIterator[BackupPart]:
    """Redis as of one moment, as the log of an embedded Valkey."""
    base, listed = scratch / "queue.rdb", scratch / "queue.list"
    await rdb.snapshot(settings, base, lambda _: None)
    yield BackupPart(AOF_BASE, base)
    base.unlink()
    listed.write_text(f"file {AOF_BASE.rpartition('/')[2]} seq 1 type b\n")
    yield BackupPart(LOG_LIST, listed)
    listed.unlink()


async def _log(data: Path) -> AsyncIterator[BackupPart]:
    for file in sorted((data / LOG).glob("appendonly*")):
        yield BackupPart(f"{LOG}/{file.name}", file)


def _media(settings: Settings) -> Iterator[Path]:
    return (
        file for file in sorted(settings.media.glob("??/*")) if SHA256_PATTERN.fullmatch(file.name)
    )


def clear(scratch: Path) -> None:
    """Make the directory anew: the files of a killed backup are secret, and large."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
