"""Downloads media files of received messages in the background, each once; the session file has what is pending."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.protocol.media.download_admission import (
    DeferredFiles,
    Left,
    admit,
    without_room,
)
from actors.connection.protocol.media.failure_policy import (
    BROUGHT,
    LOCAL_PAUSE,
    Again,
    Failed,
    Trouble,
    verdict,
)
from actors.connection.protocol.media.media_servers import NoLink
from actors.connection.protocol.request_errors import ConnectionLost
from actors.connection.protocol.session_transactions import SessionRefusal
from actors.connection.session.session import SessionUnavailable
from actors.media.store import StoreUnavailable
from actors.messages.file_deferral import FOR_ROOM
from actors.metrics.counters import measures
from actors.metrics.mistakes import log_mistake
from actors.runtime.limits.disk_floor import counted_bytes

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable

    from actors.connection.engine import EngineEvents, FileStatus
    from actors.connection.protocol.media.download import FileDownloader
    from actors.connection.protocol.media.download_admission import Bounds
    from actors.connection.session.files.pending_downloads import Transfer
    from actors.connection.session.session import Session
    from actors.media.store import MediaStore

    ReuploadRequest = Callable[[Transfer], Awaitable[None]]

log = structlog.get_logger()

CONCURRENT_DOWNLOADS: Final = 3
"""Files of one connection that are fetched at once."""

LONGEST_LOOK: Final = 60.0
"""Seconds after which it looks in any case: the clock may have been set, or another session's
transfers put into this one."""

ROOM_LOOK: Final = 10.0
"""Seconds between looks for room while a file waits for it."""


class DownloadWorker:
    """Fetches the file of every message that brought one, once, whatever dies meanwhile (G5).

    A file to be fetched is in the session file, and its outcome commits in the transaction
    that ends the transfer. A file that is in the store and not noted yet is found there by the next
    owner. While the connection is not open nothing counts as a try; a download that runs goes on.
    A file for which there is no room, or no budget today (`download_admission`), is deferred: the session file and
    the inbox have that, and it is tried again without a request, also by the next owner.
    """

    def __init__(
        self,
        session: Session,
        fetcher: FileDownloader,
        store: MediaStore,
        *,
        bounds: Bounds,
        counts: Counter[str],
        events: EngineEvents,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._session = session
        self._fetcher = fetcher
        self._store = store
        self._bounds = bounds
        self._counts = counts
        self._events = events
        self._clock = clock
        self._look = asyncio.Event()
        self._link: ReuploadRequest | None = None
        self._running: dict[Transfer, asyncio.Task[None]] = {}
        self._refusal: Exception | None = None
        self._refused_until = 0.0

    def attach(self, request: ReuploadRequest) -> None:
        """The device is logged in; `request` has its phone upload a file again, or raises `ConnectionLost`."""
        self._link = request
        self._look.set()

    def detach(self) -> None:
        """It is not any more: begin nothing new."""
        self._link = None

    def look(self) -> None:
        """Something new is to be fetched, or is where it was not."""
        self._look.set()

    async def run(self) -> None:
        """Fetch until cancelled. Raises what the session refuses with, but for a full disk."""
        try:
            await self._reconsider()
            while True:
                self._look.clear()
                pause = await self._begin() if self._link is not None else None
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._look.wait()
                if self._refusal is not None:
                    raise self._refusal
        finally:
            running = tuple(self._running.values())
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _begin(self) -> float | None:
        """Begin due transfers; return the seconds until more may be due, None where the next end of one looks."""
        try:
            longest = LONGEST_LOOK if await self._find_room() else ROOM_LOOK
            while (refused := await self._start_due()) is not None:
                await self._defer(refused)
                if refused.reason in FOR_ROOM:
                    longest = ROOM_LOOK
            next_at = self._session.downloads.next_at(self._clock())
        except (SessionUnavailable, StoreUnavailable):
            return LOCAL_PAUSE
        if len(self._running) >= CONCURRENT_DOWNLOADS:
            return None
        if next_at is None:
            return longest
        return min(longest, next_at - self._clock() + 0.01)

    async def _find_room(self) -> bool:
        """Make the files that wait for room due once one of them fits; return whether none waits.

        While none fits nothing is written.
        """
        smallest = self._session.downloads.smallest_without_room()
        if smallest is None:
            return True
        if time.monotonic() >= self._refused_until and min(await self._room()) >= smallest:
            async with self._session.transaction():
                self._session.downloads.reconsider_deferred()
        return False

    async def _room(self) -> tuple[int, int]:
        """Return the bytes that files may take: on the disk, and in the connection's part of it."""
        room = await self._store.room()
        return room, await self._store.part(room)

    async def _start_due(self) -> DeferredFiles | None:
        """Begin what is due and fits; return the first files that do not, or None."""
        if not self._waiting():
            return None
        room, part = await self._room()
        for transfer in self._waiting():
            if len(self._running) >= CONCURRENT_DOWNLOADS:
                return None
            left = Left(
                room,
                part,
                self._session.downloads.received_today(),
                self._session.downloads.received_today(transfer.sender),
            )
            chance = random.random()  # noqa: S311 - spreads
            found = admit(
                transfer, self._running, self._bounds, left, now=self._clock(), chance=chance
            )
            if isinstance(found, DeferredFiles):
                return found
            if found is None:
                self._start(transfer)
        return None

    def _waiting(self) -> list[Transfer]:
        """Return the first transfers that are due and not being fetched."""
        running = {one.name for one in self._running}
        # As many more as run: those are due as well.
        due = self._session.downloads.due(self._clock(), CONCURRENT_DOWNLOADS + len(running))
        return [one for one in due if one.name not in running]

    async def _defer(self, refused: DeferredFiles, also: Transfer | None = None) -> None:
        """Defer these files where they are due, and of those that are being fetched only `also`."""
        but = [one.name for one in self._running if one is not also]
        async with self._session.transaction():
            news = self._session.downloads.defer(
                refused.reason, refused.until, above=refused.left, sender=refused.sender, but=but
            )
        if news:
            log.warning(
                "files wait", action="media.deferred", reason=refused.reason.value, count=news
            )
            self._counts["file.deferred"] += news
            measures.count("teimoso_files_deferred", news, reason=refused.reason.value)
            await self._events.on_inbox()

    async def _reconsider(self) -> None:
        """Make files due that the previous owner deferred: settings may have changed since."""
        with suppress(SessionUnavailable):
            if self._session.downloads.deferred()[0]:
                async with self._session.transaction():
                    self._session.downloads.reconsider_deferred()

    def _start(self, transfer: Transfer) -> None:
        task = asyncio.ensure_future(self._guarded(transfer))
        self._running[transfer] = task

        def done(_: asyncio.Task[None]) -> None:
            del self._running[transfer]
            self._look.set()

        task.add_done_callback(done)

    async def _guarded(self, transfer: Transfer) -> None:
        try:
            await self._take(transfer)
        except SessionUnavailable:
            # The disk takes nothing: tried again, and what is in the store by then is found there.
            await asyncio.sleep(LOCAL_PAUSE)
        except SessionRefusal as refusal:
            self._refusal = refusal
        except Exception as error:  # noqa: BLE001 - one file must not stop all others
            log_mistake("file not taken", "media.failed", error)
            await asyncio.sleep(LOCAL_PAUSE)

    async def _take(self, transfer: Transfer) -> None:
        link = self._link
        try:
            trouble = await self._fetcher.fetch(transfer)
        except NoLink:
            if self._link is link:  # the next one may be there already
                self.detach()
            return
        except Exception as error:  # noqa: BLE001 - it must not be in front of all others for ever
            log_mistake("fetching broke", "media.fetch", error)
            trouble = Trouble.UNREACHABLE
        if trouble is None:
            await self._end(transfer, None)
            return
        if trouble is Trouble.FULL:
            # `room` may report more, as with a quota of the disk: no try follows before the pause is over.
            self._refused_until = time.monotonic() + LOCAL_PAUSE
            await self._defer(without_room(transfer, self._clock()), also=transfer)
            return
        follows = verdict(transfer, trouble, self._clock(), random.random())  # noqa: S311 - spreads
        log.warning(
            "file not fetched",
            action="media.fetch",
            reason=trouble.value,
            follows=type(follows).__name__,
        )
        brought = transfer.size if trouble in BROUGHT else 0
        if isinstance(follows, Failed):
            await self._end(transfer, follows.code, brought)
        else:
            await self._put_off(transfer, follows, brought)

    async def _end(self, transfer: Transfer, error: str | None, brought: int = 0) -> None:
        async with self._session.transaction():
            self._count(transfer, brought)
            status: FileStatus = "stored" if error is None else "failed"
            ended = self._session.downloads.end(transfer, status, error)
        if ended:
            self._counts[f"file.{error or status}"] += 1
            await self._events.on_inbox()

    def _count(self, transfer: Transfer, brought: int) -> None:
        if brought:
            self._session.downloads.count(transfer.sender, counted_bytes(brought))

    async def _put_off(self, transfer: Transfer, follows: Again, brought: int) -> None:
        link = self._link
        if follows.request and link is None:
            return  # it is tried again once there is somebody to ask
        async with self._session.transaction():
            self._count(transfer, brought)
            self._session.downloads.put_off(
                transfer, follows.at, attempts=follows.attempts, requests=follows.requests
            )
        if transfer.deferred is not None:  # that is over, and reported
            await self._events.on_inbox()
        if not follows.request or link is None:
            return
        # Asked only now: the answer finds the transfer as it is to be from here on.
        self._counts["file.asked_for"] += 1
        with suppress(ConnectionLost):  # asked again when the patience ends
            await link(transfer)
