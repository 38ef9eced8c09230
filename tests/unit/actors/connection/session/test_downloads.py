"""A file that is to be fetched is on disk from its message's commit until that of what became of it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.connection.session.files.pending_downloads import LONGEST_WAIT, Transfer
from actors.connection.session.files.uploads import UPLOAD_SECONDS, Upload
from actors.connection.session.session import Session
from actors.messages.file_deferral import Deferral
from actors.runtime.limits.disk_floor import LEAST_FILE_BYTES
from actors.runtime.limits.durations import DAY
from tests.unit.actors.connection.sessions import ALICE, Clock, prune, put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LID = "90000000000002@lid"
FILE = Transfer(ALICE, ALICE, "A", False, "image", b"k" * 32, "/path", b"h" * 32, b"s" * 32, 5)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session(tmp_path: Path, clock: Clock) -> Iterator[Session]:
    with closing(Session.open(tmp_path / "session.db", 1, clock=clock)) as opened:
        yield opened


async def expect(session: Session, *transfers: Transfer) -> None:
    async with session.transaction():
        for transfer in transfers:
            session.downloads.add(transfer)


async def settle(session: Session) -> None:
    async with session.transaction():
        session.inbox.settle([one.key for one in session.inbox.pending("message", 9)])


async def test_it_is_there_until_it_ends_and_ends_once(session: Session, clock: Clock) -> None:
    await put(session, "A")
    await expect(session, FILE, replace(FILE, direct_path="/again"))
    assert session.downloads.due(clock.now, 9) == [FILE]
    for status in (True, False):
        async with session.transaction():
            assert session.downloads.end(FILE, "stored") is status
    assert session.downloads.due(clock.now, 9) == []
    assert session.inbox.pending("file", 9) == [], "its message waits itself"
    await settle(session)
    (file,) = session.inbox.pending("file", 9)
    assert (file.chat, file.sender, file.message_id) == FILE.name
    assert (file.status, file.error) == ("stored", None)
    async with session.transaction():
        session.inbox.settle([file.key])
    assert session.inbox.pending("file", 9) == []


async def test_the_longest_waiting_comes_first_and_none_before_its_time(
    session: Session, clock: Clock
) -> None:
    later = replace(FILE, message_id="B", next_at=clock.now + 10)
    sooner = replace(FILE, message_id="C", next_at=clock.now - 1)
    first = replace(FILE, message_id="D", next_at=clock.now - 2)
    await expect(session, later, sooner, first)
    assert session.downloads.due(clock.now, 9) == [first, sooner]
    assert session.downloads.due(clock.now, 1) == [first]
    assert session.downloads.next_at(clock.now) == clock.now + 10
    async with session.transaction():
        session.downloads.put_off(first, clock.now + 5, attempts=3, requests=1)
    assert session.downloads.next_at(clock.now) == clock.now + 5
    clock.now += 5
    (_, put_off) = session.downloads.due(clock.now, 9)
    assert put_off == replace(first, next_at=clock.now, attempts=3, requests=1)


async def test_a_clock_that_is_set_back_holds_nothing_up(session: Session, clock: Clock) -> None:
    noted = replace(FILE, next_at=clock.now + LONGEST_WAIT)
    await expect(session, noted)
    assert session.downloads.due(clock.now, 9) == []
    assert session.downloads.due(clock.now - 60, 9) == [noted]


async def test_where_it_is_now_counts_also_for_who_looked_elsewhere(
    session: Session, clock: Clock
) -> None:
    """An answer of the phone that comes while the old place is asked is not put off by that."""
    await expect(session, FILE)
    async with session.transaction():
        session.downloads.relocate(FILE, "/new")
        session.downloads.put_off(FILE, clock.now + 60, attempts=9, requests=9)
    (found,) = session.downloads.due(clock.now, 9)
    assert found == replace(FILE, direct_path="/new", next_at=clock.now)
    assert session.downloads.of_message("A") == [found]


async def test_those_of_the_time_before_wait_for_all_of_it(session: Session) -> None:
    """So that the look for what is due costs nothing for thousands that are not."""
    for name in ("OLD", "OLDER"):
        await put(session, name, source="history")
    await put(session, "A")
    async with session.transaction():
        session.downloads.add_file(ALICE, ALICE, "OLD", "failed", "media_not_fetched", past=True)
        session.downloads.add_file(ALICE, ALICE, "A", "stored")
    await settle(session)
    (file,) = session.inbox.pending("file", 9)
    assert file.message_id == "A"
    old, older = session.inbox.pending("history", 9)
    for settled, due in ((file, []), (old, []), (older, ["OLD"])):
        async with session.transaction():
            session.inbox.settle([settled.key])
        assert [one.message_id for one in session.inbox.pending("file", 9)] == due


async def test_it_moves_with_its_chat_also_while_it_is_fetched(session: Session) -> None:
    in_hand = replace(FILE, chat=LID, sender=LID)
    double = replace(FILE, message_id="B")
    await put(session, "A", chat=LID, sender=LID)
    await expect(session, in_hand, double, replace(double, chat=LID, sender=LID))
    async with session.transaction():
        session.downloads.add_file(LID, LID, "OLD", "failed", "media_gone")
        session.learn_lid(LID, ALICE)
        assert session.downloads.end(in_hand, "failed", "media_corrupt")
        assert session.downloads.end(double, "stored")
        assert not session.downloads.of_message("A") + session.downloads.of_message("B")
    await settle(session)
    assert [(one.chat, one.message_id, one.error) for one in session.inbox.pending("file", 9)] == [
        (ALICE, "OLD", "media_gone"),
        (ALICE, "A", "media_corrupt"),
        (ALICE, "B", None),
    ]


async def test_it_follows_its_message_where_a_members_number_becomes_known(
    session: Session,
) -> None:
    """A stored file stays in its document, also once its sender has another address."""
    group = "120363000000000001@g.us"
    names = ("STORED", "WAITS", "DONE")
    files = [replace(FILE, chat=group, sender=LID, message_id=name) for name in names]
    await put(session, "STORED", chat=group, sender=LID)
    await settle(session)
    for name in ("WAITS", "DONE"):
        await put(session, name, chat=group, sender=LID)
    await expect(session, *files)
    async with session.transaction():
        assert session.downloads.end(files[2], "stored")
        session.learn_lid(LID, ALICE)
        assert session.downloads.end(files[0], "stored")
        assert session.downloads.end(files[1], "stored")
    said = {one.message_id: one.sender for one in session.inbox.pending("message", 9)}
    assert said == {"WAITS": ALICE, "DONE": ALICE}
    await settle(session)
    became = {one.message_id: one.sender for one in session.inbox.pending("file", 9)}
    assert became == {"STORED": LID, **said}


async def test_an_upload_is_kept_for_a_day(session: Session, clock: Clock) -> None:
    made = Upload("image", b"k" * 32, "https://x/y", "/y", b"h" * 32, b"s" * 32, 5, clock.now)
    async with session.transaction():
        session.uploads.remember("A", made)
    assert session.uploads.find("A") == made
    assert session.uploads.find("B") is None
    assert session.uploads.of_file("image", b"h" * 32) == made
    assert session.uploads.of_file("video", b"h" * 32) is None
    assert session.uploads.of_file("image", b"x" * 32) is None
    clock.now += UPLOAD_SECONDS + 1
    assert session.uploads.find("A") is None
    assert session.uploads.of_file("image", b"h" * 32) is None
    await prune(session)
    clock.now -= UPLOAD_SECONDS
    assert session.uploads.find("A") is None


async def test_an_upload_of_the_future_is_not_used(session: Session, clock: Clock) -> None:
    """Its clock was a year ahead: WhatsApp would have deleted the file long before that is over."""
    ahead = clock.now + 365 * 86_400
    made = Upload("image", b"k" * 32, "https://x/y", "/y", b"h" * 32, b"s" * 32, 5, ahead)
    async with session.transaction():
        session.uploads.remember("A", made)
    assert session.uploads.find("A") is None
    assert session.uploads.of_file("image", b"h" * 32) is None


async def test_who_forgets_the_account_forgets_keys_of_files(session: Session) -> None:
    made = Upload("image", b"k" * 32, "https://x/y", "/y", b"h" * 32, b"s" * 32, 5, 1.8e9)
    await expect(session, FILE)
    async with session.transaction():
        session.uploads.remember("A", made)
        session.forget_account()
    assert session.uploads.find("A") is None
    assert session.downloads.of_message("A") == [FILE], "its message was acknowledged"


def test_keys_and_places_are_not_shown() -> None:
    assert "kkk" not in repr(FILE)
    assert "/path" not in repr(FILE)


async def test_bytes_of_a_day_outlive_the_owner_and_end_with_the_day(
    tmp_path: Path, clock: Clock
) -> None:
    clock.now = 20_000 * DAY
    other = replace(FILE, message_id="B", sender=LID, key=b"l" * 32, size=20_000)
    failed = replace(FILE, message_id="C", key=b"m" * 32, size=100)
    with closing(Session.open(tmp_path / "session.db", 1, clock=clock)) as session:
        await expect(session, FILE, other, failed)
        async with session.transaction():
            session.downloads.end(FILE, "stored")
            session.downloads.end(other, "stored")
            session.downloads.end(other, "stored")
            session.downloads.end(failed, "failed", "media_gone")
    with closing(Session.open(tmp_path / "session.db", 2, clock=clock)) as session:
        assert session.downloads.received_today() == LEAST_FILE_BYTES + 20_000, (
            "each once, and no failed one"
        )
        assert (session.downloads.received_today(ALICE), session.downloads.received_today(LID)) == (
            LEAST_FILE_BYTES,
            20_000,
        )
        clock.now += DAY - 1
        assert session.downloads.received_today() == LEAST_FILE_BYTES + 20_000
        clock.now += 1
        assert session.downloads.received_today() == session.downloads.received_today(ALICE) == 0
        await expect(session, FILE)
        async with session.transaction():
            session.downloads.end(FILE, "stored")
        assert session.row("SELECT count(*) FROM received_bytes") == (2,), "past days are gone"


async def test_files_are_put_off_together_and_reported_once(session: Session, clock: Clock) -> None:
    files = [
        replace(FILE, message_id=name, key=name.encode() * 32, size=size, sender=sender)
        for name, size, sender in (("A", 9, ALICE), ("B", 5, ALICE), ("C", 9, LID), ("D", 9, ALICE))
    ]
    await expect(session, *files)
    until = clock.now + 30
    async with session.transaction():
        assert (
            session.downloads.defer(
                Deferral.CONNECTION, until, above=5, sender=ALICE, but=[(ALICE, ALICE, "D")]
            )
            == 1
        )
    assert session.downloads.deferred()[0] == 1
    assert [one.message_id for one in session.downloads.due(clock.now, 9)] == ["B", "C", "D"]
    async with session.transaction():
        assert (
            session.downloads.defer(Deferral.CONNECTION, until, above=5, sender=None, but=()) == 2
        )
    clock.now = until
    async with session.transaction():
        assert (
            session.downloads.defer(Deferral.CONNECTION, until + 30, above=5, sender=None, but=())
            == 0
        ), "known"
        assert (
            session.downloads.defer(Deferral.SENDER, until + 30, above=0, sender=None, but=()) == 1
        ), "B alone is due"
    told = [(one.message_id, one.status, one.error) for one in session.inbox.pending("file", 9)]
    assert told == [
        ("A", "deferred", "connection_budget"),
        ("C", "deferred", "connection_budget"),
        ("D", "deferred", "connection_budget"),
        ("B", "deferred", "sender_budget"),
    ]
    assert session.downloads.deferred() == (4, 4)
    async with session.transaction():
        session.downloads.reconsider_deferred()
        session.downloads.defer(Deferral.DISK, until + 30, above=5, sender=None, but=())
    assert session.downloads.deferred() == (4, 1), "the others wait for room"


async def test_bytes_of_a_day_follow_a_sender_whose_number_becomes_known(session: Session) -> None:
    """Another name is no other budget."""
    before = replace(FILE, chat=LID, sender=LID)
    after = replace(FILE, message_id="B", key=b"l" * 32, size=7)
    await expect(session, before, after)
    async with session.transaction():
        session.downloads.end(before, "stored")
        session.downloads.end(after, "stored")
        session.learn_lid(LID, ALICE)
    assert (session.downloads.received_today(ALICE), session.downloads.received_today(LID)) == (
        2 * LEAST_FILE_BYTES,
        0,
    )
    assert session.downloads.received_today() == 2 * LEAST_FILE_BYTES


async def test_what_waited_for_a_budget_comes_before_what_arrived_since(
    session: Session, clock: Clock
) -> None:
    """Else who sends much each day at midnight keeps it waiting for ever."""
    waited = replace(FILE, message_id="B")
    await expect(session, waited)
    until = clock.now + 60
    async with session.transaction():
        session.downloads.defer(Deferral.CONNECTION, until, above=0, sender=None, but=())
    clock.now = until + 1
    await expect(session, FILE)
    assert [one.message_id for one in session.downloads.due(clock.now, 9)] == ["B", "A"]
    assert [one.message_id for one in session.downloads.due(clock.now, 1)] == ["B"]
