"""Edits wait for the secret of their message: bounded in time and size, under the person's address."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from actors.connection.session.messages.sealed_edits import (
    ALL_EDITS,
    EDIT_WAIT_SECONDS,
    EDITS_OF_ONE,
    LONGEST_EDIT,
    SealedEdit,
)
from actors.connection.session.session import Session
from tests.unit.actors.connection.sessions import ALICE, Clock, prune

if TYPE_CHECKING:
    from pathlib import Path

GROUP = "120363000000000001@g.us"
LID = "90000000000002@lid"


def edit(
    message_id: str, of: str = "A", *, chat: str = ALICE, sender: str = ALICE, size: int = 8
) -> SealedEdit:
    return SealedEdit(chat, sender, message_id, of, 9, False, "Name", "live", b"e" * size)


async def keep(session: Session, *edits: SealedEdit) -> None:
    async with session.transaction():
        for each in edits:
            session.sealed_edits.add(each)


def ids(session: Session, of: str = "A") -> list[str]:
    return [each.message_id for each in session.sealed_edits.of_message(ALICE, ALICE, of)]


async def test_an_edit_waits_for_its_message_alone_and_outlives_the_process(
    session: Session, path: Path
) -> None:
    await keep(session, edit("E"), edit("E", "B"), edit("F"))
    session.close()
    with closing(Session.open(path, 5)) as again:
        assert again.sealed_edits.of_message(ALICE, ALICE, "A") == [edit("E"), edit("F")]
        assert again.sealed_edits.of_message(ALICE, LID, "A") == []
        async with again.transaction():
            again.sealed_edits.forget(edit("E"))
        assert ids(again) == ["F"]


async def test_an_edit_is_dropped_once_no_secret_is_expected(
    session: Session, clock: Clock
) -> None:
    await keep(session, edit("E"))
    for seconds, kept in ((EDIT_WAIT_SECONDS, ["E"]), (1, [])):
        clock.now += seconds
        await prune(session)
        assert ids(session) == kept


async def test_the_oldest_make_room(session: Session) -> None:
    await keep(session, edit("HUGE", size=LONGEST_EDIT + 1))
    assert ids(session) == []
    most = ALL_EDITS // LONGEST_EDIT
    await keep(
        session, *(edit(f"{number}", f"{number}", size=LONGEST_EDIT) for number in range(most))
    )
    assert ids(session, "0") == ["0"]
    await keep(session, edit("ONE", "ONE", size=1))
    assert [ids(session, name) for name in ("0", "1", "ONE")] == [[], ["1"], ["ONE"]]


async def test_of_one_message_the_newest_wait(session: Session) -> None:
    await keep(session, *(edit(f"{number}") for number in range(EDITS_OF_ONE + 2)), edit("B", "B"))
    assert ids(session) == [f"{number}" for number in range(2, EDITS_OF_ONE + 2)]
    assert ids(session, "B") == ["B"]


async def test_edits_move_to_the_number(session: Session) -> None:
    own = "15550100001@s.whatsapp.net"
    await keep(
        session,
        edit("E", chat=LID, sender=LID),
        edit("F", chat=LID, sender=own),
        edit("G", chat=GROUP, sender=LID),
    )
    async with session.transaction():
        session.learn_lid(LID, ALICE)
    found = [(ALICE, ALICE), (ALICE, own), (GROUP, ALICE)]
    assert [len(session.sealed_edits.of_message(*each, "A")) for each in found] == [1, 1, 1]


async def test_edits_of_a_person_are_found_in_their_chat_and_in_groups(session: Session) -> None:
    await keep(session, edit("E"), edit("F", "B", chat=GROUP), edit("G", chat=LID, sender=LID))
    assert session.sealed_edits.edited_by(ALICE) == [(ALICE, ALICE, "A"), (GROUP, ALICE, "B")]
    async with session.transaction():
        session.learn_lid(LID, ALICE)
    assert session.sealed_edits.edited_by(LID) == []
