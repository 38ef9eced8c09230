"""A damaged session is moved, whole, and never over another one; three of them stay, and any that may hold messages."""

from __future__ import annotations

import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from actors.connection.backup.quarantine import move_aside, remove_former
from actors.connection.session.files.pending_downloads import Transfer
from actors.connection.session.session import Session
from tests.unit.actors.connection.sessions import ALICE, put

if TYPE_CHECKING:
    from pathlib import Path


def parts(place: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in place.iterdir()}


def test_all_parts_are_moved_and_for_the_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "session.db"
    content = {"session.db": "main", "session.db-wal": "log", "session.db-shm": "index"}
    for name, text in content.items():
        file.with_name(name).write_text(text)
    place = move_aside(file, 7, now=0.0)
    assert place == tmp_path / "damaged" / "19700101T000000Z-7"
    assert parts(place) == content
    assert list(tmp_path.iterdir()) == [tmp_path / "damaged"]
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_the_next_one_lies_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "session.db"
    for epoch in (7, 8):
        file.write_text(str(epoch))
        move_aside(file, epoch, now=0.0)
    kept = sorted((tmp_path / "damaged").glob("*/session.db"))
    assert [each.read_text() for each in kept] == ["7", "8"]


def test_what_was_cut_short_is_finished_by_the_next(tmp_path: Path) -> None:
    """The main file goes last: while it is there, the session still counts as damaged."""
    file = tmp_path / "session.db"
    file.write_text("main")
    (tmp_path / "damaged").write_text("in the way")
    with pytest.raises(OSError, match="damaged"):
        move_aside(file, 7)
    assert file.read_text() == "main"
    (tmp_path / "damaged").unlink()
    assert parts(move_aside(file, 8)) == {"session.db": "main"}


def aside(directory: Path, kind: str) -> list[str]:
    return sorted(place.name for place in (directory / kind).iterdir())


@pytest.mark.parametrize("kind", ["damaged", "drained"])
def test_the_newest_three_stay(tmp_path: Path, kind: str) -> None:
    for epoch in range(1, 6):
        Session.open(tmp_path / "session.db", epoch).close()
        move_aside(tmp_path / "session.db", epoch, now=epoch * 60.0, into=kind)
        remove_former(tmp_path)
    assert aside(tmp_path, kind) == [f"19700101T000{minute}00Z-{minute}" for minute in (3, 4, 5)]
    assert not (tmp_path / "session.db").exists()


async def test_a_damaged_session_stays_until_nothing_of_it_can_be_missing(tmp_path: Path) -> None:
    file = tmp_path / "session.db"

    def moved(number: int) -> str:
        return move_aside(file, number, now=number * 60.0).name

    with closing(Session.open(file, 1)) as session:
        await put(session, "A")
    waits = moved(1)
    with closing(Session.open(file, 2)) as session:
        async with session.transaction():
            transfer = Transfer(ALICE, ALICE, "A", False, "image", b"k", "/p", b"h", b"s", 5)
            session.downloads.add(transfer)
    to_fetch = moved(2)
    file.write_bytes(b"no session" * 1000)
    unreadable = moved(3)
    file.with_name("session.db-wal").write_bytes(b"left by a move that was cut short")
    without_file = moved(4)
    with closing(Session.open(file, 5)) as session:
        await put(session, "A")
        async with session.transaction():
            session.inbox.settle([1])
            # A receipt of a message that never came.
            session.phone_statuses.add(
                chat=ALICE, sender=ALICE, message_id="B", status="read", at=7
            )
    moved(5)
    newest = list[str]()
    for number in (6, 7, 8):
        Session.open(file, number).close()
        newest.append(moved(number))
    remove_former(tmp_path)
    assert aside(tmp_path, "damaged") == [waits, to_fetch, unreadable, without_file, *newest]
