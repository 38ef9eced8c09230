"""Timers of chats whose messages disappear: the later setting counts, under the person's address."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from actors.connection.session.chats.disappearing_timers import OFF_SECONDS
from actors.connection.session.session import Session
from tests.unit.actors.connection.sessions import ALICE, Clock, prune

if TYPE_CHECKING:
    from pathlib import Path

LID = "90000000000002@lid"


async def test_of_two_settings_the_later_one_counts(tmp_path: Path) -> None:
    with closing(Session.open(tmp_path / "session.db", 1)) as session:
        assert session.timers.seconds(ALICE) == 0
        for seconds, set_at, counts in ((60, 10.0, 60), (90, 9.0, 60), (0, 10.5, 0), (60, 10.0, 0)):
            async with session.transaction():
                session.timers.note(ALICE, seconds, set_at)
            assert session.timers.seconds(ALICE) == counts
    with closing(Session.open(tmp_path / "session.db", 2)) as session:
        async with session.transaction():
            session.timers.note(ALICE, 86_400, 11.0)
        assert session.timers.seconds(ALICE) == 86_400


async def test_a_timer_moves_with_its_chat(tmp_path: Path) -> None:
    for under_lid, under_number, counts in ((20.0, 10.0, 60), (10.0, 20.0, 90)):
        file = tmp_path / f"{counts}.db"
        with closing(Session.open(file, 1)) as session:
            async with session.transaction():
                session.timers.note(LID, 60, under_lid)
                session.timers.note(ALICE, 90, under_number)
                session.learn_lid(LID, ALICE)
            assert (session.timers.seconds(ALICE), session.timers.seconds(LID)) == (counts, 0)


async def test_only_timers_that_were_taken_away_are_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    with closing(Session.open(tmp_path / "session.db", 1, clock=clock)) as session:
        async with session.transaction():
            session.timers.note(ALICE, 60, clock.now)
            session.timers.note(LID, 0, clock.now)
        for seconds, known in ((OFF_SECONDS, 2), (1, 1)):
            clock.now += seconds
            await prune(session)
            assert len(session.rows("SELECT chat FROM timers")) == known
        assert session.timers.seconds(ALICE) == 60
