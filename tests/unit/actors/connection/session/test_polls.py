"""What reading a poll's votes takes is kept as long as votes may come, under the person's address."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from actors.connection.session.polls import POLL_SECONDS, PollKeys
from actors.connection.session.session import Session
from tests.unit.actors.connection.sessions import ALICE, Clock

if TYPE_CHECKING:
    from pathlib import Path

LID = "90000000000002@lid"
POLL = PollKeys(b"secret", ("yes", "no"))


async def test_a_poll_is_kept_until_its_time_is_over(tmp_path: Path) -> None:
    clock = Clock()
    file = tmp_path / "session.db"
    with closing(Session.open(file, 1, clock=clock)) as session:
        async with session.transaction():
            session.remember_poll(ALICE, ALICE, "A", POLL)
            session.remember_poll(ALICE, ALICE, "A", PollKeys(b"another", ()))
    with closing(Session.open(file, 1, clock=clock)) as session:
        assert session.poll(ALICE, ALICE, "A") == POLL
        assert session.poll(ALICE, ALICE, "B") is None
        for seconds, kept in ((POLL_SECONDS, POLL), (1, None)):
            clock.now += seconds
            async with session.transaction():
                session.prune(clock.now)
            assert session.poll(ALICE, ALICE, "A") == kept


async def test_a_poll_moves_with_its_chat(tmp_path: Path) -> None:
    with closing(Session.open(tmp_path / "session.db", 1)) as session:
        async with session.transaction():
            session.remember_poll(LID, LID, "A", POLL)
            session.remember_poll(LID, "15550100001@s.whatsapp.net", "B", POLL)
            session.learn_lid(LID, ALICE)
        assert session.lid_for(ALICE) == LID
        assert session.poll(ALICE, ALICE, "A") == POLL
        assert session.poll(ALICE, "15550100001@s.whatsapp.net", "B") == POLL
        assert session.poll(LID, LID, "A") is None


async def test_an_author_is_kept_as_on_the_wire(session: Session) -> None:
    """A repeat that says nothing of it changes nothing; a poll that left again may have another."""
    async with session.transaction():
        session.remember_poll(LID, LID, "A", POLL, LID)
        session.remember_poll(LID, LID, "A", POLL)
    assert session.poll_author(LID, LID, "A") == LID
    async with session.transaction():
        session.learn_lid(LID, ALICE)
    assert session.poll_author(ALICE, ALICE, "A") == LID
    async with session.transaction():
        session.remember_poll(ALICE, ALICE, "A", POLL, ALICE)
    assert session.poll_author(ALICE, ALICE, "A") == ALICE
    assert session.poll_author(ALICE, ALICE, "B") is None
