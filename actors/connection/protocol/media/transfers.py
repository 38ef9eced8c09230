"""Combines uploader and download worker of one connection, and attaches both to each new login's socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from actors.connection.protocol.media.download import FileDownloader
from actors.connection.protocol.media.download_admission import Bounds
from actors.connection.protocol.media.download_worker import DownloadWorker
from actors.connection.protocol.media.http_client import HttpClient
from actors.connection.protocol.media.media_servers import MediaServers
from actors.connection.protocol.media.outgoing_files import OutgoingFiles
from actors.connection.protocol.media.picture_files import PictureFiles
from actors.connection.protocol.media.upload import Uploader
from actors.connection.protocol.session_transactions import SessionRefusal

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from actors.config.settings import Settings
    from actors.connection.engine import EngineEvents
    from actors.connection.protocol.media.download_worker import ReuploadRequest
    from actors.connection.protocol.media.media_servers import MediaServerQuery
    from actors.connection.session.session import Session
    from actors.media.store import MediaStore


class FileTransfers:
    """Uploads what leaves and fetches what arrived; the latter from `start` until `close`.

    `on_refusal` is called with what the session refuses with: it has another owner, or is damaged.
    """

    def __init__(
        self,
        settings: Settings,
        session: Session,
        store: MediaStore,
        *,
        counts: Counter[str],
        events: EngineEvents,
        on_refusal: Callable[[Exception], None],
    ) -> None:
        self.web = HttpClient(settings.whatsapp_media_authority)
        self.hosts = MediaServers()
        self._on_refusal = on_refusal
        self.pictures = PictureFiles(store, self.web)
        self.uploader = Uploader(
            session, store, self.web, self.hosts, OutgoingFiles(settings, store)
        )
        fetcher = FileDownloader(store, self.web, self.hosts, limit=settings.media_max_bytes)
        bounds = Bounds(
            settings.media_max_bytes,
            settings.media_downloads_per_connection,
            settings.media_downloads_per_sender,
        )
        self._downloads = DownloadWorker(
            session, fetcher, store, bounds=bounds, counts=counts, events=events
        )
        self._fetching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Fetch from now on, whenever there is a socket; idempotent."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())

    def attach(self, hosts: MediaServerQuery, request_reupload: ReuploadRequest) -> None:
        """The device is logged in: how to ask for servers, and its phone for a file."""
        self.hosts.attach(hosts)
        self._downloads.attach(request_reupload)

    def detach(self) -> None:
        """It is not any more."""
        self.hosts.attach(None)
        self._downloads.detach()

    def look(self) -> None:
        """Something new is to be fetched."""
        self._downloads.look()

    async def close(self) -> None:
        """Fetch nothing more; transfers under way begin anew with the next owner."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        await self.web.close()

    async def _fetch(self) -> None:
        try:
            await self._downloads.run()
        except SessionRefusal as refusal:
            self._on_refusal(refusal)
