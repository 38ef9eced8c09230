"""Secrets of messages are kept as long as votes and edits may come, under the person's address."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from actors.connection.session.messages.message_secrets import (
    POLL_SECONDS,
    SECRET_SECONDS,
    MessageSecret,
)
from actors.connection.session.session import Session
from actors.messages.content import Edit, Poll, Target, Text
from tests.unit.actors.connection.sessions import ALICE, Clock, prune

if TYPE_CHECKING:
    from pathlib import Path

GROUP = "120363000000000001@g.us"
LID = "90000000000002@lid"
POLL = MessageSecret(b"secret", ("yes", "no"))
SECRET, ANOTHER = b"s" * 32, b"t" * 32


async def test_a_poll_is_kept_until_its_time_is_over(tmp_path: Path) -> None:
    clock = Clock()
    file = tmp_path / "session.db"
    with closing(Session.open(file, 1, clock=clock)) as session:
        async with session.transaction():
            session.secrets.remember(ALICE, ALICE, "A", POLL)
            session.secrets.remember(ALICE, ALICE, "A", MessageSecret(b"another", ()))
    with closing(Session.open(file, 1, clock=clock)) as session:
        assert session.secrets.find(ALICE, ALICE, "A") == POLL
        assert session.secrets.find(ALICE, ALICE, "B") is None
        for seconds, kept in ((POLL_SECONDS, POLL), (1, None)):
            clock.now += seconds
            await prune(session)
            assert session.secrets.find(ALICE, ALICE, "A") == kept


async def test_a_poll_moves_with_its_chat(tmp_path: Path) -> None:
    with closing(Session.open(tmp_path / "session.db", 1)) as session:
        async with session.transaction():
            session.secrets.remember(LID, LID, "A", POLL)
            session.secrets.remember(LID, "15550100001@s.whatsapp.net", "B", POLL)
            session.learn_lid(LID, ALICE)
        assert session.identities.lid_for(ALICE) == LID
        assert session.secrets.find(ALICE, ALICE, "A") == POLL
        assert session.secrets.find(ALICE, "15550100001@s.whatsapp.net", "B") == POLL
        assert session.secrets.find(LID, LID, "A") is None


async def test_an_author_is_kept_as_on_the_wire(session: Session) -> None:
    """A repeat that says nothing of it changes nothing; a poll that left again may have another."""
    async with session.transaction():
        session.secrets.remember(LID, LID, "A", POLL, LID)
        session.secrets.remember(LID, LID, "A", POLL)
    assert session.secrets.poll_author(LID, LID, "A") == LID
    async with session.transaction():
        session.learn_lid(LID, ALICE)
    assert session.secrets.poll_author(ALICE, ALICE, "A") == LID
    async with session.transaction():
        session.secrets.remember(ALICE, ALICE, "A", POLL, ALICE)
    assert session.secrets.poll_author(ALICE, ALICE, "A") == ALICE
    assert session.secrets.poll_author(ALICE, ALICE, "B") is None


async def test_secrets_of_other_messages_are_kept_for_a_shorter_time(tmp_path: Path) -> None:
    clock = Clock()
    with closing(Session.open(tmp_path / "session.db", 1, clock=clock)) as session:
        async with session.transaction():
            session.secrets.learn(ALICE, ALICE, "A", content=Text("hi"), secret=SECRET)
            session.secrets.learn(
                ALICE, ALICE, "B", content=Poll("Tea?", ("yes", "no"), 0), secret=SECRET
            )
        for seconds, kept in ((SECRET_SECONDS, MessageSecret(SECRET)), (1, None)):
            clock.now += seconds
            await prune(session)
            assert session.secrets.find(ALICE, ALICE, "A") == kept
        assert session.secrets.find(ALICE, ALICE, "B") == MessageSecret(SECRET, ("yes", "no"))


async def test_a_message_without_a_secret_of_whatsapps_length_has_none(session: Session) -> None:
    async with session.transaction():
        session.secrets.learn(ALICE, ALICE, "A", content=Text("hi"), secret=None)
        session.secrets.learn(ALICE, ALICE, "B", content=Text("hi"), secret=SECRET + b"!")
    assert session.secrets.find(ALICE, ALICE, "A") is None
    assert session.secrets.find(ALICE, ALICE, "B") is None


async def test_the_secret_of_an_edit_is_that_of_its_target_from_now_on(session: Session) -> None:
    async with session.transaction():
        session.secrets.learn(ALICE, ALICE, "A", content=Text("hi"), secret=SECRET)
        session.secrets.learn(ALICE, ALICE, "A", content=Text("hi"), secret=ANOTHER)
    assert session.secrets.find(ALICE, ALICE, "A") == MessageSecret(SECRET)
    async with session.transaction():
        session.secrets.learn(
            ALICE, ALICE, "E", content=Edit(Target("A", ALICE), "ho"), secret=ANOTHER
        )
        session.secrets.learn(
            ALICE, ALICE, "F", content=Edit(Target("B", ALICE), "ho"), secret=ANOTHER
        )
    assert session.secrets.find(ALICE, ALICE, "A") == MessageSecret(ANOTHER)
    for unknown in ("B", "E", "F"):
        assert session.secrets.find(ALICE, ALICE, unknown) is None


async def test_the_secrets_of_a_member_move_to_the_number(session: Session) -> None:
    async with session.transaction():
        session.secrets.learn(GROUP, LID, "A", content=Text("hi"), secret=SECRET)
        session.learn_lid(LID, ALICE)
    assert session.secrets.find(GROUP, ALICE, "A") == MessageSecret(SECRET)
    assert session.secrets.find(GROUP, LID, "A") is None
