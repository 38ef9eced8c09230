"""Unread messages are kept as long as it may be read, and no longer, under the person's address."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from actors.connection.session.chats import unread
from actors.connection.session.chats.unread import UNREAD_SECONDS, ReadBatch, Unread, readings
from actors.connection.session.session import Session
from actors.messages.content import ReadMark, Target
from tests.unit.actors.connection.sessions import ALICE, Clock, prune

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LID = "90000000000002@lid"
GROUP = "120363000000000001@g.us"


def noted(session: Session, number: str, at: int, chat: str = ALICE) -> None:
    session.unread.note(chat=chat, message_id=number, origin=LID, author="", at=at)


def ids(session: Session, until: float = 1e12, chat: str = ALICE) -> list[str]:
    return [each.message_id for each in session.unread.marked(chat, ReadMark(until=until))]


async def test_a_mark_covers_what_came_until_then(tmp_path: Path) -> None:
    with closing(Session.open(tmp_path / "session.db", 1)) as session:
        async with session.transaction():
            for number, at in (("A", 10), ("B", 20), ("C", 21)):
                noted(session, number, at)
            noted(session, "A", 5, chat=GROUP)
        assert ids(session, 20.0) == ["A", "B"]
        read = session.unread.marked(ALICE, ReadMark(until=20.0))
        assert read[0][1:] == ("A", LID, "")
        async with session.transaction():
            session.unread.forget(each.number for each in read)
        assert ids(session) == ["C"]
        assert ids(session, chat=GROUP) == ["A"]


async def test_a_mark_covers_what_had_arrived_by_then(tmp_path: Path) -> None:
    """By the clock here, whatever WhatsApp's times say."""
    clock = Clock()
    with closing(Session.open(tmp_path / "session.db", 1, clock=clock)) as session:
        for number in "ABC":
            async with session.transaction():
                noted(session, number, 5)
            clock.now += 0.1
        covered = session.unread.marked(ALICE, ReadMark(arrived=clock.now - 0.15))
        assert [each.message_id for each in covered] == ["A", "B"]


async def test_a_mark_names_also_what_is_not_kept(tmp_path: Path) -> None:
    with closing(Session.open(tmp_path / "session.db", 1)) as session:
        async with session.transaction():
            noted(session, "A", 10)
            noted(session, "B", 10)
        mark = ReadMark((Target("A", ALICE), Target("X", ALICE)))
        kept, gone = session.unread.marked(ALICE, mark)
        assert (kept.message_id, kept.origin) == ("A", LID)
        assert gone == Unread(0, "X", ALICE, "")
        assert session.unread.marked(GROUP, mark)[1] == Unread(0, "X", GROUP, ALICE)
        async with session.transaction():
            session.unread.forget([kept.number, gone.number])
        assert ids(session) == ["B"]


async def test_what_is_read_elsewhere_or_too_old_is_not_kept(tmp_path: Path) -> None:
    clock = Clock()
    with closing(Session.open(tmp_path / "session.db", 1, clock=clock)) as session:
        async with session.transaction():
            for number in "ABC":
                noted(session, number, int(clock.now))
            session.unread.read_elsewhere(ALICE, ["B", "Z"])
        assert ids(session) == ["A", "C"]
        for seconds, left in ((UNREAD_SECONDS, ["A", "C"]), (1, [])):
            clock.now += seconds
            await prune(session)
            assert ids(session) == left


async def test_the_oldest_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "UNREAD_ROWS", 3)
    with closing(Session.open(tmp_path / "session.db", 1)) as session:
        async with session.transaction():
            for number in "ABCDE":
                noted(session, number, 10)
        assert ids(session) == ["C", "D", "E"]


async def test_it_moves_with_its_chat(tmp_path: Path) -> None:
    with closing(Session.open(tmp_path / "session.db", 1)) as session:
        async with session.transaction():
            noted(session, "A", 10, chat=LID)
            noted(session, "B", 10)
            noted(session, "B", 10, chat=LID)
            session.learn_lid(LID, ALICE)
        assert sorted(ids(session)) == ["A", "B"]
        assert ids(session, chat=LID) == []


def test_one_receipt_names_messages_of_one_author(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "MOST_IDS", 2)
    found = [
        Unread(1, "A", GROUP, ALICE),
        Unread(2, "B", GROUP, LID),
        Unread(3, "C", GROUP, ALICE),
        Unread(0, "D", GROUP, ALICE),
    ]
    assert list(readings(found)) == [
        ReadBatch(GROUP, ALICE, ["A", "C"]),
        ReadBatch(GROUP, ALICE, ["D"]),
        ReadBatch(GROUP, LID, ["B"]),
    ]
