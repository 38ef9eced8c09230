"""Names of chats that a session learnt: which one a chat has today, and in which order they came."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.connection.address_changes.port import NameChange
from actors.connection.session import file as session_file
from tests.unit.actors.connection.sessions import ALICE, Clock, put

if TYPE_CHECKING:
    from actors.connection.session.session import Session

LID = "1@lid"
ASKED, ANSWERED = "155501000029@s.whatsapp.net", ALICE
OTHER = "15550100009@s.whatsapp.net"


async def test_a_lid_is_called_by_its_number(session: Session) -> None:
    assert session.names.chat_today(LID) == LID
    async with session.transaction():
        session.learn_lid(LID, ALICE)
    assert session.names.chat_today(LID) == ALICE
    assert session.names.renamings(0, 10) == [NameChange(1, LID, ALICE)]
    assert (session.names.renamed_to, session.names.renamings(1, 10)) == (1, [])


async def test_a_number_is_called_by_the_one_that_answers(session: Session, clock: Clock) -> None:
    await put(session, "A", chat=ASKED, sender=ASKED)
    async with session.transaction():
        session.sent.remember(ASKED, "S", b"text", clock.now)
        assert session.learn_number(ASKED, ANSWERED)
        assert session.names.chat_today(ASKED) == ANSWERED
        assert not session.learn_number(ASKED, ANSWERED)
    assert session.names.chat_today(ASKED) == ANSWERED
    assert session.inbox.committed(ANSWERED, ANSWERED, "A")
    assert session.sent.plaintext(ANSWERED, "S") == b"text"
    assert [(each.old, each.new) for each in session.inbox.pending("merge", 10)] == [
        (ASKED, ANSWERED)
    ]


async def test_a_number_that_answers_for_itself_again_is_its_own(session: Session) -> None:
    async with session.transaction():
        assert not session.learn_number(ASKED, ASKED)
        session.learn_number(ASKED, ANSWERED)
        assert session.learn_number(ASKED, ASKED)
    assert session.names.chat_today(ASKED) == ASKED
    assert session.names.renamings(0, 10) == [NameChange(2, ASKED, ASKED)]
    async with session.transaction():
        assert session.learn_number(ASKED, ANSWERED)
    assert session.names.chat_today(ASKED) == ANSWERED


async def test_no_name_leads_to_another(session: Session) -> None:
    async with session.transaction():
        session.learn_lid(LID, ASKED)
        session.learn_number(ASKED, ANSWERED)
    assert session.names.chat_today(LID) == ANSWERED
    assert {each.new for each in session.names.renamings(0, 10)} == {ANSWERED}


async def test_what_was_rolled_back_is_no_name(session: Session) -> None:
    assert session.names.chat_today(ASKED) == ASKED

    async def broken() -> None:
        async with session.transaction():
            session.learn_number(ASKED, ANSWERED)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await broken()
    assert session.names.chat_today(ASKED) == ASKED
    assert session.names.renamings(0, 10) == []


async def test_a_share_that_is_undone_takes_no_others_name_back(session: Session) -> None:
    def learn_and_fail() -> None:
        with session.savepoint():
            session.learn_number("155501000039@s.whatsapp.net", ANSWERED)
            raise ZeroDivisionError

    async with session.transaction():
        with session.savepoint():
            session.learn_number(ASKED, ANSWERED)
        with pytest.raises(ZeroDivisionError):
            learn_and_fail()
        assert await asyncio.get_running_loop().create_task(_outside(session)) == ASKED
    assert session.names.chat_today(ASKED) == ANSWERED
    assert len(session.names.renamings(0, 10)) == 1


async def _outside(session: Session) -> str:
    session_file._inside.set(None)
    return session.names.chat_today(ASKED)


async def test_numbers_rise_over_a_logout(session: Session) -> None:
    async with session.transaction():
        session.learn_lid(LID, ALICE)
        session.learn_number(ASKED, ANSWERED)
    async with session.transaction():
        session.forget_account()
    assert session.names.chat_today(LID) == LID
    assert session.names.chat_today(ASKED) == ASKED
    async with session.transaction():
        session.learn_lid(LID, ALICE)
    assert session.names.renamings(2, 10) == [NameChange(3, LID, ALICE)]


@pytest.mark.parametrize(
    "answers", [[ANSWERED, ASKED], [ANSWERED, OTHER]], ids=["by itself again", "by a third one"]
)
async def test_a_lid_is_called_as_its_number_is(session: Session, answers: list[str]) -> None:
    async with session.transaction():
        session.learn_lid(LID, ASKED)
        for answered in answers:
            session.learn_number(ASKED, answered)
    assert session.names.chat_today(LID) == answers[-1]
    assert {each.old: each.new for each in session.names.renamings(0, 10)}[LID] == answers[-1]


async def test_a_lid_whose_number_has_another_holder_is_its_own(session: Session) -> None:
    async with session.transaction():
        session.learn_lid("2@lid", ALICE)
        session.learn_lid(LID, ALICE)
    assert (session.names.chat_today("2@lid"), session.names.chat_today(LID)) == ("2@lid", ALICE)


async def test_what_was_sent_to_a_lid_may_be_stored_under_it(
    session: Session, clock: Clock
) -> None:
    async with session.transaction():
        session.sent.remember(LID, "S", b"text", clock.now)
        session.learn_lid(LID, ALICE)
        session.learn_lid("2@lid", "15550100003@s.whatsapp.net")
    assert [(each.old, each.new) for each in session.inbox.pending("merge", 10)] == [(LID, ALICE)]


async def test_a_merge_waits_once(session: Session) -> None:
    async with session.transaction():
        session.inbox_moves.merge_chats([(LID, ALICE), (LID, ALICE)])
        session.inbox_moves.merge_chats([(LID, ALICE)])
    assert len(session.inbox.pending("merge", 10)) == 1
