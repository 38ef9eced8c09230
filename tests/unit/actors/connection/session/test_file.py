"""The session file: who may write it, what a transaction leaves, what a crash leaves."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from actors.connection.session import file as session_file
from actors.connection.session.identities.linked_device import LinkedDevice
from actors.connection.session.session import (
    Session,
    SessionBlocked,
    SessionDamaged,
    SessionTooNew,
    SessionUnavailable,
    StaleEpoch,
    make_directory,
)
from tests.unit.actors.connection.sessions import ALICE, put


def test_a_file_is_only_its_owners(session: Session, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.with_name("session.db-wal").stat().st_mode) == 0o600


def test_what_stands_in_the_place_of_a_directory_is_left_as_it_is(tmp_path: Path) -> None:
    for directory in (tmp_path / "sessions" / "shop", tmp_path / "sessions" / "shop" / "x"):
        make_directory(directory)
        make_directory(directory)
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    file = tmp_path / "file"
    file.write_text("somebody's")
    for place in (file, file / "shop"):
        with pytest.raises(SessionBlocked):
            make_directory(place)
    assert file.read_text() == "somebody's"


def test_what_stands_in_the_place_of_the_file_is_left_as_it_is(path: Path) -> None:
    """A pipe would be waited for."""
    path.parent.mkdir(exist_ok=True)
    for make, unmake in ((Path.mkdir, Path.rmdir), (os.mkfifo, Path.unlink)):
        make(path)
        with pytest.raises(SessionBlocked):
            Session.stored_position(path)
        with pytest.raises(SessionBlocked):
            Session.open(path, 5)
        unmake(path)


def test_a_directory_that_cannot_be_made_now() -> None:
    with pytest.raises(SessionUnavailable):
        make_directory(Path("/proc/teimoso"))


def test_the_epoch_is_known_without_opening(path: Path) -> None:
    assert Session.stored_position(path).epoch == 0
    assert not path.exists()
    Session.open(path, 5).close()
    assert Session.stored_position(path).epoch == 5
    Session.open(path, 9).close()
    assert Session.stored_position(path).epoch == 9


def test_an_older_epoch_does_not_open_it(session: Session, path: Path) -> None:
    """G6."""
    with pytest.raises(StaleEpoch):
        Session.open(path, 2)
    assert Session.stored_position(path).epoch == 3


def test_the_same_epoch_opens_it_again(session: Session, path: Path) -> None:
    session.close()
    Session.open(path, 3).close()


async def test_a_stale_owner_commits_nothing(session: Session, path: Path) -> None:
    """G6: the successor opened the file while the older owner still had it open."""
    assert await put(session, "BEFORE")
    with closing(Session.open(path, 4)) as successor:
        with pytest.raises(StaleEpoch):
            await put(session, "AFTER")
        assert [item.key for item in successor.inbox.pending("message", 10)] == [1]
        assert await put(successor, "SUCCESSOR")


@pytest.mark.parametrize("content", [b"garbage" * 999, b"SQLite format 3\0" + b"\xff" * 5000])
def test_garbage_is_left_as_it_is(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(SessionDamaged):
        Session.open(path, 1)
    with pytest.raises(SessionDamaged):
        Session.stored_position(path)
    assert path.read_bytes() == content
    assert [one.name for one in path.parent.iterdir()] == ["session.db"]


def test_another_programs_database_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE notes (text TEXT)")
    before = path.read_bytes()
    with pytest.raises(SessionDamaged):
        Session.open(path, 1)
    assert path.read_bytes() == before


async def test_a_spoilt_page_is_found_by_a_check(session: Session, path: Path) -> None:
    for number in range(200):
        await put(session, f"M{number}", text="x" * 500)
    session.close()
    spoil(path)


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = os.urandom(4096)
    path.write_bytes(content)
    with pytest.raises(SessionDamaged):
        Session.check(path)
    assert path.read_bytes() == content


def test_a_newer_releases_file_is_left_as_it_is(session: Session, path: Path) -> None:
    session.close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version=999")
    with pytest.raises(SessionTooNew):
        Session.open(path, 4)


def test_a_creation_cut_short_is_no_damage(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    assert Session.stored_position(path).epoch == 0
    Session.open(path, 1).close()


async def test_what_cannot_be_written_is_said_and_undone(
    session: Session, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, played by SQLite's own page limit."""
    await put(session, "FITS")
    pages = session._writer.execute("PRAGMA page_count").fetchone()[0]
    session._writer.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(SessionUnavailable, match="SQLITE_FULL"):
        await put(session, "TOO MUCH", body=os.urandom(100_000))
    assert not session.inbox.committed(ALICE, ALICE, "TOO MUCH")
    session._writer.execute(f"PRAGMA max_page_count={pages + 1000}")
    assert await put(session, "TOO MUCH")


async def test_a_lock_held_elsewhere_is_not_waited_for_forever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_file, "BUSY_SECONDS", 0.05)
    with closing(Session.open(path, 1)) as session, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SessionUnavailable, match="SQLITE_BUSY"):
            await put(session, "LATER")
        other.execute("ROLLBACK")
        assert await put(session, "LATER")


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (StaleEpoch, "stale_epoch"),
        (SessionDamaged, "session_damaged"),
        (SessionTooNew, "session_too_new"),
        (SessionUnavailable, "session_unavailable"),
    ],
)
def test_refusals_have_stable_codes(refusal: type[StaleEpoch], code: str) -> None:
    assert refusal.code == code


async def test_an_epoch_that_cannot_be_read_is_a_refusal_like_others(
    session: Session, path: Path
) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("ALTER TABLE file RENAME TO gone")
        with pytest.raises(SessionUnavailable, match="SQLITE_ERROR"):
            await put(session, "A")
        other.execute("ALTER TABLE gone RENAME TO file")
    assert await put(session, "A")


async def test_changes_need_a_transaction(session: Session) -> None:
    with pytest.raises(RuntimeError):
        session.inbox.settle([1])
    with pytest.raises(RuntimeError):
        session.linked_device.save(LinkedDevice("15550100001:4@s.whatsapp.net"))


async def test_an_unrelated_task_cannot_write_into_a_transaction(session: Session) -> None:
    async def intrude() -> None:
        session.inbox.settle([1])

    before = asyncio.get_running_loop()
    inside = asyncio.Event()
    leave = asyncio.Event()

    async def work() -> None:
        async with session.transaction():
            inside.set()
            await leave.wait()

    working = before.create_task(work())
    await inside.wait()
    with pytest.raises(RuntimeError):
        await intrude()
    leave.set()
    await working


async def test_what_a_transaction_awaits_may_write(session: Session) -> None:
    async def part() -> None:
        session.push_names.save(ALICE, "Ana")

    async with session.transaction():
        await asyncio.wait_for(part(), 1)
    assert session.rows("SELECT name FROM push_names") == [("Ana",)]


async def test_a_transaction_in_a_transaction_is_refused(session: Session) -> None:
    async with session.transaction():
        with pytest.raises(RuntimeError):
            async with session.transaction():
                pass


async def test_an_exception_undoes_all_of_it_also_in_memory(session: Session) -> None:
    first = LinkedDevice("15550100001:4@s.whatsapp.net")
    async with session.transaction():
        session.linked_device.save(first)
    assert session.linked_device.read() == first

    async def fail() -> None:
        async with session.transaction():
            session.linked_device.save(replace(first, lid="1:4@lid"))
            changed = session.linked_device.read()
            assert changed is not None
            assert changed.lid == "1:4@lid"
            session.learn_lid("1@lid", ALICE)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert session.linked_device.read() == first
    assert session.identities.pn_for("1@lid") is None


async def test_a_cancelled_transaction_leaves_nothing(session: Session) -> None:
    entered = asyncio.Event()

    async def hang() -> None:
        async with session.transaction():
            session.learn_lid("1@lid", ALICE)
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert session.identities.pn_for("1@lid") is None
    assert await put(session, "NEXT")


async def test_others_read_only_what_is_committed(session: Session) -> None:
    async with session.transaction():
        session.linked_device.save(LinkedDevice("15550100001:4@s.whatsapp.net"))
        session.learn_lid("1@lid", ALICE)
        assert session.identities.pn_for("1@lid") == ALICE
        seen = await asyncio.get_running_loop().create_task(_outside(session))
        assert seen == (None, None)
    assert session.identities.pn_for("1@lid") == ALICE


async def _outside(session: Session) -> tuple[object, object]:
    # A task inherits its creator's context: leave it, as an unrelated task would have none.
    session_file._inside.set(None)
    return session.identities.pn_for("1@lid"), session.linked_device.read()


async def test_a_savepoint_is_one_messages_share(session: Session) -> None:
    def learn_and_fail() -> None:
        with session.savepoint():
            session.learn_lid("2@lid", "15550100003@s.whatsapp.net")
            raise ZeroDivisionError

    async with session.transaction():
        with session.savepoint():
            session.learn_lid("1@lid", ALICE)
        with pytest.raises(ZeroDivisionError):
            learn_and_fail()
        with session.savepoint():
            session.learn_lid("3@lid", "15550100004@s.whatsapp.net")
    assert [session.identities.pn_for(f"{n}@lid") is None for n in (1, 2, 3)] == [
        False,
        True,
        False,
    ]


async def test_each_transaction_that_changed_something_is_counted(
    session: Session, path: Path
) -> None:
    """Two files with one position are the same."""
    assert Session.stored_position(path) == (3, 0)
    await put(session, "ONE")
    assert Session.stored_position(path) == (3, 1)
    async with session.transaction():
        session.inbox.committed("chat", "sender", "ONE")
    with pytest.raises(sqlite3.IntegrityError):
        await put(session, "TWO", type=None)
    assert Session.stored_position(path) == (3, 1)
    session.close()
    with closing(Session.open(path, 7)) as later:
        assert Session.stored_position(path) == (7, 1)
        await put(later, "TWO")
        assert Session.stored_position(path) == (7, 2)
