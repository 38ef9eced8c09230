"""Combines directory, ledger and bucket copies of media files behind one class for gateways and one for engines."""

from __future__ import annotations

import asyncio
import time
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final

from actors.connection.backup.keyring import Keyring
from actors.media.bucket_copies import BucketCopies
from actors.media.daily_uploads import UploadsUnderway, refusal
from actors.media.directory import DirectoryStore, step
from actors.media.ledger import Ledger
from actors.media.store import StoreFull
from actors.media.upkeep import FileUpkeep
from actors.messages.file_deferral import Deferral
from actors.runtime.deletion_time import deletion_time
from actors.runtime.limits.disk_floor import counted_bytes
from actors.runtime.limits.durations import DAY
from actors.runtime.limits.keyed_semaphores import KeyedSemaphores
from actors.runtime.limits.limits import LimitReached
from actors.runtime.limits.quotas import SHARED_UNIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Collection
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.connection.backup.bucket.port import Bucket
    from actors.media.directory import FileWriter, Turns
    from actors.media.ledger import LedgerEntry
    from actors.runtime.limits.quotas import Quota
    from actors.state.documents import Documents


FETCHES: Final = 2
"""Files that are brought from the bucket at once for one unit."""


class _Nowhere(Exception):
    pass


class LocalFiles:
    """The files of this host as a gateway has them; `of` has those of one connection's engine.

    A file is in the ledger before it appears, so that `upkeep`, in one process of this host, copies and removes
    it in its time.
    """

    def __init__(self, settings: Settings, bucket: Bucket | None) -> None:
        self._lock = settings.media_ledger.with_suffix(".lock")
        self._directory = settings.media
        self._ledger = Ledger(settings.media_ledger, settings.media, copying=bucket is not None)
        self._reserve = lambda: settings.current().disk_reserve
        self._store = DirectoryStore(settings.media, reserve=self._reserve)
        self._quota, self._daily = settings.file_quota, settings.upload_limit
        self._coming = UploadsUnderway(self._daily)
        self._retention = settings.media_retention_days * DAY
        self._deletion_time = partial(deletion_time, settings.data)
        # With `cloud` what was accepted outlives the disk.
        self._at_once = settings.session_storage_type == "cloud"
        self._fetches = KeyedSemaphores[str](FETCHES)
        self._fetching: dict[str, asyncio.Task[Path | None]] = {}
        self._copies: BucketCopies | None = None
        if bucket is not None:
            assert settings.session_encryption_key is not None
            keyring = Keyring.of(settings.session_encryption_key.get_secret_value())
            self._copies = BucketCopies(bucket, keyring)

    async def room(self) -> int:
        """See the port."""
        return await self._store.room()

    async def add_upload(
        self,
        chunks: AsyncIterable[bytes],
        *,
        limit: int,
        units: Collection[str],
        living: Collection[str] | None = None,
        announced: int = 0,
        turns: Turns = nullcontext,
    ) -> tuple[str, int]:
        """Keep an upload of a caller for these units (`actors.runtime.limits.quotas`); else as the port's `add`.

        Raises `LimitReached` where MEDIA_LIMIT (without one, the disk) has no room for them, and where a connection of them
        has used up MEDIA_UPLOADS_PER_CONNECTION, with what is on its way to this process. `living` are the
        connections that exist, None while that is unknown. A file is refused before a byte of it is read where its
        `announced` size (bytes; 0: unknown) has no room on the disk, or in a budget. `turns` are those of its steps on the disk.
        """
        room = await self.room()
        if room < max(announced, 1):
            raise StoreFull(reserve=await step(self._reserve))
        owners = [each for each in units if each != SHARED_UNIT]
        now = time.time()
        used = await self._ledger.uploaded(owners, now) if owners and self._daily.size else {}
        refused = refusal(used.values(), counted_bytes(announced), self._daily, now)
        if refused is not None:
            raise refused
        admit = partial(
            self._ledger.note,
            units=units,
            quota=self._quota,
            living=living,
            daily=self._daily,
            room=room,
        )

        async def counted(came: Callable[[int], None]) -> AsyncIterator[bytes]:
            async for chunk in chunks:
                came(len(chunk))
                yield chunk

        with self._coming.upload(used, now) as came:
            return await self._store.add(counted(came), limit=limit, before=admit, turns=turns)

    def of(self, connection: str) -> ConnectionFiles:
        """Return the same files for the engine of this connection."""
        return ConnectionFiles(self, self._store, self._ledger, self._quota, connection)

    async def find(self, sha256: str, unit: str = SHARED_UNIT) -> Path | None:
        """See the port. A file that is only in the bucket waits for others that the `unit` wants from there.

        All who want one that is being brought share that fetch, and its end.
        """
        file = await self._store.find(sha256)
        if file is not None or self._copies is None or self._store.place(sha256) is None:
            return file
        async with self._fetches.of(unit):
            return await self._store.find(sha256) or await self._share(sha256, self._copies)

    async def _share(self, sha256: str, copies: BucketCopies) -> Path | None:
        fetch = self._fetching.get(sha256)
        if fetch is None:
            fetch = asyncio.create_task(self._fetch(sha256, copies))
            self._fetching[sha256] = fetch
            fetch.add_done_callback(partial(self._fetched, sha256))
        return await asyncio.shield(fetch)

    def _fetched(self, sha256: str, fetch: asyncio.Task[Path | None]) -> None:
        del self._fetching[sha256]
        if not fetch.cancelled():
            fetch.exception()  # seen, also where all who wanted it went away

    async def _fetch(self, sha256: str, copies: BucketCopies) -> Path | None:
        async def fill(writer: FileWriter) -> None:
            if not await copies.read(sha256, writer, self._directory):
                raise _Nowhere

        try:
            await self._store.add_filled(fill, before=self._ledger.note, expected=sha256)
        except (_Nowhere, ValueError):
            return None
        return await self._store.find(sha256)

    async def entry(self, sha256: str, unit: str) -> LedgerEntry | None:
        """The facts of a file that can be sent for this unit; None where there is none.

        Raises as `find`.
        """
        file = await self.find(sha256, unit)
        if file is None:
            return None
        entry = await self._ledger.find(sha256)
        if entry is None:  # another host kept it, or the ledger was lost
            await self._ledger.note(sha256, (await step(file.stat)).st_size)
            entry = await self._ledger.find(sha256)
        return entry

    async def call(self, sha256: str, mime: str | None, name: str | None) -> None:
        """Remember what its uploader calls it."""
        await self._ledger.call(sha256, mime, name)

    async def use(self, sha256: str, message: str) -> bool:
        """Keep it as long as this message may be sent; False where this host does not have it.

        To be asked before the message is accepted.
        """
        return await self._ledger.use(sha256, message)

    async def secure(self, sha256: str) -> None:
        """With SESSION_STORAGE_TYPE `cloud`, see that the bucket has it. Raises `BucketAway`."""
        if self._copies is None or not self._at_once:
            return
        entry, file = await self._ledger.find(sha256), self._store.place(sha256)
        if entry is None or file is None or entry.copied_at is not None:
            return
        await self._copies.write(sha256, file, entry.needed_at)
        await self._ledger.copied(sha256, entry.needed_at)

    def upkeep(
        self,
        waits: Callable[[str], Awaitable[bool]] | None = None,
        clock: Callable[[], float] = time.time,
        deletion_time: Callable[[], float] | None = None,
        documents: Documents | None = None,
    ) -> FileUpkeep:
        """The background work that a long-lived process has to run (`FileUpkeep.run`)."""
        return FileUpkeep(
            self._ledger,
            self._store,
            self._lock,
            retention=self._retention,
            deletion_time=deletion_time or self._deletion_time,
            copies=self._copies,
            waits=waits,
            clock=clock,
            documents=documents,
        )

    async def close(self) -> None:
        """Cancel fetches from the bucket, and close the ledger."""
        fetches = tuple(self._fetching.values())
        for each in fetches:
            each.cancel()
        await asyncio.gather(*fetches, return_exceptions=True)
        await self._ledger.close()


class ConnectionFiles:
    """The files of this host as the engine of one connection has them (`MediaStore`).

    A file that it keeps counts for the connection, and takes no other one's part of the disk, or of MEDIA_LIMIT where
    that is more.
    """

    def __init__(
        self,
        files: LocalFiles,
        store: DirectoryStore,
        ledger: Ledger,
        quota: Quota,
        connection: str,
    ) -> None:
        self.room, self.find, self.secure = files.room, files.find, files.secure
        self._store = store
        self._ledger = ledger
        self._quota = quota
        self._connection = connection

    async def add(
        self, chunks: AsyncIterable[bytes], *, limit: int, expected: str | None = None
    ) -> tuple[str, int]:
        """See the port."""
        return await self._store.add(chunks, limit=limit, expected=expected, before=self._admit)

    async def part(self, room: int) -> int:
        """See the port."""
        return await self._ledger.left(self._quota, self._connection, room)

    async def _admit(self, sha256: str, size: int) -> None:
        room = await self.room() + size  # its bytes are on the disk already
        try:
            await self._ledger.note(
                sha256,
                size,
                units=[self._connection],
                quota=self._quota,
                room=room,
                arrives=True,
            )
        except LimitReached as reached:
            raise StoreFull(Deferral.PART) from reached

    async def need(self, sha256: str) -> bool:
        """See the port."""
        if await self.find(sha256) is None or not await self._ledger.renew(sha256, time.time()):
            return False
        await self._ledger.hold(sha256, self._connection)
        return True
