"""Stanzas that share a commit on their way out."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, cast

import pytest

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.native.send.outgoing_stanzas import OutgoingStanzas
from actors.connection.protocol.request_errors import ConnectionLost
from actors.connection.protocol.send import shared_commits
from actors.connection.protocol.wire_format.nodes import Node
from actors.connection.session.session import Session, SessionUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from actors.connection.native.transport.socket import Socket


class CountingSession(Session):
    """Counts its commits, and refuses when a test says so."""

    commits = 0
    refuses = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        async with super().transaction():
            yield
            if self.refuses:
                raise SessionUnavailable("SQLITE_FULL")
        self.commits += 1


class Wire:
    """Notes what is written, and what was on disk by then."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.written: list[str] = []
        self.cause: Cause | None = None
        self.breaks = False

    async def send(self, *nodes: Node) -> None:
        for node in nodes:
            assert self.session.sent.plaintext("chat", node.attrs["id"]) is not None
        if self.breaks:
            raise ConnectionLost(Cause(Kind.NETWORK, "reset"), written=True)
        self.written += [node.attrs["id"] for node in nodes]

    def fail(self, cause: Cause) -> None:
        self.cause = cause


@pytest.fixture
def session(tmp_path: Path) -> Iterator[CountingSession]:
    with closing(CountingSession.open(tmp_path / "session.db", 1)) as opened:
        yield opened


def leave(session: Session, number: int, *, broken: bool = False) -> Callable[[], Awaitable[Node]]:
    async def make() -> Node:
        session.sent.remember("chat", str(number), b"text", time.time())
        await asyncio.sleep(0)
        if broken:
            raise ZeroDivisionError
        return Node("message", {"id": str(number)})

    return make


async def test_those_who_wait_share_a_commit_and_leave_in_order(session: CountingSession) -> None:
    """Checked at the wire: nothing is written that is not on disk."""
    wire = Wire(session)
    out = OutgoingStanzas(session, cast("Socket", wire))
    count = shared_commits.COMMIT_CHANGES * 2 + 3
    await asyncio.gather(*(out.put(leave(session, number)) for number in range(count)))
    assert wire.written == [str(number) for number in range(count)]
    assert session.commits == 3


async def test_one_that_cannot_be_made_takes_nothing_with_it(session: CountingSession) -> None:
    wire = Wire(session)
    out = OutgoingStanzas(session, cast("Socket", wire))
    leaving = [out.put(leave(session, number, broken=number == 1)) for number in range(3)]
    first, second, third = await asyncio.gather(*leaving, return_exceptions=True)
    assert [one.attrs["id"] for one in (first, third) if isinstance(one, Node)] == ["0", "2"]
    assert isinstance(second, ZeroDivisionError)
    assert wire.written == ["0", "2"]
    assert session.sent.plaintext("chat", "1") is None


async def test_one_that_nobody_waits_for_is_not_made(session: CountingSession) -> None:
    wire = Wire(session)
    out = OutgoingStanzas(session, cast("Socket", wire))
    gone, stays = out.put(leave(session, 0)), out.put(leave(session, 1))
    gone.cancel()
    await stays
    assert wire.written == ["1"]
    assert session.sent.plaintext("chat", "0") is None


async def test_what_is_not_on_disk_does_not_leave(session: CountingSession) -> None:
    wire = Wire(session)
    session.refuses = True
    out = OutgoingStanzas(session, cast("Socket", wire))
    leaving = [out.put(leave(session, number)) for number in range(2)]
    for one in await asyncio.gather(*leaving, return_exceptions=True):
        assert isinstance(one, ConnectionLost)
        assert not one.written
    assert wire.written == []
    assert wire.cause == Cause(Kind.DISK_FULL, "session_unavailable")


async def test_a_socket_that_dies_tells_everyone_that_bytes_may_have_left(
    session: CountingSession,
) -> None:
    wire = Wire(session)
    wire.breaks = True
    out = OutgoingStanzas(session, cast("Socket", wire))
    leaving = [out.put(leave(session, number)) for number in range(2)]
    for one in await asyncio.gather(*leaving, return_exceptions=True):
        assert isinstance(one, ConnectionLost)
        assert one.written


async def test_closing_lets_nobody_wait(session: CountingSession) -> None:
    out = OutgoingStanzas(session, cast("Socket", Wire(session)))
    leaving = [
        out.put(leave(session, number)) for number in range(shared_commits.COMMIT_CHANGES + 1)
    ]
    await asyncio.sleep(0)
    await out.close()
    ended = await asyncio.gather(*leaving, return_exceptions=True)
    assert all(isinstance(one, ConnectionLost) for one in ended)
