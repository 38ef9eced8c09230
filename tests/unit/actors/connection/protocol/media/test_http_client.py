"""Errors of HTTPS to media servers that do not answer with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.protocol.media.http_client import HttpClient, ServerUnreachable
from tests import resets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOWHERE = "https://127.0.0.1:9/"


async def body() -> AsyncIterator[bytes]:
    yield b"x"


async def ask(web: HttpClient, url: str = NOWHERE) -> None:
    with pytest.raises(ServerUnreachable):
        await web.post(url, body(), 1)
    with pytest.raises(ServerUnreachable):
        async with web.get(url):
            pass


async def test_a_server_that_is_not_there() -> None:
    web = HttpClient()
    await ask(web)
    await ask(web, "https://[::bad/")
    await web.close()


async def test_an_authority_that_cannot_be_read_may_come_yet(tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    web = HttpClient(authority)
    await ask(web)
    authority.write_text("no certificate")
    await ask(web)
    await web.close()


async def test_a_server_that_resets_at_once() -> None:
    web = HttpClient()

    async def get(url: str) -> None:
        async with web.get(url):
            pass

    assert {type(one) for one in await resets.asked(get)} == {ServerUnreachable}
    await web.close()
