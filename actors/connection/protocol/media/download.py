"""Downloads one file from WhatsApp's media servers, verified, into the local media store; returns the failure, or None."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

import structlog

from actors.connection.backup.bucket.port import BucketAway
from actors.connection.protocol.media.cipher import Corrupt, FileDecryptor, sealed_size
from actors.connection.protocol.media.failure_policy import Trouble
from actors.connection.protocol.media.http_client import ServerUnreachable, patience
from actors.connection.protocol.media.media_servers import NoLink
from actors.connection.protocol.media.upload import way
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed, RequestTimeout
from actors.media.store import FileTooLarge, StoreFull, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.connection.protocol.media.http_client import HttpClient
    from actors.connection.protocol.media.media_servers import MediaServers
    from actors.connection.session.files.pending_downloads import Transfer
    from actors.media.store import MediaStore

log = structlog.get_logger()

_GONE: Final = frozenset({403, 404, 410})
"""Status codes for a file that servers no longer have, or whose path is too old."""


class FileDownloader:
    """Brings files into the media store. One that is there already is not fetched again.

    The servers are those that WhatsApp names: a message's URL never adds another one.
    """

    def __init__(
        self, store: MediaStore, web: HttpClient, hosts: MediaServers, *, limit: int
    ) -> None:
        """`limit` is the size in bytes of the largest file that is fetched."""
        self._store = store
        self._web = web
        self._hosts = hosts
        self._limit = limit

    async def fetch(self, transfer: Transfer) -> Trouble | None:
        """None once the store has the file, on disk. Raises `NoLink`, and then nothing was tried."""
        if await self._is_there(transfer):
            return None
        if transfer.size > self._limit:
            return Trouble.TOO_LARGE
        try:
            connection = await self._hosts.get()
        except ConnectionLost:
            raise NoLink from None
        except (RequestFailed, RequestTimeout):
            return Trouble.UNREACHABLE
        troubles = set[Trouble]()
        for host in connection.hosts:
            trouble = await self._from(host, transfer)
            if trouble is None or trouble in _FINAL:
                return trouble
            troubles.add(trouble)
            if trouble is not Trouble.GONE:
                self._hosts.avoid(host)
        trouble = next(each for each in _ORDER if each in troubles)
        if trouble is Trouble.UNREACHABLE:
            self._hosts.refuse(connection)  # there may be others by now
        return trouble

    async def _is_there(self, transfer: Transfer) -> bool:
        try:
            return await self._store.need(transfer.sha256.hex())
        except (BucketAway, StoreUnavailable):
            return False

    async def _from(self, host: str, transfer: Transfer) -> Trouble | None:
        try:
            async with (
                asyncio.timeout(patience(min(transfer.size, self._limit))),
                self._web.get(_url(host, transfer)) as (status, chunks),
            ):
                if status in _GONE:
                    return Trouble.GONE
                if status != 200:
                    log.warning("download failed", action="media.fetch", status=status)
                    return Trouble.UNREACHABLE
                await self._store.add(
                    _opened(chunks, transfer),
                    limit=min(self._limit, transfer.size),
                    expected=transfer.sha256.hex(),
                )
        except (ServerUnreachable, TimeoutError) as error:
            log.warning("download failed", action="media.fetch", reason=type(error).__name__)
            return Trouble.UNREACHABLE
        except Corrupt as error:
            return Trouble.SEALED_SO if error.sealed_so else Trouble.DAMAGED
        except FileTooLarge:
            # More than the message says: it is not the file that it speaks of.
            return Trouble.DAMAGED if transfer.size < self._limit else Trouble.TOO_LARGE
        except StoreFull:
            return Trouble.FULL
        except (StoreUnavailable, BucketAway) as error:
            log.error("file not stored", action="media.keep", error=type(error).__name__)  # noqa: TRY400
            return Trouble.LOCAL
        return None


_FINAL: Final = frozenset({Trouble.SEALED_SO, Trouble.TOO_LARGE, Trouble.LOCAL, Trouble.FULL})
"""Failures that another server would not mend."""

_ORDER: Final = (Trouble.GONE, Trouble.DAMAGED, Trouble.UNREACHABLE)
"""The failure that counts where servers differ: a file that one of them lost is requested, which mends the others' too."""


async def _opened(chunks: AsyncIterator[bytes], transfer: Transfer) -> AsyncIterator[bytes]:
    """The plain bytes. Raises `Corrupt` at the end: they are not to be stored before that."""
    opening = FileDecryptor(
        transfer.kind,
        transfer.key,
        sha256=transfer.sha256,
        sealed_sha256=transfer.sealed_sha256,
    )
    left = sealed_size(transfer.size)
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise Corrupt(sealed_so=False)
        if plain := await asyncio.to_thread(opening.feed, chunk):
            yield plain
    yield await asyncio.to_thread(opening.finish)


def _url(host: str, transfer: Transfer) -> str:
    named = {
        "hash": base64.urlsafe_b64encode(transfer.sealed_sha256).decode(),
        "mms-type": way(transfer.kind),
        "__wa-mms": "",
    }
    joint = "&" if "?" in transfer.direct_path else "?"
    return f"https://{host}{transfer.direct_path}{joint}{urlencode(named)}"
