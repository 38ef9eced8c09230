"""Rows of the inbox that are set aside: out of the way, on disk, and nowhere lost."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from actors.connection.session.received.inbox import UNDECRYPTABLE_ROW
from actors.connection.session.received.refused_rows import MAX_REFUSED_BYTES, MAX_REFUSED_ROWS
from actors.connection.session.session import Session
from tests.unit.actors.connection.sessions import ALICE, DAY, Clock, prune, put

if TYPE_CHECKING:
    from pathlib import Path


async def three(session: Session) -> None:
    for name in "ABC":
        await put(session, name)


async def aside(session: Session, *keys: int) -> None:
    for key in keys:
        async with session.transaction():
            session.refused.set_aside(key)


def waiting(session: Session) -> list[str]:
    return [item.message_id for item in session.inbox.pending("message", 10)]


async def test_a_row_that_is_set_aside_waits_for_nobody(
    session: Session, clock: Clock, path: Path
) -> None:
    await three(session)
    await aside(session, 2, 2, 77)
    assert waiting(session) == ["A", "C"]
    assert session.refused.count() == 1
    (item,) = session.refused.items(10, 0)
    assert (item.key, item.kind, item.chat, item.message_id) == (2, "message", ALICE, "B")
    assert (item.type, item.at, item.refused_at) == ("text", 1_700_000_000, clock.now)
    assert (item.size, item.excerpt) == (9, "text of B")
    assert session.inbox.committed(ALICE, ALICE, "B")
    assert not await put(session, "B"), "it does not come twice"
    session.close()
    with closing(Session.open(path, 4, clock=clock)) as again:
        assert waiting(again) == ["A", "C"]
        assert again.refused.count() == 1


async def test_only_the_beginning_of_long_words_is_shown(session: Session) -> None:
    await put(session, "A", text="ü" * 1000)
    await aside(session, 1)
    (item,) = session.refused.items(10, 0)
    assert (item.size, item.excerpt) == (2000, "ü" * 200)


async def test_they_are_listed_in_pages(session: Session) -> None:
    await three(session)
    await aside(session, 3, 1, 2)
    assert [item.key for item in session.refused.items(2, 0)] == [1, 2]
    assert [item.key for item in session.refused.items(2, 2)] == [3]


async def test_a_retry_puts_it_back_to_its_place(session: Session) -> None:
    await three(session)
    await aside(session, 2)
    async with session.transaction():
        assert session.refused.retry(2)
        assert not session.refused.retry(2)
        assert not session.refused.retry(1), "it was never set aside"
    assert waiting(session) == ["A", "B", "C"]
    assert session.refused.count() == 0
    async with session.transaction():
        session.inbox.settle([2])
    assert waiting(session) == ["A", "C"]


async def test_what_is_discarded_does_not_come_again(session: Session) -> None:
    await three(session)
    await aside(session, 2)
    async with session.transaction():
        assert session.refused.discard(2)
        assert not session.refused.discard(2)
        assert not session.refused.discard(1)
    assert (waiting(session), session.refused.count()) == (["A", "C"], 0)
    assert not await put(session, "B")
    assert session.rows("SELECT * FROM inbox WHERE text = 'text of B'") == []


async def test_a_tombstone_of_what_is_discarded_ends_as_others_do(
    session: Session, clock: Clock
) -> None:
    await three(session)
    await aside(session, 2)
    clock.now += 40 * DAY
    await prune(session)
    assert session.inbox.committed(ALICE, ALICE, "B"), "a person may have it stored yet"
    async with session.transaction():
        session.refused.discard(2)
        clock.now += 31 * DAY
    await prune(session)
    assert not session.inbox.committed(ALICE, ALICE, "B")
    assert session.inbox.committed(ALICE, ALICE, "C")


async def test_nobody_waits_until_it_is_stored(session: Session) -> None:
    """Where only stored messages are acknowledged to WhatsApp, a refusal holds up nothing."""
    await three(session)
    assert session.refused.unsettled(ALICE, ALICE, "B") == 2
    await aside(session, 2)
    assert session.refused.unsettled(ALICE, ALICE, "B") is None
    assert session.refused.unsettled(ALICE, ALICE, "C") == 3
    assert not session.inbox.holds_any(2) or session.inbox.holds_any(1)


async def test_a_message_takes_the_place_of_its_refused_placeholder(session: Session) -> None:
    await put(session, "A", type=UNDECRYPTABLE_ROW, text=None, body=None)
    await aside(session, 1)
    assert await put(session, "A")
    assert waiting(session) == ["A"]
    assert session.refused.count() == 0


async def test_its_chat_moves_with_all_others(session: Session) -> None:
    lid = "200000000000001@lid"
    await put(session, "A", chat=lid, sender=lid)
    await aside(session, 1)
    async with session.transaction():
        session.learn_lid(lid, ALICE)
    (item,) = session.refused.items(10, 0)
    assert (item.chat, item.sender) == (ALICE, ALICE)


async def test_another_file_takes_them_over_once(session: Session, tmp_path: Path) -> None:
    await three(session)
    await aside(session, 1, 3)
    with closing(Session.open(tmp_path / "other" / "session.db", 3)) as other:
        await put(other, "D")
        for _ in range(2):
            async with other.transaction():
                other.refused.adopt(session.refused.rows())
        assert [item.message_id for item in other.refused.items(10, 0)] == ["A", "C"]
        assert [item.kind for item in other.refused.items(10, 0)] == ["message", "message"]
        async with other.transaction():
            assert other.refused.retry(other.refused.items(1, 0)[0].key)
        assert waiting(other) == ["D", "A"]


@pytest.mark.parametrize("kind", ["set_aside", "retry", "discard"])
async def test_a_change_needs_a_transaction(session: Session, kind: str) -> None:
    await three(session)
    await aside(session, 1)
    with pytest.raises(RuntimeError):
        getattr(session.refused, kind)(1)


async def sets_aside(session: Session, key: int, *, bounded: bool = True) -> bool:
    async with session.transaction():
        return session.refused.set_aside(key, bounded=bounded)


async def test_so_many_are_set_aside_and_the_next_stays_pending(session: Session) -> None:
    async with session.transaction():
        session.write(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x <= ?)"
            " INSERT INTO inbox (kind, chat, sender, message_id, at, type, text, from_me, source)"
            " SELECT 'message', ?, ?, 'M' || x, 1, 'text', 'hi', 0, 'live' FROM n",
            (MAX_REFUSED_ROWS, ALICE, ALICE),
        )
        assert all(session.refused.set_aside(key) for key in range(1, MAX_REFUSED_ROWS + 1))
    assert not await sets_aside(session, MAX_REFUSED_ROWS + 1)
    assert session.refused.count() == MAX_REFUSED_ROWS
    assert waiting(session) == [f"M{MAX_REFUSED_ROWS + 1}"]
    assert [item.key for item in session.refused.items(1, 0)] == [1], "the oldest are kept"
    async with session.transaction():
        assert session.refused.discard(7)
    assert await sets_aside(session, MAX_REFUSED_ROWS + 1)
    assert waiting(session) == []


@pytest.mark.holds_loop("a message has many times the bytes of one that comes in a stanza")
async def test_they_have_so_many_bytes_together(session: Session) -> None:
    half = "x" * (MAX_REFUSED_BYTES // 2)
    for name in "ABC":
        await put(session, name, text=half + "x")
    assert await sets_aside(session, 1)
    assert not await sets_aside(session, 2)
    assert await sets_aside(session, 2, bounded=False), "of a file that nobody serves"
    assert waiting(session) == ["C"]


@pytest.mark.holds_loop("a message has many times the bytes of one that comes in a stanza")
async def test_a_single_one_may_have_more(session: Session) -> None:
    await put(session, "A", text="x" * (MAX_REFUSED_BYTES + 1))
    assert await sets_aside(session, 1)
