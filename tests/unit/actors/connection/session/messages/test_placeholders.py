"""Messages without their content: kept with what asking for them takes, until they have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.session.messages.placeholders import PLACEHOLDER_SECONDS, Placeholder
from tests.unit.actors.connection.sessions import ALICE, Clock, prune

if TYPE_CHECKING:
    from actors.connection.session.session import Session

LID = "90000000000002@lid"
GROUP = "120363000000000001@g.us"
STANZA = {"id": "A", "from": ALICE}


async def note(session: Session, message_id: str, ask_at: float | None, who: str = ALICE) -> None:
    async with session.transaction():
        session.placeholders.note(who, who, message_id, stanza=STANZA, ask_at=ask_at)


async def add(session: Session, message_id: str, type_: str = "text") -> None:
    async with session.transaction():
        said = {"at": 1, "type": type_, "text": None}
        session.inbox.add(chat=ALICE, sender=ALICE, message_id=message_id, **said)  # type: ignore[arg-type]


async def test_the_longest_due_comes_first(session: Session, clock: Clock) -> None:
    now = clock.now
    await note(session, "LATER", now + 10)
    await note(session, "B", now)
    await note(session, "A", now - 1)
    await note(session, "ON DEMAND", None)
    await note(session, "A", now + 99)
    assert session.placeholders.due(now - 2) is None
    assert session.placeholders.due(now) == Placeholder(ALICE, ALICE, "A", STANZA)
    assert session.placeholders.next_at() == now - 1


async def test_a_request_is_noted_until_its_answer(session: Session, clock: Clock) -> None:
    await note(session, "A", clock.now)
    due = session.placeholders.due(clock.now)
    assert due is not None
    async with session.transaction():
        assert session.placeholders.note_request(due, "R", clock.now + 5)
    asked = Placeholder(ALICE, ALICE, "A", STANZA, 1, "R")
    assert session.placeholders.due(clock.now) is None
    assert session.placeholders.due(clock.now + 5) == asked
    assert session.placeholders.of_request("R", "A") == [asked]
    assert session.placeholders.of_request("R", "B") == []
    assert session.placeholders.of_request("EARLIER", "A") == [asked], (
        "a late answer to an earlier request"
    )
    async with session.transaction():
        session.placeholders.reschedule("R", None)
    assert session.placeholders.next_at() is None
    assert session.placeholders.find(ALICE, ALICE, "A") == asked, "it is asked for on demand"


@pytest.mark.parametrize("came", ["content", "resend in time", "nothing to show"])
async def test_one_with_its_content_is_none(session: Session, clock: Clock, came: str) -> None:
    if came == "resend in time":
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
    else:
        await add(session, "A", "undecryptable")
    await note(session, "A", clock.now)
    due = session.placeholders.due(clock.now)
    assert due is not None
    if came == "nothing to show":
        async with session.transaction():
            session.inbox.bury(chat=ALICE, sender=ALICE, message_id="A")
    else:
        await add(session, "A")
    assert session.placeholders.due(clock.now) is None
    async with session.transaction():
        assert not session.placeholders.note_request(due, "R", clock.now)


async def test_a_placeholder_that_is_added_again_is_one_still(
    session: Session, clock: Clock
) -> None:
    await add(session, "A", "undecryptable")
    await note(session, "A", clock.now)
    await add(session, "A", "undecryptable")
    assert session.placeholders.due(clock.now) is not None


async def test_it_moves_to_the_number(session: Session, clock: Clock) -> None:
    await note(session, "A", clock.now, LID)
    async with session.transaction():
        session.placeholders.note(GROUP, LID, "B", stanza=STANZA, ask_at=None)
        session.learn_lid(LID, ALICE)
    assert session.placeholders.find(ALICE, ALICE, "A") is not None
    assert session.placeholders.find(GROUP, ALICE, "B") is not None
    assert session.placeholders.find(LID, LID, "A") is None


async def test_it_is_kept_for_a_fortnight_and_for_one_account(
    session: Session, clock: Clock
) -> None:
    for seconds, kept in ((PLACEHOLDER_SECONDS, True), (1, False)):
        await note(session, "A", None) if kept else None
        clock.now += seconds
        await prune(session)
        assert (session.placeholders.find(ALICE, ALICE, "A") is not None) is kept
    await note(session, "A", None)
    async with session.transaction():
        session.forget_account()
    assert session.placeholders.find(ALICE, ALICE, "A") is None
