"""Fetches title, description and thumbnail of the page that a text links to, before the text is accepted.

Addresses are judged as those of files (`address_policy`). A preview that fails, takes too long or finds no place is
left out: no text waits longer for it than `PREVIEW_SECONDS`, and none is refused.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import structlog

from actors.media.conversion import recipes
from actors.media.conversion.ffmpeg import NotConverted, NotInstalled
from actors.messages.content import LinkPreview
from actors.runtime.limits.bounded_map import BoundedMap
from actors.state import own_mistakes
from gateway.acceptance import url_fetch
from gateway.acceptance.page_description import decoded, described, link_in

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.media.conversion.ffmpeg import Ffmpeg
    from actors.state.documents import Documents
    from gateway.acceptance.page_description import PageDescription
    from gateway.acceptance.url_fetch import UrlFetcher

log = structlog.get_logger()

PREVIEW_SECONDS: Final = 3.0
"""Seconds for all of a preview: name, connection, page, picture."""

MAX_PREVIEW_BYTES: Final = 512 * 1024
PICTURE: Final = 2 * 2**20
THUMBNAIL: Final = 12 * 1024
"""Bytes of a page that are read, of a picture, and of what is sent of that."""

SIDE: Final = 192
"""Pixels of a thumbnail."""

CONCURRENT_PAGES, PAGES_OF_ONE = 16, 4
"""Pages that a gateway's process fetches at once, and of them those of one connection."""

PREVIEWS_KEPT, PREVIEW_KEPT_SECONDS = 256, 600.0
"""Previews that are remembered, and for how long: a link that goes to many is fetched once."""

_JPEG: Final = b"\xff\xd8\xff"
_FAILS: Final = (url_fetch.UrlRefused, url_fetch.UrlUnreachable, url_fetch.DownloadTooLarge)


class LinkPreviews:
    """Previews of links, none of which raises. `wanted`: whether the instance fetches any for this connection."""

    def __init__(
        self,
        fetcher: UrlFetcher,
        ffmpeg: Ffmpeg,
        documents: Documents,
        wanted: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._documents = documents
        self._fetcher = fetcher
        self._ffmpeg = ffmpeg
        self._wanted = wanted
        self._fetching = Counter[str]()
        self._kept = BoundedMap[str, tuple[float, LinkPreview | None]](PREVIEWS_KEPT)

    async def of(self, text: str, connection: str) -> LinkPreview | None:
        """The preview of the first link in a text of this connection; None without a link, or a preview."""
        link = link_in(text)
        if link is None or not await self._wanted(connection):
            return None
        until, found = self._kept.get(link, (0.0, None))
        if until > time.monotonic():
            return found
        if self._fetching.total() >= CONCURRENT_PAGES or self._fetching[connection] >= PAGES_OF_ONE:
            return None
        self._fetching[connection] += 1
        try:
            found = await self._fetch(link, connection)
        finally:
            self._fetching[connection] -= 1
            if not self._fetching[connection]:
                del self._fetching[connection]
        self._kept[link] = time.monotonic() + PREVIEW_KEPT_SECONDS, found
        return found

    async def _fetch(self, link: str, connection: str) -> LinkPreview | None:
        page, picture = None, None
        try:
            async with asyncio.timeout(PREVIEW_SECONDS):
                page = await self._page(link)
                if page is not None and page.picture is not None:
                    picture = await self._thumbnail(page.picture, connection)
        except (TimeoutError, *_FAILS):
            pass
        except Exception:
            # The page is anybody's, and no mistake in reading it holds back the text.
            log.exception("unexpected error", action="internal_error")
            await own_mistakes.note_once(self._documents, "internal_error")
        if page is None:
            return None
        encoded = None if picture is None else base64.b64encode(picture).decode()
        return LinkPreview(link, page.title, page.description, encoded)

    async def _page(self, link: str) -> PageDescription | None:
        async with self._fetcher.fetch(link, limit=MAX_PREVIEW_BYTES * 64) as found:
            kind = (found.mime or "").partition(";")[0].strip().lower()
            if kind not in {"text/html", "application/xhtml+xml"}:
                return None
            page = bytearray()
            async for chunk in found.chunks:
                page += chunk
                if len(page) >= MAX_PREVIEW_BYTES:
                    break
            content = bytes(page[:MAX_PREVIEW_BYTES])
            return await asyncio.to_thread(
                lambda: described(decoded(content, found.mime), found.url)
            )

    async def _thumbnail(self, address: str, connection: str) -> bytes | None:
        """A small JPEG of the picture; without ffmpeg the picture itself, if it is one."""
        picture = bytearray()
        async with self._fetcher.fetch(address, limit=PICTURE) as found:
            async for chunk in found.chunks:
                picture += chunk
                if len(picture) > PICTURE:
                    return None
        if picture.startswith(_JPEG) and len(picture) <= THUMBNAIL:
            return bytes(picture)
        try:
            return await self._ffmpeg.run(
                bytes(picture),
                recipes.thumbnail(SIDE),
                unit=connection,
                limit=THUMBNAIL,
                within=PREVIEW_SECONDS,
            )
        except (NotInstalled, NotConverted):
            return None
