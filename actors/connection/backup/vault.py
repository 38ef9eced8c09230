"""Encrypts session snapshots into copies in a bucket; lists, decrypts and checks, prunes and rewraps copies.

A copy is ``sessions/CONNECTION/EPOCH-COMMIT``, written once and never changed. The newest is the
one with the highest name, so an owner whose epoch is over can add copies, but none that counts.
"""

from __future__ import annotations

import asyncio
import io
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.backup.backup_format import Header, Tampered, peek, rewrap, seal, unseal
from actors.connection.backup.bucket.port import Conflict
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

_NAME: Final = re.compile(rf"sessions/({connection_ids.ID})/(\d{{12}})-(\d{{12}})", re.ASCII)

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
        found = []
        for entry in await self._bucket.list(prefix):
            if name := _NAME.fullmatch(entry.name):
                position = Position(int(name[2]), int(name[3]))
                found.append(SessionCopy(name[1], position, entry.size, entry.at))
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
        session, by their names: older than the session is now. Raises `SessionUnavailable`,
        `SessionDamaged` or `BackupTooLarge`.
        """
        try:
            position, sealed = await asyncio.to_thread(
                self._seal, connection, file, scratch, newer_than, enclosed or {}
            )
        except OSError as error:
            raise SessionUnavailable(type(error).__name__) from None
        finally:
            remove(scratch)
        if sealed is None:
            return None
        copy = SessionCopy(connection, position, len(sealed), self._clock())
        try:
            await self._bucket.write(copy.name, sealed)
        except Conflict:
            log.info("copy exists already", action="backup", connection=connection)
        return copy

    async def restore(self, copy: SessionCopy, target: Path) -> Sequence[str]:
        """Write the session of a copy to `target`, which is replaced; the names of the files with keys `beside` it.

        Every page of them was looked at. Raises `Tampered`, also where there is no such copy or one of its pages is
        broken, or `WrongKey`; nothing is at `target` then.
        """
        content = await self._bucket.read(copy.name)
        if content is None:
            raise Tampered("it is gone")
        return await asyncio.to_thread(self._unseal, copy, content.data, target)

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
        """Remove all but the newest; those that are left."""
        for copy in copies[:-COPIES_KEPT]:
            await self._bucket.delete(copy.name)
        return list(copies[-COPIES_KEPT:])

    async def forget(self, connection: str) -> None:
        """Remove every copy of a deleted connection."""
        for copy in await self.copies(connection):
            await self._bucket.delete(copy.name)

    def _old(self, sealed: bytes) -> bool:
        return peek(io.BytesIO(sealed)).key_id != self._keyring.newest

    def _seal(
        self,
        connection: str,
        file: Path,
        scratch: Path,
        newer_than: Position | None,
        enclosed: Mapping[str, Path],
    ) -> tuple[Position, bytes | None]:
        position = snapshot(file, scratch)
        if position == newer_than:
            return position, None
        if enclosed:
            enclose(scratch, enclosed)
        header = Header(connection, *position, at=self._clock())
        with scratch.open("rb") as stream:
            return position, b"".join(seal(stream, header, self._keyring))

    def _unseal(self, copy: SessionCopy, sealed: bytes, target: Path) -> Sequence[str]:
        remove(target)
        try:
            with target.open("xb") as stream:
                target.chmod(0o600)
                header = unseal(io.BytesIO(sealed), self._keyring, stream)
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
