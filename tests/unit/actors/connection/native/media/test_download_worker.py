"""The worker takes each file that is due, and none of them stands in the way of the others."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, cast

from actors.connection.engine import EngineEvents
from actors.connection.native.identities.addresses import Address
from actors.connection.native.identities.lid_mapping import People
from actors.connection.native.identities.routes import Routes
from actors.connection.native.media.download_worker import AT_ONCE, Courier
from actors.connection.native.media.failure_policy import Trouble
from actors.connection.native.media.hosts import NoLink
from actors.connection.native.media.over_socket import phone
from actors.connection.session.files.downloads import Transfer
from actors.connection.session.session import Session
from actors.runtime.actor_base import end_tasks
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from actors.connection.native.identities.devices import Devices
    from actors.connection.native.media.fetch import Fetcher
    from actors.connection.native.transport.nodes import Node
    from actors.connection.native.transport.socket import Socket

CHAT = "15550100002@s.whatsapp.net"
ACCOUNT = "15550100001@s.whatsapp.net"


class Fetching:
    """What becomes of each file, by its message's id."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.asked: list[str] = []
        self.becomes: dict[str, Trouble | Exception] = {}

    async def fetch(self, transfer: Transfer) -> Trouble | None:
        self.asked.append(transfer.message_id)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.005 * (len(self.asked) % 4 + 1))
        self.now -= 1
        found = self.becomes.get(transfer.message_id)
        if isinstance(found, Exception):
            raise found
        return found


class Wire:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.sent: list[Node] = []
        self.on_disk: list[int] = []

    async def send(self, node: Node) -> None:
        self.sent.append(node)
        self.on_disk.append(self.session.transfers_of(node.attrs["id"])[0].asked)


def transfers(*names: str) -> list[Transfer]:
    return [
        Transfer(CHAT, CHAT, name, False, "image", bytes(32), "/p", b"h" * 32, b"s" * 32, 5)
        for name in names
    ]


@asynccontextmanager
async def working(
    directory: Path, fetching: Fetching, *names: str
) -> AsyncIterator[tuple[Session, Courier, Wire]]:
    with closing(Session.open(directory / "session.db", 1)) as session:
        async with session.transaction():
            for transfer in transfers(*names):
                session.add_transfer(transfer)
        courier = Courier(
            session, cast("Fetcher", fetching), counts=Counter(), events=EngineEvents()
        )
        running = asyncio.create_task(courier.run())
        try:
            yield session, courier, Wire(session)
        finally:
            await end_tasks([running], 1.0)


def left(session: Session) -> set[str]:
    return {one.message_id for one in session.due_transfers(9e9, 99)}


def routes(session: Session) -> Routes:
    own = Address.parse("15550100001:4@s.whatsapp.net")
    people = People(session, own, Address.parse("90000000000001:4@lid"))
    return Routes(session, people, cast("Devices", None), lambda: 0.0)


async def until(condition: Callable[[], object]) -> None:
    await eventually("it holds", condition, 10.0)


async def test_what_breaks_does_not_stand_before_all_others(tmp_path: Path) -> None:
    fetching = Fetching()
    broken = [f"BROKEN{number}" for number in range(AT_ONCE + 1)]
    fetching.becomes = {name: ZeroDivisionError() for name in broken}
    async with working(tmp_path, fetching, *broken, "FINE") as (session, courier, wire):
        courier.attach(phone(cast("Socket", wire), ACCOUNT, routes(session)))
        await until(lambda: "FINE" not in left(session))
        assert {one.attempts for one in session.due_transfers(9e9, 99)} == {1}
        assert [one.status for one in session.pending("file", 9)] == ["stored"]


async def test_so_many_at_once_and_no_more(tmp_path: Path) -> None:
    fetching = Fetching()
    names = [f"M{number}" for number in range(20)]
    async with working(tmp_path, fetching, *names) as (session, courier, wire):
        await asyncio.sleep(0.01)
        assert fetching.asked == [], "the connection is not open"
        courier.attach(phone(cast("Socket", wire), ACCOUNT, routes(session)))
        await until(lambda: not left(session))
        assert fetching.most == AT_ONCE
        assert sorted(fetching.asked) == sorted(names)


async def test_without_servers_it_waits_for_the_next_login(tmp_path: Path) -> None:
    fetching = Fetching()
    fetching.becomes = {"A": NoLink()}
    async with working(tmp_path, fetching, "A") as (session, courier, wire):
        courier.attach(phone(cast("Socket", wire), ACCOUNT, routes(session)))
        await until(lambda: fetching.asked)
        await asyncio.sleep(0.02)
        assert fetching.asked == ["A"]
        assert [one.attempts for one in session.due_transfers(9e9, 99)] == [0]
        fetching.becomes = {}
        courier.attach(phone(cast("Socket", wire), ACCOUNT, routes(session)))
        await until(lambda: not left(session))


async def test_the_phone_is_asked_once_it_is_on_disk(tmp_path: Path) -> None:
    fetching = Fetching()
    fetching.becomes = {"A": Trouble.GONE}
    async with working(tmp_path, fetching, "A") as (session, courier, wire):
        courier.attach(phone(cast("Socket", wire), ACCOUNT, routes(session)))
        await until(lambda: wire.sent)
        assert wire.on_disk == [1], "an answer that comes at once would be put off"
        assert wire.sent[0].attrs["to"] == ACCOUNT
        (waiting,) = session.due_transfers(9e9, 9)
        async with session.transaction():
            session.find_transfer_at(waiting, "/new")
        fetching.becomes = {}
        courier.look()
        await until(lambda: not left(session))
