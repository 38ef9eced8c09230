"""Cached rows: they are those of the file for each reader, whatever a transaction does and how it ends."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from actors.connection.session import row_cache
from actors.connection.session.row_cache import RowCache

if TYPE_CHECKING:
    from actors.connection.session.session import Session

CHAT = "15550100001@s.whatsapp.net"


class Timers:
    """The timers of chats, read by a cache; `reads` are those that went to the file."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.reads: list[str] = []
        self.cache = RowCache(session, self._read)

    def _read(self, chat: str) -> int:
        self.reads.append(chat)
        row = self.session.row("SELECT seconds FROM timers WHERE chat = ?", (chat,))
        return 0 if row is None else int(row[0])

    def set(self, seconds: int) -> None:
        self.cache.change()
        self.session.write(
            "INSERT OR REPLACE INTO timers (chat, seconds, set_at) VALUES (?, ?, 0)",
            (CHAT, seconds),
        )


@pytest.fixture
def timers(session: Session) -> Timers:
    return Timers(session)


async def test_a_row_is_read_once_also_where_there_is_none(timers: Timers) -> None:
    assert timers.cache.get(CHAT) == timers.cache.get(CHAT) == 0
    async with timers.session.transaction():
        assert timers.cache.get(CHAT) == 0
    assert timers.reads == [CHAT]


async def test_a_transaction_alone_sees_its_change_until_it_is_committed(timers: Timers) -> None:
    async def read_beside() -> int:
        await changed.wait()
        found = timers.cache.get(CHAT)
        read.set()
        return found

    changed, read = asyncio.Event(), asyncio.Event()
    beside = asyncio.create_task(read_beside())
    async with timers.session.transaction():
        timers.set(5)
        changed.set()
        await read.wait()
        assert timers.cache.get(CHAT) == 5
        timers.set(7)
        assert timers.cache.get(CHAT) == 7
    assert await beside == 0
    assert timers.cache.get(CHAT) == 7


async def test_a_change_that_is_rolled_back_is_not_seen(timers: Timers) -> None:
    async def broken() -> None:
        async with timers.session.transaction():
            timers.set(5)
            assert timers.cache.get(CHAT) == 5
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await broken()
    assert timers.cache.get(CHAT) == 0


async def test_an_undone_share_leaves_what_another_share_changed(timers: Timers) -> None:
    async def broken() -> None:
        async with timers.session.transaction():
            with timers.session.savepoint():
                timers.set(5)
            with suppress(ZeroDivisionError), timers.session.savepoint():
                timers.set(7)
                raise ZeroDivisionError
            assert timers.cache.get(CHAT) == 5
            raise AssertionError("the whole is undone")

    with pytest.raises(AssertionError, match="the whole"):
        await broken()
    assert timers.cache.get(CHAT) == 0


async def test_a_full_cache_begins_anew(timers: Timers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_cache, "MAX_CACHED_ROWS", 2)
    for chat in ("a", "b", "c", "c", "a"):
        timers.cache.get(chat)
    assert timers.reads == ["a", "b", "c", "a"]
