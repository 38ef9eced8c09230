"""Answers of several servers about one file, taken together; the servers are scripted."""

from __future__ import annotations

import hashlib
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest

from actors.connection.protocol.media.cipher import FileEncryptor
from actors.connection.protocol.media.download import FileDownloader
from actors.connection.protocol.media.failure_policy import Trouble
from actors.connection.protocol.media.http_client import ServerUnreachable
from actors.connection.protocol.media.media_servers import MediaConnection, MediaServers, NoLink
from actors.connection.session.files.pending_downloads import Transfer
from tests.bare_files import BareFiles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.connection.protocol.media.http_client import HttpClient

DATA = b"a file" * 1000
KEY = bytes(range(32))
SEALING = FileEncryptor("image", KEY)
WHOLE = SEALING.feed(DATA) + SEALING.finish()
CHAT = "15550100002@s.whatsapp.net"


def transfer(data: bytes = DATA, whole: bytes = WHOLE, size: int | None = None) -> Transfer:
    hashes = hashlib.sha256(data).digest(), hashlib.sha256(whole).digest()
    length = len(data) if size is None else size
    return Transfer(CHAT, CHAT, "A", False, "image", KEY, "/p?x=1", *hashes, length)


class Scripted:
    """Servers by name: a status, bytes, or None for one that is down."""

    def __init__(self, *answers: int | bytes | None) -> None:
        self.answers = {f"{number}.example": answer for number, answer in enumerate(answers)}
        self.asked: list[str] = []

    @asynccontextmanager
    async def get(self, url: str) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        self.asked.append(url)
        answer = self.answers[url.split("/")[2]]
        if answer is None:
            raise ServerUnreachable("down")
        data = answer if isinstance(answer, bytes) else b"no file"

        async def chunks() -> AsyncIterator[bytes]:
            for at in range(0, len(data), 1000):
                yield data[at : at + 1000]

        yield answer if isinstance(answer, int) else 200, chunks()


def fetcher(web: Scripted, directory: Path, limit: int = 2**20) -> FileDownloader:
    hosts = MediaServers()
    hosts._connection = MediaConnection(tuple(web.answers), "word", math.inf)
    return FileDownloader(BareFiles(directory), cast("HttpClient", web), hosts, limit=limit)


def kept(directory: Path) -> list[bytes]:
    return [one.read_bytes() for one in directory.rglob("*") if one.is_file()]


@pytest.mark.parametrize(
    ("answers", "trouble"),
    [
        ([WHOLE], None),
        ([404, 503, None, WHOLE], None),
        ([404, 410], Trouble.GONE),
        ([404, None], Trouble.GONE),
        ([503, 404], Trouble.GONE),
        ([403], Trouble.GONE),
        ([401, None], Trouble.UNREACHABLE),
        ([302], Trouble.UNREACHABLE),
        ([WHOLE[:-1], 404], Trouble.GONE),
        ([WHOLE[:-1], 503], Trouble.DAMAGED),
        ([None, b""], Trouble.DAMAGED),
        ([WHOLE + b"x"], Trouble.DAMAGED),
        ([bytes(len(WHOLE)), WHOLE], None),
    ],
)
async def test_what_servers_say_together(
    tmp_path: Path, answers: list[int | bytes | None], trouble: Trouble | None
) -> None:
    web = Scripted(*answers)
    assert await fetcher(web, tmp_path).fetch(transfer()) is trouble
    assert kept(tmp_path) == ([DATA] if trouble is None else [])
    assert web.asked[0].startswith("https://0.example/p?x=1&hash=")


async def test_what_its_sender_sealed_wrong_is_asked_of_one_server(tmp_path: Path) -> None:
    web = Scripted(WHOLE, WHOLE)
    other = transfer(data=b"else" * 1500)
    assert await fetcher(web, tmp_path).fetch(other) is Trouble.SEALED_SO
    assert len(web.asked) == 1
    assert kept(tmp_path) == []


async def test_what_is_too_large_is_not_asked_for(tmp_path: Path) -> None:
    web = Scripted(WHOLE)
    assert await fetcher(web, tmp_path, 5999).fetch(transfer()) is Trouble.TOO_LARGE
    assert web.asked == []
    assert await fetcher(web, tmp_path, 6000).fetch(transfer()) is None


async def test_what_is_larger_than_its_message_says_is_cut_off(tmp_path: Path) -> None:
    web = Scripted(WHOLE)
    assert await fetcher(web, tmp_path).fetch(transfer(size=100)) is Trouble.DAMAGED


async def test_what_is_there_already_is_not_asked_for(tmp_path: Path) -> None:
    web = Scripted(WHOLE)
    assert await fetcher(web, tmp_path).fetch(transfer()) is None
    again = Scripted(404)
    assert await fetcher(again, tmp_path, 1).fetch(transfer()) is None
    assert again.asked == []


async def test_without_a_connection_nothing_is_tried(tmp_path: Path) -> None:
    web = Scripted(WHOLE)
    made = FileDownloader(BareFiles(tmp_path), cast("HttpClient", web), MediaServers(), limit=2**20)
    with pytest.raises(NoLink):
        await made.fetch(transfer())
