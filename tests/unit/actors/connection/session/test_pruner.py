"""A session of months opens at once and shrinks while it is served, also after a kill in the midst of that."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.session import pruner
from actors.connection.session.pruner import SessionPruner
from actors.connection.session.received.inbox import TOMBSTONE_SECONDS
from actors.connection.session.session import Session, SessionDamaged, StaleEpoch
from tests.unit.actors.connection.sessions import Clock, prune, put

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[5]

EXPIRED = """
INSERT INTO tombstones WITH RECURSIVE numbers (number) AS
    (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?)
SELECT printf('1555010%04d@s.whatsapp.net', number % 100),
    printf('1555010%04d@s.whatsapp.net', number % 100), printf('3EB0%016X', number), 1, NULL, number
    FROM numbers
"""

SERVED = """
import asyncio, sys, time
from pathlib import Path
from actors.connection.session.pruner import SessionPruner
from actors.connection.session.session import Session
async def main():
    session = Session.open(Path(sys.argv[1]), 3)
    SessionPruner(session, time.time, print).start()
    while True:
        print(session.row("SELECT count(*) FROM tombstones")[0], flush=True)
        await asyncio.sleep(0.02)
asyncio.run(main())
"""


def fill(path: Path, rows: int) -> None:
    """Put tombstones of long ago into the file of a closed session."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA synchronous=OFF")
        with database:
            database.execute(EXPIRED, (rows,))


def size(path: Path) -> int:
    return path.stat().st_size


def left(session: Session) -> int:
    return int(session.rows("SELECT count(*) FROM tombstones WHERE at < 1e9")[0][0])


def served(session: Session) -> SessionPruner:
    one = SessionPruner(session, time.time, lambda error: pytest.fail(str(error)))
    one.start()
    return one


async def settled(session: Session, *message_ids: str) -> None:
    """Have messages received and stored."""
    for message_id in message_ids:
        await put(session, message_id)
    async with session.transaction():
        session.inbox.settle([item.key for item in session.inbox.pending("message", 9)])


async def test_a_session_of_months_opens_receives_and_shrinks_meanwhile(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Session.open(path, 3).close()
    fill(path, rows := 200_000)
    before = size(path)
    await asyncio.to_thread(Session.check, path)
    with closing(Session.open(path, 4)) as session:
        assert left(session) == rows, "nothing waits for the rows to go"
        one, received = served(session), 0
        while (between := left(session)) > rows - 10_000:
            assert await put(session, f"M{received}"), "received between two steps"
            received += 1
            await asyncio.sleep(0.01)
        assert received > 10
        await one.close()
        assert 0 < left(session) <= between, "it closes in the midst"
    with closing(Session.open(path, 5)) as session:
        assert left(session), "the next owner has what is left"
        monkeypatch.setattr(pruner, "REST", 0.0)  # nobody else is served here
        await prune(session)
        assert left(session) == 0
        assert len(session.inbox.pending("message", received + 1)) == received
        assert not await put(session, "M0"), "its tombstone has time left"
    assert size(path) < before / 4


async def test_a_kill_in_the_midst_loses_nothing_and_the_next_owner_goes_on(path: Path) -> None:
    with closing(Session.open(path, 2)) as session:
        await put(session, "A")
    fill(path, rows := 20_000)
    process = await asyncio.to_thread(
        subprocess.Popen,
        [sys.executable, "-c", SERVED, str(path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) < rows - 2 * pruner.ROWS_TOGETHER:
            break
    process.kill()
    process.wait()
    process.stdout.close()
    with closing(Session.open(path, 4)) as session:
        assert 0 < left(session) < rows, "the kill came in the midst"
        await prune(session)
        assert left(session) == 0
        assert [one.message_id for one in session.inbox.pending("message", 9)] == ["A"]


async def test_what_changes_after_it_was_looked_up_stays(
    session: Session, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await settled(session, "A", "B")
    clock.now += TOMBSTONE_SECONDS + 1
    look_up, changed = session.look_up, list[int]()

    def overtaken(sql: str, parameters: Sequence[Any]) -> list[Any]:
        rows = look_up(sql, parameters)
        if "FROM tombstones" in sql and rows:
            with closing(sqlite3.connect(session.path)) as other, other:
                query = "UPDATE tombstones SET at = ? WHERE message_id = 'B'"
                changed.append(other.execute(query, (clock.now,)).rowcount)
        return rows

    monkeypatch.setattr(session, "look_up", overtaken)
    await prune(session)
    assert changed == [1]
    assert session.rows("SELECT message_id FROM tombstones") == [("B",)]


async def test_an_owner_whose_epoch_is_over_deletes_nothing(
    session: Session, path: Path, clock: Clock
) -> None:
    await settled(session, "A")
    clock.now += TOMBSTONE_SECONDS + 1
    refusals: list[Exception] = []
    stale = SessionPruner(session, clock, refusals.append)
    with closing(Session.open(path, 4, clock=clock)) as successor:
        stale.start()
        assert stale._task is not None
        await stale._task
        assert [type(one) for one in refusals] == [StaleEpoch]
        assert len(successor.rows("SELECT * FROM tombstones")) == 1


async def test_a_broken_page_that_pruning_comes_to_ends_the_connection(path: Path) -> None:
    Session.open(path, 3).close()
    fill(path, 5_000)
    with closing(sqlite3.connect(path)) as database:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'tombstones'"
        root = database.execute(query).fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096 + 8)
        file.write(b"\xff" * 4000)
    refusals: list[Exception] = []
    with closing(Session.open(path, 4)) as session:
        one = SessionPruner(session, time.time, refusals.append)
        one.start()
        assert one._task is not None
        await one._task
    assert [type(error) for error in refusals] == [SessionDamaged]


async def test_a_file_that_cannot_end_earlier_keeps_its_free_pages(path: Path) -> None:
    """As those of earlier builds: its rows go, and a round ends."""
    Session.open(path, 3).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in ("journal_mode=DELETE", "auto_vacuum=NONE"):
            database.execute(f"PRAGMA {statement}")
        database.execute("VACUUM")
        assert database.execute("PRAGMA auto_vacuum").fetchone() == (0,)
    fill(path, 30_000)
    before = size(path)
    with closing(Session.open(path, 4)) as session:
        await prune(session)
        assert left(session) == 0
        assert session.rows("PRAGMA freelist_count")[0][0] > pruner.SPARE_PAGES
    assert size(path) == before
