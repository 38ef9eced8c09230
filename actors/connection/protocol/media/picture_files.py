"""Brings profile pictures from WhatsApp's addresses into the media store, and reads those that are to be set."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from actors.connection.backup.bucket.port import BucketAway
from actors.connection.engine import SendError
from actors.connection.protocol.media.http_client import ServerUnreachable, patience
from actors.connection.protocol.media.picture_cache import PictureCache
from actors.media.store import FileTooLarge, StoreUnavailable

if TYPE_CHECKING:
    from actors.connection.protocol.media.http_client import HttpClient
    from actors.media.store import MediaStore

MAX_PICTURE_BYTES: Final = 2**20
"""Bytes of a picture; WhatsApp's own have a tenth of it."""

UNFETCHED: Final = "picture_unreachable"
_OK: Final = 200


class PictureFiles:
    """Pictures are files of the media store like any other. Each method raises `SendError`."""

    def __init__(self, store: MediaStore, web: HttpClient) -> None:
        self._store, self._web = store, web
        self.cache = PictureCache()
        """WhatsApp's answers about pictures, by chat."""

    async def fetch(self, url: str) -> tuple[str, int]:
        """Keep the picture at an address of WhatsApp's; its SHA-256 (hex) and its size."""
        if urlsplit(url).scheme != "https":
            raise SendError(UNFETCHED)
        try:
            async with (
                asyncio.timeout(patience(MAX_PICTURE_BYTES)),
                self._web.get(url) as (status, chunks),
            ):
                if status != _OK:
                    raise SendError(UNFETCHED)
                return await self._store.add(chunks, limit=MAX_PICTURE_BYTES)
        except (TimeoutError, ServerUnreachable, FileTooLarge):
            raise SendError(UNFETCHED) from None
        except StoreUnavailable as error:
            raise SendError(error.code) from None

    async def is_there(self, sha256: str) -> bool:
        """Whether the store has the file; it is kept as if it came just now."""
        try:
            return await self._store.need(sha256)
        except (BucketAway, StoreUnavailable):
            return False

    async def read(self, sha256: str) -> bytes:
        """The bytes of a file. Refused with ``unknown_media`` where there is none, or it is too large for a picture."""
        try:
            file = await self._store.find(sha256)
            if file is None or (await asyncio.to_thread(file.stat)).st_size > MAX_PICTURE_BYTES:
                raise SendError("unknown_media", permanent=True)
            return await asyncio.to_thread(file.read_bytes)
        except (BucketAway, StoreUnavailable, OSError):
            raise SendError("media_unavailable") from None
