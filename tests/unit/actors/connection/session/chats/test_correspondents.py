"""Persons who ever wrote, and the limits on writing to anybody else: on disk, and moved with a chat."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from actors.connection.limits.account_limits import NONE, Limits
from actors.connection.session.messages.sent_messages import SENT_IDS_SECONDS
from actors.connection.session.received.inbox import TOMBSTONE_SECONDS
from actors.connection.session.session import Session
from tests.unit.actors.connection.sessions import ALICE, DAY, prune, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.actors.connection.sessions import Clock

BOB, LID, GROUP = "15550100003@s.whatsapp.net", "90000000000003@lid", "120363000000000001@g.us"
CAROL = "15550100004@s.whatsapp.net"
ACCOUNT = "15550100001@s.whatsapp.net"


async def test_who_wrote_is_known_for_good(session: Session, clock: Clock) -> None:
    await put(session, "A")
    await put(session, "B", chat=BOB, sender=ACCOUNT, from_me=True)
    await put(session, "C", chat=GROUP, sender=BOB)
    assert [session.outreach.wrote(chat) for chat in (ALICE, BOB, GROUP)] == [True, False, False]
    clock.now += TOMBSTONE_SECONDS + DAY
    async with session.transaction():
        session.inbox.settle([item.key for item in session.inbox.pending("message", 10)])
        clock.now += TOMBSTONE_SECONDS + DAY
    await prune(session)
    assert not session.inbox.arrived(ALICE, ALICE, "A")
    assert session.outreach.wrote(ALICE)


async def test_a_chat_that_the_account_began_is_begun_for_good(
    session: Session, clock: Clock
) -> None:
    """From here or by its phone; a group has no end that anybody begins."""
    async with session.transaction():
        session.outreach.note_begun(ALICE, "A")
        session.outreach.note_begun(ALICE, "LATER")
    await put(session, "B", chat=BOB, sender=ACCOUNT, from_me=True)
    await put(session, "C", chat=GROUP, sender=ACCOUNT, from_me=True)
    async with session.transaction():
        session.inbox.settle([item.key for item in session.inbox.pending("message", 10)])
        clock.now += TOMBSTONE_SECONDS + SENT_IDS_SECONDS + DAY
    await prune(session)
    assert [session.outreach.begun(chat) for chat in (ALICE, BOB, GROUP)] == [True, True, False]
    assert [session.outreach.begun_by(chat) for chat in (ALICE, BOB, GROUP)] == ["A", "B", None]
    assert not session.outreach.wrote(ALICE)


async def test_who_wrote_did_so_whatever_the_account_began(session: Session) -> None:
    async with session.transaction():
        session.outreach.note_begun(ALICE, "A")
    await put(session, "B")
    async with session.transaction():
        session.outreach.note_begun(ALICE, "C")
        session.outreach.forget_begun(ALICE)
    assert session.outreach.wrote(ALICE)
    assert session.outreach.begun_by(ALICE) is None
    async with session.transaction():
        session.outreach.note_begun(BOB, "D")
        session.outreach.forget_begun(BOB)
    assert not session.outreach.begun(BOB)


@pytest.mark.parametrize("by_number", [False, True])
async def test_one_chat_under_two_addresses_is_begun_or_answered_as_either_was(
    session: Session, *, by_number: bool
) -> None:
    wrote, began = (BOB, LID) if by_number else (LID, BOB)
    await put(session, "A", chat=wrote, sender=wrote)
    async with session.transaction():
        session.outreach.note_begun(began, "B")
        session.learn_lid(LID, BOB)
    assert session.outreach.wrote(BOB)
    assert not session.outreach.begun(LID)


async def test_what_the_account_began_under_two_addresses_nobody_answered(session: Session) -> None:
    async with session.transaction():
        for address in (LID, BOB):
            session.outreach.note_begun(address, "A")
        session.learn_lid(LID, BOB)
    assert (session.outreach.begun(BOB), session.outreach.wrote(BOB)) == (True, False)


async def test_a_person_who_has_another_number_keeps_the_chat(session: Session) -> None:
    """The next holder of the former number does not have it."""
    async with session.transaction():
        session.learn_lid(LID, ALICE)
        session.outreach.note_begun(ALICE, "A")
        session.learn_lid(LID, BOB)
    assert (session.outreach.begun(BOB), session.outreach.begun(ALICE)) == (True, False)


async def test_what_could_not_be_read_was_written_too_and_so_was_what_the_phone_tells(
    session: Session,
) -> None:
    async with session.transaction():
        session.inbox.want(
            chat=ALICE,
            sender=ALICE,
            message_id="A",
            at=1,
            from_me=False,
            push_name=None,
            source="live",
        )
    await put(session, "B", chat=BOB, sender=BOB, source="history")
    assert session.outreach.wrote(ALICE)
    assert session.outreach.wrote(BOB)


async def test_a_person_whose_number_becomes_known_wrote_all_the_same(session: Session) -> None:
    await put(session, "A", chat=LID, sender=LID)
    async with session.transaction():
        session.learn_lid(LID, BOB)
    assert session.outreach.wrote(BOB)
    assert not session.outreach.wrote(LID)


async def test_limits_are_the_last_announced_ones(session: Session, path: Path) -> None:
    assert session.outreach.limits() == NONE
    async with session.transaction():
        session.outreach.note_lock(100.5)
        session.outreach.note_cap(200.0, reported=False)
    assert session.outreach.limits() == Limits(100.5, 200.0, reported=False)
    async with session.transaction():
        session.outreach.note_lock(None)
        session.outreach.note_cap(300.0)
    session.close()
    with closing(Session.open(path, 3)) as again:
        assert again.outreach.limits() == Limits(None, 300.0)
        async with again.transaction():
            again.forget_account()  # the account is the same once it is linked again
        assert again.outreach.limits() == Limits(None, 300.0)
