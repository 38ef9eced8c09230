"""The worker takes each file that is due, and none of them stands in the way of the others."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from actors.connection.engine import EngineEvents
from actors.connection.protocol.media import download_admission, download_worker
from actors.connection.protocol.media.download_admission import Bounds
from actors.connection.protocol.media.download_worker import CONCURRENT_DOWNLOADS, DownloadWorker
from actors.connection.protocol.media.failure_policy import Trouble
from actors.connection.protocol.media.media_servers import NoLink
from actors.connection.session.files.pending_downloads import Transfer
from actors.connection.session.session import Session
from actors.metrics.mistakes import OWN_MISTAKES
from actors.runtime.actor_base import end_tasks
from tests.bare_files import BareFiles
from tests.processes.measured import Measured
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    import pytest

    from actors.connection.protocol.media.download import FileDownloader
    from actors.media.store import MediaStore

CHAT = "15550100002@s.whatsapp.net"
UNBOUNDED = Bounds(1000)
KB = 1024


class ScriptedFetch:
    """A fetch with a given outcome for each file, by its message's id."""

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
        self.on_disk: list[int] = []

    async def ask(self, transfer: Transfer) -> None:
        found = self.session.downloads.of_message(transfer.message_id)
        self.on_disk.append(found[0].requests)


def transfers(*names: str) -> list[Transfer]:
    return [
        Transfer(CHAT, CHAT, name, False, "image", bytes(32), "/p", b"h" * 32, b"s" * 32, 5)
        for name in names
    ]


@asynccontextmanager
async def working(
    directory: Path,
    fetching: ScriptedFetch,
    *names: str | Transfer,
    epoch: int = 1,
    bounds: Bounds = UNBOUNDED,
    store: MediaStore | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[tuple[Session, DownloadWorker, Wire]]:
    with closing(Session.open(directory / "session.db", epoch, clock=clock)) as session:
        async with session.transaction():
            for name in names:
                (transfer,) = [name] if isinstance(name, Transfer) else transfers(name)
                session.downloads.add(transfer)
        worker = DownloadWorker(
            session,
            cast("FileDownloader", fetching),
            store or BareFiles(directory / "media"),
            bounds=bounds,
            counts=Counter(),
            events=EngineEvents(),
            clock=session.clock,
        )
        running = asyncio.create_task(worker.run())
        try:
            yield session, worker, Wire(session)
        finally:
            await end_tasks([running], 1.0)


def left(session: Session) -> set[str]:
    return {one.message_id for one in session.downloads.due(9e9, 99)}


def news(session: Session) -> list[tuple[str, str, str | None]]:
    return [(one.message_id, one.status, one.error) for one in session.inbox.pending("file", 99)]


class Disk:
    """A store of which only the room counts, of all and of the connection."""

    def __init__(self, room: int, part: int = 10**9) -> None:
        self.left, self.left_of_part = room, part

    async def room(self) -> int:
        return self.left

    async def part(self, room: int) -> int:
        return min(room, self.left_of_part)


def sized(name: str, size: int, sender: str = CHAT) -> Transfer:
    (one,) = transfers(name)
    return replace(one, size=size, sender=sender, key=name.encode().ljust(32))


async def until(condition: Callable[[], object]) -> None:
    await eventually("it holds", condition, 10.0)


async def test_what_breaks_does_not_stand_before_all_others(tmp_path: Path) -> None:
    fetching = ScriptedFetch()
    broken = [f"BROKEN{number}" for number in range(CONCURRENT_DOWNLOADS + 1)]
    fetching.becomes = {name: ZeroDivisionError() for name in broken}
    measured = Measured()
    async with working(tmp_path, fetching, *broken, "FINE") as (session, worker, wire):
        worker.attach(wire.ask)
        await until(lambda: "FINE" not in left(session))
        assert {one.attempts for one in session.downloads.due(9e9, 99)} == {1}
        assert [one.status for one in session.inbox.pending("file", 9)] == ["stored"]
    assert measured.rise(OWN_MISTAKES, action="media.fetch") == len(broken)


async def test_so_many_at_once_and_no_more(tmp_path: Path) -> None:
    fetching = ScriptedFetch()
    names = [f"M{number}" for number in range(20)]
    async with working(tmp_path, fetching, *names) as (session, worker, wire):
        await asyncio.sleep(0.01)
        assert fetching.asked == [], "the connection is not open"
        worker.attach(wire.ask)
        await until(lambda: not left(session))
        assert fetching.most == CONCURRENT_DOWNLOADS
        assert sorted(fetching.asked) == sorted(names)


async def test_without_servers_it_waits_for_the_next_login(tmp_path: Path) -> None:
    fetching = ScriptedFetch()
    fetching.becomes = {"A": NoLink()}
    async with working(tmp_path, fetching, "A") as (session, worker, wire):
        worker.attach(wire.ask)
        await until(lambda: fetching.asked)
        await asyncio.sleep(0.02)
        assert fetching.asked == ["A"]
        assert [one.attempts for one in session.downloads.due(9e9, 99)] == [0]
        fetching.becomes = {}
        worker.attach(wire.ask)
        await until(lambda: not left(session))


async def test_the_phone_is_asked_once_it_is_on_disk(tmp_path: Path) -> None:
    fetching = ScriptedFetch()
    fetching.becomes = {"A": Trouble.GONE}
    async with working(tmp_path, fetching, "A") as (session, worker, wire):
        worker.attach(wire.ask)
        await until(lambda: wire.on_disk)
        assert wire.on_disk == [1], "an answer that comes at once would be put off"
        (waiting,) = session.downloads.due(9e9, 9)
        async with session.transaction():
            session.downloads.relocate(waiting, "/new")
        fetching.becomes = {}
        worker.look()
        await until(lambda: not left(session))


async def nobody(_: Transfer) -> None:
    raise AssertionError("the phone is asked for nothing")


async def test_files_wait_for_room_and_come_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_worker, "ROOM_LOOK", 0.05)
    fetching, disk = ScriptedFetch(), Disk(10)
    files = [sized("SMALL", 10), *(sized(f"LARGE{number}", 11) for number in range(20))]
    store = cast("MediaStore", disk)
    async with working(tmp_path, fetching, *files, store=store) as (session, worker, _):
        worker.attach(nobody)
        await until(lambda: "SMALL" not in left(session) and session.downloads.deferred()[0] == 20)
        assert fetching.asked == ["SMALL"], "what fits passes by"
        assert news(session)[-1] == ("SMALL", "stored", None) or news(session)[0][0] == "SMALL"
        waiting = [one for one in news(session) if one[0] != "SMALL"]
        assert waiting == [(f"LARGE{number}", "deferred", "disk_reserve") for number in range(20)]
        changes = session.stored_position(session.path)
        await asyncio.sleep(0.3)
        assert session.stored_position(session.path) == changes, "looking for room writes nothing"
        disk.left = 11
        await until(lambda: not left(session))
        assert session.downloads.deferred()[0] == 0
        assert {one[1] for one in news(session)[21:]} == {"stored"}
        assert {one.attempts for one in session.downloads.due(9e9, 99)} == set()


async def test_files_wait_for_the_connections_part_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_worker, "ROOM_LOOK", 0.05)
    fetching, disk = ScriptedFetch(), Disk(100, part=10)
    files = [sized("SMALL", 10), sized("LARGE", 11), sized("TOO LARGE", 101)]
    store = cast("MediaStore", disk)
    async with working(tmp_path, fetching, *files, store=store) as (session, worker, _):
        worker.attach(nobody)
        await until(lambda: "SMALL" not in left(session) and session.downloads.deferred() == (2, 0))
        assert ("LARGE", "deferred", "connection_part") in news(session)
        disk.left_of_part = 11
        await until(lambda: ("TOO LARGE", "deferred", "disk_reserve") in news(session))
        await until(lambda: ("LARGE", "stored", None) in news(session))
        assert session.downloads.deferred() == (1, 0)


async def test_a_disk_that_fills_up_meanwhile_has_the_file_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_worker, "ROOM_LOOK", 0.05)
    monkeypatch.setattr(download_worker, "LOCAL_PAUSE", 0.2)
    fetching = ScriptedFetch()
    fetching.becomes = {"A": Trouble.FULL}
    async with working(tmp_path, fetching, "A", "B") as (session, worker, _):
        worker.attach(nobody)
        await until(lambda: ("A", "deferred", "disk_reserve") in news(session))
        await until(lambda: ("B", "stored", None) in news(session))
        fetching.becomes = {}
        await until(lambda: ("A", "stored", None) in news(session))


async def test_a_sender_and_a_connection_have_their_bytes_for_the_day(tmp_path: Path) -> None:
    """Greedy senders wait for midnight, over a restart too; the others are served."""
    now = 20_000 * 86_400.0 - 7200
    other = "15550100003@s.whatsapp.net"
    bounds = Bounds(largest=100 * KB, connection=250 * KB, sender=150 * KB)
    greedy = [sized(f"G{number}", 60 * KB) for number in range(5)]
    files = [*greedy, sized("O", 60 * KB, other)]
    fetching = ScriptedFetch()

    def clock() -> float:
        return now

    async with working(tmp_path, fetching, *files, bounds=bounds, clock=clock) as (
        session,
        worker,
        _,
    ):
        worker.attach(nobody)
        await until(lambda: session.downloads.deferred()[0] == 3 and len(news(session)) == 6)
        assert sorted(fetching.asked) == ["G0", "G1", "O"]
        assert session.downloads.received_today(CHAT) == 120 * KB
        assert session.downloads.received_today() == 180 * KB
        told = {one for one in news(session) if one[1] == "deferred"}
        assert told == {(f"G{number}", "deferred", "sender_budget") for number in (2, 3, 4)}
    third = sized("T", 100 * KB, "15550100004@s.whatsapp.net")
    async with working(tmp_path, fetching, third, bounds=bounds, clock=clock, epoch=2) as (
        session,
        worker,
        _,
    ):
        worker.attach(nobody)
        await until(lambda: ("T", "deferred", "connection_budget") in news(session))
        await asyncio.sleep(0.1)
        assert sorted(fetching.asked) == ["G0", "G1", "O"], "a restart gives nobody more"
        now += 7200 + download_admission.SPREAD
        worker.look()
        await until(lambda: session.downloads.deferred()[0] == 1)
        assert sorted(fetching.asked) == ["G0", "G1", "G2", "G3", "O", "T"]
        assert left(session) == {"G4"}


async def test_files_that_come_and_are_of_no_use_count_too(tmp_path: Path) -> None:
    """One that was sealed wrongly counts once, one that is damaged on the way with each try."""
    fetching, bounds = ScriptedFetch(), Bounds(largest=100 * KB, sender=150 * KB)
    fetching.becomes = {"A": Trouble.SEALED_SO, "B": Trouble.DAMAGED, "C": Trouble.UNREACHABLE}
    other = "15550100003@s.whatsapp.net"
    files = [
        sized("A", 60 * KB),
        sized("B", 60 * KB),
        sized("C", 60 * KB, other),
        sized("D", 60 * KB),
    ]
    async with working(tmp_path, fetching, *files, bounds=bounds) as (session, worker, _):
        worker.attach(nobody)
        await until(lambda: {"A", "B", "C"} <= set(fetching.asked))
        await until(lambda: ("D", "deferred", "sender_budget") in news(session))
        assert session.downloads.received_today(CHAT) == 120 * KB
        assert session.downloads.received_today(other) == 0


async def test_bounds_that_are_others_after_a_restart_hold_at_once(tmp_path: Path) -> None:
    fetching, tight = ScriptedFetch(), Bounds(largest=100, sender=100)
    async with working(tmp_path, fetching, sized("A", 60), sized("B", 60), bounds=tight) as (
        session,
        worker,
        _,
    ):
        worker.attach(nobody)
        await until(lambda: session.downloads.deferred()[0] == 1 and left(session) == {"B"})
    async with working(tmp_path, fetching, epoch=2) as (session, worker, _):
        worker.attach(nobody)
        await until(lambda: not left(session))


async def test_a_file_that_is_tried_again_is_deferred_no_more(tmp_path: Path) -> None:
    fetching, disk = ScriptedFetch(), Disk(0)
    store = cast("MediaStore", disk)
    async with working(tmp_path, fetching, "A", store=store) as (session, worker, _):
        worker.attach(nobody)
        await until(lambda: session.downloads.deferred()[0] == 1)
    fetching.becomes = {"A": Trouble.UNREACHABLE}
    async with working(tmp_path, fetching, epoch=2) as (session, worker, _):
        worker.attach(nobody)
        await until(lambda: session.downloads.deferred()[0] == 0)
        assert news(session) == [("A", "deferred", "disk_reserve"), ("A", "pending", None)]


async def test_messages_of_one_id_are_different_files(tmp_path: Path) -> None:
    """Ids are their senders': while the file of one is fetched, that of another one waits."""
    fetching, bounds = ScriptedFetch(), Bounds(largest=100, sender=100)
    other = sized("A", 90, "15550100003@s.whatsapp.net")
    files = [sized("A", 60), replace(other, size=60), replace(sized("B", 60), sender=other.sender)]
    fetching.becomes = {"A": NoLink()}
    async with working(tmp_path, fetching, *files, bounds=bounds) as (session, worker, _):
        async with session.transaction():
            session.downloads.count(other.sender, 50)
        worker.attach(nobody)
        await until(lambda: session.downloads.deferred() == (2, 2))
        assert fetching.asked == ["A"]
