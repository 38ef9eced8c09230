"""Writes, reads and deletes encrypted copies of media files in the bucket, part by part to bound memory.

``media/NAME/index`` says which ``media/NAME/UPLOAD.NUMBER`` make the copy, and when its file was
last needed. NAME shows nothing of the file's content. The parts of an upload are one envelope, as
backups are; the index is written when all of them are there, so a copy is whole or is none.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import tempfile
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.backup.backup_format import Header, Tampered, seal, some, unseal
from actors.connection.backup.bucket.port import Conflict
from actors.connection.backup.keyring import WrongKey
from actors.media.directory import step
from actors.media.store import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from actors.connection.backup.backup_format import Sink
    from actors.connection.backup.bucket.port import Bucket
    from actors.connection.backup.keyring import Keyring

PART_BYTES: Final = 4 * 2**20
"""Bytes of a part, about."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Index:
    """`at` is when the file was last needed, in seconds since the epoch; `parts` is how many."""

    upload: str
    parts: int
    at: float


@dataclass(frozen=True, slots=True)
class _Found:
    """`index` None: there is one, and nobody can read it."""

    name: str
    generation: int
    index: Index | None


class BucketCopies:
    """Copies of files in the bucket. Every method raises `BucketAway`; the call may be repeated, and nothing is lost.

    Two hosts may copy, renew and forget the same file: one index counts, and each write or
    removal of it says which one it replaces.
    """

    def __init__(self, bucket: Bucket, keyring: Keyring) -> None:
        self._bucket = bucket
        self._keyring = keyring

    async def write(self, sha256: str, file: Path, at: float, level: int = 0) -> None:
        """Have the file in the bucket, with the time at which it was needed.

        `level` is how hard it is compressed; files of phones and cameras are already. Raises FileNotFoundError, `StoreUnavailable`.
        """
        while True:
            found = await self._find(sha256)
            if found is not None and found.index is not None:
                if found.index.at >= at:
                    return
                index = replace(found.index, at=at)
            else:
                found = found or _Found(self._keyring.pseudonyms(sha256)[0], 0, None)
                index = await self._upload(found.name, file, at, level)
            try:
                await self._bucket.write(
                    f"media/{found.name}/index", _dump(index), found.generation
                )
            except Conflict:  # another host was there first: its copy may be all that is needed
                if found.index is None:
                    await self._remove(found.name, index.upload)
                continue
            if found.index is None:
                await self._sweep(found.name, index)
            return

    async def read(self, sha256: str, writer: Sink, scratch: Path) -> bool:
        """Write the copy of a file; False where there is none that can be read, or its digest is another.

        Encrypted bytes lie in the directory `scratch` meanwhile. Raises `StoreUnavailable`.
        """
        found = await self._find(sha256)
        if found is None or found.index is None:
            return False
        sealed = await step(partial(tempfile.TemporaryFile, dir=scratch))
        try:
            for number in range(found.index.parts):
                part = await self._bucket.read(_part(found.name, found.index.upload, number))
                if part is None:
                    return False  # it is being forgotten
                await step(sealed.write, part.data)
            await step(sealed.seek, 0)
            await step(unseal, sealed, self._keyring, writer)
        except (Tampered, WrongKey) as error:
            _damaged(error.code)
            return False
        finally:
            await asyncio.shield(asyncio.to_thread(sealed.close))
        return True

    async def forget(self, sha256: str, since: float) -> bool:
        """Remove the copy; False where its file was needed after `since`, on whatever host."""
        found = await self._find(sha256)
        if found is None:
            return True
        if found.index is not None and found.index.at >= since:
            return False
        try:
            await self._bucket.delete(f"media/{found.name}/index", found.generation)
        except Conflict:
            return False
        await self._remove(found.name, "" if found.index is None else found.index.upload)
        return True

    async def retain(self, needed: Collection[str]) -> None:
        """Remove all copies but those of these files, and what uploads left that were cut off.

        For a bucket to which nobody else writes meanwhile.
        """
        names = {name for sha256 in needed for name in self._keyring.pseudonyms(sha256)}
        found = {entry.name.split("/")[1] for entry in await self._bucket.list("media/")}
        for name in sorted(found - names):
            await self._bucket.delete(f"media/{name}/index")
            await self._remove(name, "")

    async def _upload(self, name: str, file: Path, at: float, level: int) -> Index:
        index = Index(secrets.token_hex(8), 0, at)
        stream = await asyncio.to_thread(file.open, "rb")
        try:
            header = Header(name, 0, 0, at)
            pieces = seal(stream, header, self._keyring, level=level)
            while part := await step(some, pieces, PART_BYTES):
                await self._bucket.write(_part(name, index.upload, index.parts), part)
                index = replace(index, parts=index.parts + 1)
        except StoreUnavailable:  # it is tried again, and what lies there would be more each time
            await self._remove(name, index.upload)
            raise
        finally:
            await asyncio.shield(asyncio.to_thread(stream.close))
        return index

    async def _find(self, sha256: str) -> _Found | None:
        damaged: _Found | None = None
        for name in self._keyring.pseudonyms(sha256):
            content = await self._bucket.read(f"media/{name}/index")
            if content is None:
                continue
            try:
                index = Index(**json.loads(content.data))
            except (ValueError, TypeError):
                _damaged("index")
                damaged = damaged or _Found(name, content.generation, None)
                continue
            return _Found(name, content.generation, index)
        return damaged

    async def _sweep(self, name: str, index: Index) -> None:
        """Remove what uploads left that were cut off, or came second."""
        for entry in await self._bucket.list(f"media/{name}/"):
            part = entry.name.rpartition("/")[2]
            if part != "index" and not part.startswith(f"{index.upload}."):
                await self._bucket.delete(entry.name)

    async def _remove(self, name: str, upload: str) -> None:
        """Remove the parts of an upload; of all where none is named."""
        for entry in await self._bucket.list(f"media/{name}/{upload}"):
            await self._bucket.delete(entry.name)


def _damaged(error: str) -> None:
    log.error("copy of a file damaged", action="media_copy_damaged", error=error)


def _part(name: str, upload: str, number: int) -> str:
    return f"media/{name}/{upload}.{number:05d}"


def _dump(index: Index) -> bytes:
    return json.dumps(asdict(index)).encode()
