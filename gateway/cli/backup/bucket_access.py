"""Lists, creates, verifies, restores and rewraps session backups in the bucket; needs no running instance."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from actors.config.settings import InvalidSettings, Settings
from actors.connection import whatsmeow
from actors.connection.backup.backup_format import Tampered
from actors.connection.backup.bucket.port import BucketAway
from actors.connection.backup.keyring import WrongKey
from actors.connection.backup.open_vault import open_bucket, open_vault
from actors.connection.backup.restore import RESTORING
from actors.connection.backup.session_snapshot import BESIDE, beside, remove
from actors.connection.backup.vault import SNAPSHOT_FILE, SessionCopy
from actors.connection.session import SESSION_FILE
from actors.connection.session.session import (
    Session,
    SessionBlocked,
    SessionDamaged,
    SessionTooNew,
    SessionUnavailable,
)
from actors.redis.client import RedisAway, connect
from actors.redis.leases.lease_record import Position
from actors.redis.leases.leases import LeaseLost, Leases, Owner
from actors.runtime import host_identity
from actors.runtime.connection_ids import is_connection, name_of
from actors.state.connection_document import ENGINE
from actors.state.connections import ConnectionExists, Connections
from actors.state.documents import StoreAway
from actors.state.open_store import open_documents
from gateway.cli import output
from gateway.cli.instance.preparation import running
from supervision.backup.parts import copy_keys
from supervision.backup.session_placement import place
from supervision.jobs.verify_backups import verified
from supervision.keeper.manifest import Plan, UnreadableManifest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

T = TypeVar("T")

ABANDONED = 3600.0
"""Seconds after which no command can still be at work on its scratch file."""


class CommandFailed(Exception):
    """A command cannot run; the message is the reason, a sentence for a person."""


def run(data: Path, work: Callable[[Desk], Awaitable[T]]) -> T:
    """Return the result of `work`; end the command with a sentence where it fails."""
    try:
        settings = _settings(data)
        if settings.session_storage_type == "local":
            output.refuse("There is no bucket: STORAGE_BUCKET names one.")
        return asyncio.run(_done(work, Desk(settings)))
    except BucketAway as away:
        output.refuse(f"The bucket does not answer: {away.reason}.")
    except (CommandFailed, WrongKey, Tampered) as refusal:
        output.refuse(str(refusal))
    except RedisAway:
        output.refuse("Redis does not answer, so nobody can say who serves the connection.")
    except (SessionDamaged, SessionTooNew, SessionUnavailable) as error:
        output.refuse(f"The session cannot be copied: {error.code}.")


async def _done(work: Callable[[Desk], Awaitable[T]], desk: Desk) -> T:
    return await work(desk)


def _settings(data: Path) -> Settings:
    try:
        return Settings.load(data)
    except (OSError, ValueError):
        pass  # never started here: the environment counts
    from actors.config.sources import resolve_settings  # noqa: PLC0415 - heavy, seldom needed

    try:
        return resolve_settings(data=data)
    except InvalidSettings as error:
        raise CommandFailed(str(error)) from None


class Desk:
    """The copies of one instance's sessions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._vault = open_vault(settings, open_bucket(settings))

    async def show(self, connection: str | None) -> list[dict[str, Any]]:
        """The copies in the bucket, of one connection or of all."""
        return [_shown(copy) for copy in await self._copies(connection)]

    async def create(self, connection: str | None) -> dict[str, list[dict[str, Any]]]:
        """Copy what lies in the data directory; a session that is older than a copy stays older.

        `items` are the copies. One that no try copies is in `left_out`, with its newest copy.
        """
        made, left_out = [], []
        found = sorted(self._settings.sessions.glob(f"*/{SESSION_FILE}"))
        if connection is not None:
            found = [file for file in found if _matches(file.parent.name, connection)]
            if not found:
                raise CommandFailed(f"There is no session of {connection} here.")
        for file in found:
            await asyncio.to_thread(_clear, file.parent)
            # Not where the owner puts its own.
            scratch = file.with_name(f"{SNAPSHOT_FILE}-{os.getpid()}")
            try:
                copy = await self._copy(file, scratch)
            except (SessionBlocked, SessionDamaged, SessionTooNew) as error:
                before = await self._vault.copies(file.parent.name)
                left_out.append(
                    {
                        "connection": name_of(file.parent.name),
                        "incarnation": file.parent.name,
                        "code": error.code,
                        "newest": str(before[-1]) if before else None,
                    }
                )
                continue
            assert copy is not None
            made.append(_shown(copy))
        return {"items": made, "left_out": left_out}

    async def _copy(self, file: Path, scratch: Path) -> SessionCopy | None:
        """Copy a session, and the keys beside it where its engine has them there: these first."""
        try:
            enclosed = await copy_keys(file, scratch)
            return await self._vault.back_up(file.parent.name, file, scratch, enclosed=enclosed)
        finally:
            remove(beside(scratch, whatsmeow.DATABASE))

    async def verify(self, connection: str | None, *, every: bool) -> list[dict[str, Any]]:
        """Restore and read back each copy, or the newest of each connection."""
        copies = await self._copies(connection)
        if not every:
            copies = list({copy.connection: copy for copy in copies}.values())
        with tempfile.TemporaryDirectory(prefix="teimoso-verify-") as scratch:
            return [
                _shown(copy) | await verified(self._vault, copy, Path(scratch)) for copy in copies
            ]

    async def restore(self, named: str, which: str | None) -> dict[str, Any]:
        """Put a copy in the place of the session, under a lease where anybody may take one.

        Without `which` it is the newest that can be read; newer ones are `refused` in the answer.
        An unknown connection is registered under the copy's id: stopped, without
        a webhook, and not shown as online (`registered` in the answer). A connection never gets the copy of another one that had its name.
        """
        registered = await self._registered(named)
        copies = await self._copies(named if registered is None else registered)
        chosen = _chosen(named, copies, which)
        connection = registered or chosen[0].connection
        file = self._settings.sessions / connection / SESSION_FILE
        await asyncio.to_thread(file.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
        await asyncio.to_thread(_clear, file.parent)
        restoring = file.with_name(f"{RESTORING}-{os.getpid()}")
        copy, enclosed = await self._read(chosen, restoring)
        try:
            newest = max(one.position.epoch for one in copies)
            epoch = await self._under_lease(connection, file, restoring, newest)
        finally:
            for left in (restoring, *(beside(restoring, name) for name in BESIDE)):
                await asyncio.to_thread(remove, left)
        if registered is None:
            async with self._registry() as registry:
                engine = ENGINE if whatsmeow.DATABASE in enclosed else "native"
                await registry.create(
                    name_of(connection), engine=engine, id=connection, desired="stopped"
                )
        return _shown(copy) | {
            "epoch": epoch,
            "registered": registered is None,
            "refused": [str(each) for each in chosen[: chosen.index(copy)]],
        }

    async def _read(
        self, copies: Sequence[SessionCopy], restoring: Path
    ) -> tuple[SessionCopy, Sequence[str]]:
        """Write the first of the copies that can be read to `restoring`; which one, and the files beside it."""
        refusal = None
        for copy in copies:
            try:
                return copy, await self._vault.restore(copy, restoring)
            except Tampered as error:
                refusal = refusal or error
        assert refusal is not None
        raise refusal

    async def rewrap(self) -> dict[str, Any]:
        """Encrypt the data key of each copy under the current master key; the copies themselves stay."""
        copies = await self._vault.copies()
        done = [await self._vault.rewrap(copy) for copy in copies]
        return {"copies": len(done), "rewrapped": sum(done)}

    async def _under_lease(self, connection: str, file: Path, restoring: Path, epoch: int) -> int:
        with_file = max(epoch, _epoch(file))
        if self._asleep():
            # Its own Redis is stopped and so is everything else: nobody can take a lease.
            await place(restoring, file, with_file + 1)
            return with_file + 1
        redis = connect(self._settings)
        leases = Leases(redis)
        try:
            before = await leases.read(connection)
            if before is not None and before.owner is not None:
                raise CommandFailed(
                    f"{(name := name_of(connection))} is served:"
                    f" `teimoso connections stop {name}` first."
                )
            owner = Owner("backup", os.getpid(), host_identity.here())
            try:
                lease = await leases.take(connection, owner, with_file)
            except LeaseLost:
                raise CommandFailed(f"{connection} was deleted.") from None
            try:
                await place(restoring, file, lease.epoch)
                position = await asyncio.to_thread(Session.stored_position, file)
                await leases.note_session(connection, lease.epoch, position)
            finally:
                await leases.release(connection, lease.epoch, state="stopped", cause=None)
            return lease.epoch
        finally:
            await redis.aclose()

    def _asleep(self) -> bool:
        try:
            plan = Plan.load(self._settings.data)
        except UnreadableManifest as error:
            raise CommandFailed(str(error)) from None
        named = self._settings.redis_url is not None or self._settings.redis_host is not None
        own = plan.valkey if plan is not None else not named
        return own and not running(self._settings.data)

    async def _copies(self, connection: str | None) -> list[SessionCopy]:
        if connection is not None and not is_connection(connection):
            raise CommandFailed(f"{connection!r} is not the id of a connection.")
        copies = await self._vault.copies()
        found = [
            copy for copy in copies if connection is None or _matches(copy.connection, connection)
        ]
        return found if connection is None else sorted(found, key=lambda copy: copy.at)

    async def _registered(self, named: str) -> str | None:
        """The id of the connection; None where nobody has the name."""
        if not is_connection(named):
            raise CommandFailed(f"{named!r} is not the id of a connection.")
        async with self._registry() as registry:
            found = await registry.get(name_of(named), deleted=True)
        if found is None:
            return None
        if found.deleted or named not in (found.name, found.id):
            raise CommandFailed(
                f"Another connection has the name {found.name}, or is being removed."
            )
        return found.id

    @asynccontextmanager
    async def _registry(self) -> AsyncIterator[Connections]:
        documents = open_documents(self._settings)
        try:
            yield Connections(documents)
        except StoreAway:
            raise CommandFailed("The state store does not list its connections.") from None
        except ConnectionExists:
            raise CommandFailed(
                "A connection of that name is being removed: try again soon."
            ) from None
        finally:
            await documents.close()


def _matches(connection: str, named: str) -> bool:
    """Whether a connection is meant by a name, or by an id."""
    return named in (connection, name_of(connection))


def _clear(directory: Path) -> None:
    """Remove what a command left that was killed: it is as secret as the session."""
    for kind in (SNAPSHOT_FILE, RESTORING):
        for file in directory.glob(f"{kind}-*"):
            with suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > ABANDONED:
                    file.unlink()


def _epoch(file: Path) -> int:
    try:
        return Session.stored_position(file).epoch
    except SessionDamaged:
        return 0


def _chosen(connection: str, copies: list[SessionCopy], which: str | None) -> list[SessionCopy]:
    """The copies that may be restored, the first one that can be read."""
    if not copies:
        raise CommandFailed(f"There is no copy of {connection}.")
    if which is None:
        return [copy for copy in reversed(copies) if copy.connection == copies[-1].connection]
    found = re.fullmatch(r"(\d{1,12})-(\d{1,12})", which, re.ASCII)
    wanted = Position(int(found[1]), int(found[2])) if found else None
    for copy in copies:
        if copy.position == wanted:
            return [copy]
    raise CommandFailed(
        f"There is no copy {which} of {connection}; `teimoso backup list` names them."
    )


def _shown(copy: SessionCopy) -> dict[str, Any]:
    epoch, commit = copy.position
    return {
        "connection": name_of(copy.connection),
        "incarnation": copy.connection,
        "copy": str(copy),
        "epoch": epoch,
        "commit": commit,
        "at": output.moment(copy.at),
        "size": copy.size,
    }
