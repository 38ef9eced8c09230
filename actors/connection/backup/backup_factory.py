"""Creates the objects that back up and restore one connection's session, where the settings name a bucket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from actors.connection.backup.bucket.access import BucketAccess
from actors.connection.backup.open_vault import open_vault
from actors.connection.backup.restore import Restorer
from actors.connection.backup.schedule import BackupSchedule
from actors.connection.backup.stranded_inbox import StrandedInbox

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.connection.backup.bucket.port import Bucket
    from actors.connection.backup.schedule import CopyKeys
    from actors.connection.backup.vault import Vault
    from actors.connection.owner.sender import Ticket
    from actors.connection.state_manager.port import State
    from actors.queue.outbound_queue import OutboundQueue
    from actors.redis.leases.leases import Lease, Leases


class ConnectionBackup:
    """Makes the objects that back up and restore one connection's session."""

    def __init__(self, settings: Settings, leases: Leases, vault: Vault, way: BucketAccess) -> None:
        self._settings = settings
        self._leases = leases
        self._vault = vault
        self._way = way

    @classmethod
    def of(cls, settings: Settings, leases: Leases) -> Self | None:
        """None where sessions are kept in the data directory alone."""
        way = BucketAccess.of(settings)
        if way.bucket is None:
            return None
        return cls(settings, leases, open_vault(settings, way.bucket), way)

    @property
    def bucket(self) -> Bucket | None:
        """The bucket as this process reaches it."""
        return self._way.bucket

    def reach(self, handle: Any) -> None:
        """Reach the bucket through this actor from now on."""
        self._way.through(handle)

    def restorer(
        self, connection: str, file: Path, renew: Callable[[Path, int], Awaitable[None]]
    ) -> Restorer:
        """The restorer, which puts the live session in its place."""
        alone = not self._settings.several_hosts
        return Restorer(self._vault, connection, file, alone=alone, renew=renew)

    def copies(
        self, ticket: Ticket, lease: Lease, restorer: Restorer, lanes: OutboundQueue, state: State
    ) -> SessionCopies:
        """The maker of copies of the session that was put in its place."""
        directory = self._settings.sessions / ticket.connection
        every = self._settings.session_backup_interval / 1000
        file = directory / "session.db"
        return SessionCopies(
            BackupSchedule(self._vault, self._leases, lease, file, restorer.copies, every=every),
            StrandedInbox(ticket, directory, lanes, state),
        )


class SessionCopies:
    """The copies of one epoch's session; also what older files of it still hold."""

    def __init__(self, copies: BackupSchedule, leftovers: StrandedInbox) -> None:
        self._copies = copies
        self._leftovers = leftovers

    def notify(self, on_lost: Callable[[str], None]) -> None:
        """Call this when the epoch should serve no longer. Before `run`."""
        self._leftovers.on_lost = on_lost
        self._copies.on_older = lambda: on_lost("broke")

    def enclose(self, copy_keys: CopyKeys) -> None:
        """Have each copy enclose what the engine keeps beside the session file. Before `run`."""
        self._copies.copy_keys = copy_keys

    @property
    def age(self) -> float:
        """Seconds since the bucket had the session as it was."""
        return self._copies.age

    async def begin(self) -> None:
        """Let it be known which session is live now, before its first login; raises `RedisAway`."""
        await self._copies.begin()

    async def run(self) -> None:
        """Keep copies, and drain what is left, for the life of the epoch."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._leftovers.run())
            group.create_task(self._copies.run())

    def look(self) -> None:
        """Copy now."""
        self._copies.look()

    async def finish(self) -> None:
        """The last copy."""
        await self._copies.finish()
