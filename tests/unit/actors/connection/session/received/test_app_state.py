"""App state in the session: noted once, in order, and a gap is seen."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from actors.connection.abilities.app_state_changes import (
    AppStateChange,
    InboxAppState,
    InboxReplaced,
)
from actors.connection.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

ANA, BEN = "15550100002@s.whatsapp.net", "15550100003@s.whatsapp.net"
CARO = "15550100004@s.whatsapp.net"
LID = "90000000000002@lid"
GROUP = "120363000000000001@g.us"
HIGH, LOW = "regular_high", "regular_low"


def archive(chat: str, **more: Any) -> AppStateChange:
    return AppStateChange.archive(chat, archived=True, **more)


async def note(
    session: Session, version: int, *changes: AppStateChange, after: int | None, of: str = LOW
) -> bool:
    async with session.transaction():
        return session.app_state.note(of, version, changes, after=after)


def waiting(session: Session) -> list[tuple[str, str, Any]]:
    return [
        (each.id, each.setting, each.value)
        for each in session.inbox.pending("app_state", 100)
        if isinstance(each, InboxAppState)
    ]


async def test_changes_wait_in_order_with_the_version_that_brought_them(session: Session) -> None:
    assert session.app_state.version(LOW) is None
    assert await note(session, 3, archive(ANA, at=5.0), after=None)
    assert await note(
        session,
        4,
        AppStateChange.pin(ANA, pinned=True, at=6.0),
        archive(GROUP, at=7.0),
        after=3,
    )
    assert session.app_state.version(LOW) == 4
    assert session.app_state.version(HIGH) is None
    first, end, second, third = session.inbox.pending("app_state", 9)
    assert isinstance(first, InboxAppState)
    assert (first.id, first.setting, first.value, first.at) == (ANA, "archived", True, 5.0)
    assert (first.subject, first.collection, first.epoch, first.news) == (
        "chat",
        LOW,
        session.epoch,
        False,
    )
    assert end == InboxReplaced(end.key, session.epoch, LOW, until=first.key - 1, at=end.at)
    assert isinstance(second, InboxAppState)
    assert isinstance(third, InboxAppState)
    assert (second.setting, second.news, third.id) == ("pinned", True, GROUP)
    assert [first.key, end.key, second.key, third.key] == sorted(
        [first.key, end.key, second.key, third.key]
    )
    async with session.transaction():
        session.inbox.settle([first.key, end.key])
    assert [each.key for each in session.inbox.pending("app_state", 1)] == [second.key]


async def test_a_gap_is_refused_and_a_repeat_changes_nothing(session: Session) -> None:
    assert not await note(session, 4, archive(ANA), after=3), "there was no full sync"
    assert waiting(session) == []
    assert await note(session, 3, archive(ANA), after=None)
    assert not await note(session, 6, archive(BEN), after=5), "4 and 5 are missing"
    assert session.app_state.version(LOW) == 3
    assert await note(session, 3, archive(BEN), after=2)
    assert [id_ for id_, *_ in waiting(session)] == [ANA]
    assert await note(session, 2, archive(GROUP), after=None), "a full sync always counts"
    assert session.app_state.version(LOW) == 2
    assert [id_ for id_, *_ in waiting(session)] == [ANA, GROUP]


async def test_nothing_is_noted_without_its_version(session: Session, path: Path) -> None:
    """G5: both are in one transaction."""
    with suppress(RuntimeError):
        async with session.transaction():
            assert session.app_state.note(LOW, 3, [archive(ANA)], after=None)
            assert session.app_state.version(LOW) == 3
            raise RuntimeError
    session.close()
    with closing(Session.open(path, session.epoch + 1)) as again:
        assert again.app_state.version(LOW) is None
        assert again.inbox.pending("app_state", 9) == []


async def test_a_full_sync_ends_behind_all_that_came_before(session: Session) -> None:
    """Also one that has nothing, and where the inbox was emptied before."""
    assert await note(session, 1, archive(ANA), archive(BEN), after=None)
    async with session.transaction():
        session.inbox.settle([each.key for each in session.inbox.pending("app_state", 9)])
    assert await note(session, 2, after=None)
    (end,) = session.inbox.pending("app_state", 9)
    assert isinstance(end, InboxReplaced)
    assert end.until == end.key - 1 == 3


async def test_a_full_sync_in_parts_ends_where_it_began(session: Session) -> None:
    """Only its end takes something away, and only its end has a version."""
    assert await note(session, 1, archive(ANA), after=None)
    async with session.transaction():
        begun = session.app_state.note_part(LOW, [archive(BEN)])
        assert session.app_state.note_part(LOW, [archive(CARO)], begun) == begun == 2
    assert session.app_state.version(LOW) == 1
    async with session.transaction():
        assert session.app_state.note(LOW, 5, [archive(ANA)], after=None, begun=begun)
    *parts, end = session.inbox.pending("app_state", 9)[2:]
    changes = [each for each in parts if isinstance(each, InboxAppState)]
    assert [(each.id, each.news) for each in changes] == [(BEN, False), (CARO, False), (ANA, False)]
    assert isinstance(end, InboxReplaced)
    assert (end.until, session.app_state.version(LOW)) == (begun, 5)


async def test_a_lid_is_its_number_once_that_is_known(session: Session) -> None:
    names = AppStateChange.contact(LID, full_name="Ana Pereira")
    assert await note(session, 1, names, archive(LID), after=None)
    assert {id_ for id_, *_ in waiting(session)} == {LID}
    async with session.transaction():
        session.learn_lid(LID, ANA)
    assert {id_ for id_, *_ in waiting(session)} == {ANA}
    (merge,) = session.inbox.pending("merge", 9)
    assert (merge.old, merge.new) == (LID, ANA), "it may be stored already"
    gone = AppStateChange.unread(LID, unread=True).entry_removed()
    assert await note(session, 2, gone, after=1)
    assert {id_ for id_, *_ in waiting(session)} == {ANA}
    *before, last = (
        each for each in session.inbox.pending("app_state", 9) if each.collection == LOW
    )
    assert isinstance(last, InboxAppState)
    assert (last.value, last.noted_as, last.removed) == (None, LID, True)
    assert not any(getattr(each, "removed", False) for each in before)


async def test_a_lid_without_app_state_asks_for_no_merge(session: Session) -> None:
    """Hundreds of a group's members may become known at once."""
    assert await note(session, 1, archive(GROUP), after=None)
    async with session.transaction():
        session.learn_lid(LID, ANA)
    assert session.inbox.pending("merge", 9) == []


async def test_a_logout_has_each_collection_synced_anew(session: Session) -> None:
    assert await note(session, 1, archive(ANA), after=None)
    async with session.transaction():
        session.forget_account()
    assert session.app_state.version(LOW) is None
    assert len(session.inbox.pending("app_state", 9)) == 2


def test_a_change_says_nothing_where_it_takes_back() -> None:
    assert AppStateChange.contact(ANA, full_name="", first_name=None).value is None
    assert AppStateChange.contact(ANA, first_name="Ana").value == {
        "full_name": None,
        "first_name": "Ana",
    }
    assert AppStateChange.contact(ANA, full_name="x" * 5000).value["full_name"] == "x" * 1000
    assert AppStateChange.mute(ANA, muted=True).value == {"until": None}
    assert AppStateChange.mute(ANA, muted=True, until=9.0).value == {"until": 9.0}
    assert AppStateChange.mute(ANA, muted=False, until=9.0).value is None
    assert AppStateChange.archive(ANA, archived=False).value is None
    assert AppStateChange.label_of_chat(ANA, "5", labelled=True).setting == "label:5"
    assert AppStateChange.emptied(ANA, deleted=True).value == {"deleted": True}
    kept = AppStateChange.label("5", name="New", colour=2)
    assert kept.value == {"name": "New", "colour": 2}
    assert AppStateChange.label("5", name="New", deleted=True).value is None
    shown = repr(AppStateChange.contact(ANA, full_name="Ana Pereira"))
    assert "Pereira" not in shown
    assert "555" not in shown
