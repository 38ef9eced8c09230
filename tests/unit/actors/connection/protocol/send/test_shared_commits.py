"""Changes of the session that share a commit: each is on disk before its caller goes on."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from actors.connection.protocol.send.shared_commits import SharedCommits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.connection.protocol.session_transactions import SessionLink
    from actors.connection.session.session import Session


def remember(
    session: Session, number: int, *, broken: bool = False
) -> Callable[[], Awaitable[int]]:
    async def make() -> int:
        session.sent.remember("chat", str(number), b"text", time.time())
        await asyncio.sleep(0)
        if broken:
            raise ZeroDivisionError
        return number

    return make


def on_disk(session: Session) -> list[str]:
    with closing(sqlite3.connect(session.path)) as file:
        return [number for (number,) in file.execute("SELECT message_id FROM sent ORDER BY number")]


async def test_what_is_not_on_disk_is_not_handed_over(session: Session) -> None:
    """G3: they are made in the order of the calls, and one that fails undoes no other."""
    commits: SharedCommits[int] = SharedCommits(
        session, cast("SessionLink", SimpleNamespace(cause=None))
    )
    found: list[tuple[int, bool]] = []

    async def send(number: int) -> None:
        made = await commits.put(remember(session, number, broken=number == 1))
        found.append((made, str(made) in on_disk(session)))

    sends = [asyncio.ensure_future(send(number)) for number in range(4)]
    with pytest.raises(ZeroDivisionError):
        await sends[1]
    await asyncio.gather(*sends, return_exceptions=True)
    assert found == [(0, True), (2, True), (3, True)]
    assert on_disk(session) == ["0", "2", "3"]
    await commits.close()
