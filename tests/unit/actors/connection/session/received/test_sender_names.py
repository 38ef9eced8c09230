"""Names of senders in the inbox: of the address book first, then the push name, from the session file alone."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from actors.connection.abilities.app_state_changes import AppStateChange
from actors.connection.session.identities.groups import LONGEST_SUBJECT
from actors.connection.session.session import Session
from tests.unit.actors.connection.sessions import ALICE, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.actors.connection.sessions import Clock

LID = "90000000000002@lid"
BOB = "15550100003@s.whatsapp.net"
BOOK = "critical_unblock_low"


def named(session: Session) -> dict[str, tuple[str | None, str | None]]:
    pending = session.inbox.pending("message", 99)
    return {each.message_id: (each.sender_name, each.sender_lid) for each in pending}


async def book(session: Session, version: int, after: int | None, *changes: AppStateChange) -> None:
    async with session.transaction():
        assert session.app_state.note(BOOK, version, changes, after=after)


async def test_the_address_book_goes_before_the_push_name(session: Session, path: Path) -> None:
    await put(session, "A")
    assert named(session)["A"] == (None, None)
    await put(session, "B", push_name="Al")
    await put(session, "C")  # without a name of its own
    assert {name for name, _ in named(session).values()} == {"Al"}
    await book(session, 1, None, AppStateChange.contact(ALICE, first_name="Alice"))
    assert {name for name, _ in named(session).values()} == {"Alice"}
    session.close()
    with closing(Session.open(path, session.epoch + 1)) as again:
        assert named(again)["B"] == ("Alice", None)


async def test_no_name_is_none(session: Session) -> None:
    await put(session, "A", push_name="-")
    assert named(session)["A"] == (None, None)


async def test_an_older_name_of_a_history_sync_replaces_none(session: Session) -> None:
    await put(session, "A", push_name="Al")
    await put(session, "OLD", push_name="Alfred", source="history")
    await put(session, "B")
    assert named(session)["B"] == ("Al", None)


async def test_who_left_the_address_book_has_the_push_name_again(session: Session) -> None:
    await put(session, "A", push_name="Al")
    await put(session, "B", sender=BOB, push_name="Bo")
    both = [AppStateChange.contact(one, full_name="Known") for one in (ALICE, BOB)]
    await book(session, 1, None, *both)
    assert {name for name, _ in named(session).values()} == {"Known"}
    await book(session, 2, 1, AppStateChange.contact(ALICE))
    assert named(session)["A"] == ("Al", None)
    assert named(session)["B"] == ("Known", None)
    await book(session, 3, None, both[0])  # a full sync, without Bob
    assert named(session)["A"] == ("Known", None)
    assert named(session)["B"] == ("Bo", None)


async def test_a_removal_under_another_address_of_the_person_takes_nothing(
    session: Session,
) -> None:
    """WhatsApp moves an entry from the number to the LID by setting the one and removing the other."""
    async with session.transaction():
        session.learn_lid(LID, ALICE)
    await put(session, "A")
    await book(session, 1, None, AppStateChange.contact(LID, full_name="Alice"))
    assert named(session)["A"] == ("Alice", LID)
    await book(session, 2, 1, AppStateChange.contact(ALICE).entry_removed())
    assert named(session)["A"] == ("Alice", LID)
    await book(session, 3, 2, AppStateChange.contact(LID).entry_removed())
    assert named(session)["A"] == (None, LID)


async def test_names_under_a_lid_are_the_numbers_once_that_is_known(
    session: Session, clock: Clock
) -> None:
    await put(session, "A", chat=LID, sender=LID, push_name="Al")
    await put(session, "B", chat=LID, sender=LID)
    assert named(session)["B"] == ("Al", None)
    await book(session, 1, None, AppStateChange.contact(LID, full_name="Alice"))
    async with session.transaction():
        session.learn_lid(LID, ALICE)
    await put(session, "C")
    assert set(named(session).values()) == {("Alice", LID)}
    await book(session, 2, 1, AppStateChange.contact(ALICE))
    assert named(session)["C"] == ("Al", LID)
    clock.now += 1


async def test_a_chat_has_the_subject_of_its_group_or_the_name_of_its_person(
    session: Session, path: Path
) -> None:
    group = "120363000000000001@g.us"
    await put(session, "A", chat=group, push_name="Al")
    await put(session, "B", push_name="Al")
    await put(session, "C", sender=BOB, from_me=True)

    def chats(of: Session) -> list[str | None]:
        return [each.chat_name for each in of.inbox.pending("message", 99)]

    assert chats(session) == [None, "Al", "Al"]
    async with session.transaction():
        session.groups.save_subject(group, "Chess club")
        session.groups.save_subject(group, "")  # an empty one is none
        session.groups.forget_members(group)
    await book(session, 1, None, AppStateChange.contact(ALICE, full_name="Alice"))
    assert chats(session) == ["Chess club", "Alice", "Alice"]
    async with session.transaction():
        session.groups.save_subject(group, "Chess " * 999)
    session.close()
    with closing(Session.open(path, session.epoch + 1)) as again:
        assert len(chats(again)[0] or "") == LONGEST_SUBJECT


async def test_another_account_has_other_names(session: Session) -> None:
    await put(session, "A")
    await book(session, 1, None, AppStateChange.contact(ALICE, full_name="Alice"))
    async with session.transaction():
        session.groups.save_subject("120363000000000001@g.us", "Chess club")
        session.forget_account()
    assert named(session)["A"] == (None, None)
    assert session.groups.subject("120363000000000001@g.us") is None
