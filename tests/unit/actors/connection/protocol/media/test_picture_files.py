"""Pictures come from HTTPS alone, within bounds, and are files of the media store."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import SendError
from actors.connection.protocol.media.http_client import ServerUnreachable
from actors.connection.protocol.media.picture_files import MAX_PICTURE_BYTES, PictureFiles
from tests.bare_files import BareFiles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

URL = "https://pps.whatsapp.net/v/1"
PICTURE = b"\xff\xd8\xff picture"


class Web:
    def __init__(self, status: int = 200, body: bytes = PICTURE) -> None:
        self.status, self.body, self.asked = status, body, 0

    @asynccontextmanager
    async def get(self, _: str) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        self.asked += 1
        if not self.status:
            raise ServerUnreachable("down")
        yield self.status, self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield self.body


def kept(directory: Path) -> list[Path]:
    return [each for each in directory.rglob("*") if each.is_file()]


def files(directory: Path, web: Web) -> PictureFiles:
    client: Any = web
    return PictureFiles(BareFiles(directory), client)


async def test_a_picture_is_kept_and_read(tmp_path: Path) -> None:
    pictures = files(tmp_path, Web())
    sha256, size = await pictures.fetch(URL)
    assert (sha256, size) == (hashlib.sha256(PICTURE).hexdigest(), len(PICTURE))
    assert await pictures.read(sha256) == PICTURE
    assert await pictures.is_there(sha256)
    assert not await pictures.is_there("0" * 64)


@pytest.mark.parametrize(
    ("web", "url"),
    [
        (Web(), "http://pps.whatsapp.net/v/1"),
        (Web(), "file:///etc/passwd"),
        (Web(404), URL),
        (Web(0), URL),
        (Web(body=b"x" * (MAX_PICTURE_BYTES + 1)), URL),
    ],
)
async def test_what_cannot_be_fetched_is_no_file(tmp_path: Path, web: Web, url: str) -> None:
    with pytest.raises(SendError, match="picture_unreachable") as caught:
        await files(tmp_path, web).fetch(url)
    assert not caught.value.permanent
    assert web.asked == url.startswith("https")
    assert not kept(tmp_path)


async def test_a_file_that_is_not_there_or_too_large_is_none(tmp_path: Path) -> None:
    large = files(tmp_path, Web())
    store: Any = large._store

    async def chunks() -> AsyncIterator[bytes]:
        yield b"x" * (MAX_PICTURE_BYTES + 1)

    sha256, _ = await store.add(chunks(), limit=2 * MAX_PICTURE_BYTES)
    for wanted in (sha256, "0" * 64):
        with pytest.raises(SendError, match="unknown_media"):
            await large.read(wanted)
