"""Encrypts session snapshots into copies in a bucket; lists, decrypts and checks, prunes and rewraps copies.

A copy is ``sessions/CONNECTION/EPOCH-COMMIT``, written once and never changed. The newest is the
one with the highest name, so an owner whose epoch is over can add copies, but none that counts. The rest of
a copy beyond `COPY_PART_BYTES` is in objects ``….MARK.NUMBER``, written before it: a copy is whole or is none.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, Final

import structlog

from actors.connection.backup.backup_format import (
    Header,
    Tampered,
    peek,
    rewrap,
    seal,
    some,
    unseal,
)
from actors.connection.backup.bucket.port import BucketAway, Conflict
from actors.connection.backup.session_snapshot import (
    BESIDE,
    beside,
    disclose,
    enclose,
    remove,
    snapshot,
)
from actors.connection.session.session import Session, SessionDamaged, SessionUnavailable
from actors.redis.leases.lease_record import Position
from actors.runtime import connection_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from actors.connection.backup.bucket.port import Bucket
    from actors.connection.backup.keyring import Keyring

log = structlog.get_logger()

COPIES_KEPT: Final = 5
"""Copies of a connection that stay; the others go once a newer one is there."""

COPY_PART_BYTES: Final = 8 * 2**20
"""Bytes of an object, about: a session of any size is copied and restored with that much in memory."""

_NAME: Final = re.compile(
    rf"sessions/({connection_ids.ID})/(\d{{12}})-(\d{{12}})(\.[0-9a-f]{{16}}\.\d{{5}})?", re.ASCII
)

SNAPSHOT_FILE: Final = "session.snapshot"
"""Where a snapshot lies until it is sealed, beside its session: as secret as that."""


@dataclass(frozen=True, slots=True)
class SessionCopy:
    """One copy in the bucket. `size` is in bytes, `at` when it was written."""

    connection: str
    position: Position
    size: int = 0
    at: float = 0.0

    def __str__(self) -> str:
        return "-".join(map(str, self.position))

    @property
    def name(self) -> str:
        """The name of its object."""
        epoch, commit = self.position
        return f"sessions/{self.connection}/{epoch:012d}-{commit:012d}"


class Vault:
    """Copies of sessions, encrypted before they leave the process (G10).

    Every method raises `BucketAway` while the bucket is away; then nothing is lost, and what it was
    asked may be asked again.
    """

    def __init__(
        self, bucket: Bucket, keyring: Keyring, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._bucket = bucket
        self._keyring = keyring
        self._clock = clock

    async def copies(self, connection: str | None = None) -> list[SessionCopy]:
        """The copies of a connection, or of all, the oldest first."""
        prefix = "sessions/" if connection is None else f"sessions/{connection}/"
        found = list[SessionCopy]()
        for entry in await self._bucket.list(prefix):
            if not (name := _NAME.fullmatch(entry.name)):
                continue
            if name[4] is None:
                position = Position(int(name[2]), int(name[3]))
                found.append(SessionCopy(name[1], position, entry.size, entry.at))
            elif found and entry.name.startswith(found[-1].name):
                found[-1] = replace(found[-1], size=found[-1].size + entry.size)
        return sorted(found, key=lambda copy: (copy.connection, copy.position))

    async def back_up(
        self,
        connection: str,
        file: Path,
        scratch: Path,
        newer_than: Position | None = None,
        enclosed: Mapping[str, Path] | None = None,
    ) -> SessionCopy | None:
        """Copy the session as it is now; None where it is no further than `newer_than`.

        `scratch` is where its snapshot may lie meanwhile. `enclosed` are copies of the files beside the
        session, by their names: older than the session is now. Raises `SessionUnavailable` or
        `SessionDamaged`.
        """
        try:
            position = await asyncio.to_thread(snapshot, file, scratch)
            if position == newer_than:
                return None
            if enclosed:
                await asyncio.to_thread(enclose, scratch, enclosed)
            copy = SessionCopy(connection, position, at=self._clock())
            return await self._write(copy, scratch)
        except OSError as error:
            raise SessionUnavailable(type(error).__name__) from None
        finally:
            remove(scratch)

    async def _write(self, copy: SessionCopy, scratch: Path) -> SessionCopy:
        header = Header(copy.connection, *copy.position, at=copy.at)
        with scratch.open("rb") as stream:
            pieces = seal(stream, header, self._keyring)
            first = await asyncio.to_thread(some, pieces, COPY_PART_BYTES)
            size, number = len(first), 1
            try:
                while part := await asyncio.to_thread(some, pieces, COPY_PART_BYTES):
                    await self._bucket.write(f"{_parts(copy, header)}{number:05d}", part)
                    size, number = size + len(part), number + 1
            except (BucketAway, OSError):
                # It is tried again, and leaves no more each time.
                with suppress(BucketAway):
                    await self._remove(_parts(copy, header))
                raise
        try:
            await self._bucket.write(copy.name, first)
        except Conflict:
            log.info("copy exists already", action="backup", connection=copy.connection)
        return replace(copy, size=size)

    async def restore(
        self, copy: SessionCopy, target: Path, *, within: float | None = None
    ) -> Sequence[str]:
        """Write the session of a copy to `target`, which is replaced; the names of the files with keys `beside` it.

        Every page of them was looked at. Raises `Tampered`, also where there is no such copy or one of its pages is
        broken, or `WrongKey`; nothing is at `target` then. TimeoutError where an answer of the bucket takes longer than
        `within` seconds. Encrypted bytes lie in the directory of `target` meanwhile.
        """
        with tempfile.TemporaryFile(dir=target.parent) as sealed:
            name, header, number = copy.name, None, 0
            while True:
                async with asyncio.timeout(within):
                    content = await self._bucket.read(name)
                if content is None and header is None:
                    raise Tampered("it is gone")
                if content is None:
                    break
                await asyncio.to_thread(sealed.write, content.data)
                if len(content.data) < COPY_PART_BYTES:
                    break
                header, number = header or peek(io.BytesIO(content.data)), number + 1
                name = f"{_parts(copy, header)}{number:05d}"
            await asyncio.to_thread(sealed.seek, 0)
            return await asyncio.to_thread(self._unseal, copy, sealed, target)

    async def is_old(self, copy: SessionCopy) -> bool:
        """Whether its data key is under another key than the newest. Raises `Tampered`."""
        content = await self._bucket.read(copy.name)
        return content is not None and self._old(content.data)

    async def rewrap(self, copy: SessionCopy) -> bool:
        """Put the copy's data key under the newest key; False where it was already.

        Raises `Tampered` or `WrongKey`.
        """
        content = await self._bucket.read(copy.name)
        if content is None or not self._old(content.data):
            return False
        try:
            await self._bucket.write(
                copy.name, rewrap(content.data, self._keyring), content.generation
            )
        except Conflict:
            return False
        return True

    async def prune(self, copies: Sequence[SessionCopy]) -> list[SessionCopy]:
        """Remove all but the newest, and parts that older owners left; the copies that are left."""
        kept = list(copies[-COPIES_KEPT:])
        if len(copies) > len(kept):
            await self._remove(f"sessions/{kept[0].connection}/", kept[0].name)
        return kept

    async def forget(self, connection: str) -> None:
        """Remove every copy of a deleted connection."""
        await self._remove(f"sessions/{connection}/")

    async def _remove(self, prefix: str, before: str | None = None) -> None:
        """Remove the objects of this prefix, or those of lesser names: each copy, then its parts."""
        for entry in await self._bucket.list(prefix):
            if _NAME.fullmatch(entry.name) and (before is None or entry.name < before):
                await self._bucket.delete(entry.name)

    def _old(self, sealed: bytes) -> bool:
        return peek(io.BytesIO(sealed)).key_id != self._keyring.newest

    def _unseal(self, copy: SessionCopy, sealed: BinaryIO, target: Path) -> Sequence[str]:
        remove(target)
        try:
            with target.open("xb") as stream:
                target.chmod(0o600)
                header = unseal(sealed, self._keyring, stream)
            if not header.belongs(copy.connection, copy.position):
                raise Tampered("another copy under its name")  # noqa: TRY301
            if Session.check(target) != copy.position:
                raise Tampered("another session")  # noqa: TRY301
            return disclose(target)
        except BaseException as error:
            for file in (target, *(beside(target, name) for name in BESIDE)):
                remove(file)
            if isinstance(error, SessionDamaged):
                raise Tampered("a page of the session or of its keys cannot be read") from None
            raise


def _parts(copy: SessionCopy, header: Header) -> str:
    """The names of the parts without their numbers: by the header, since those of another try are under another key."""
    return f"{copy.name}.{hashlib.sha256(header.context).hexdigest()[:16]}."
