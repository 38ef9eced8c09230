"""Items of the inbox: once each, stored until the state store has them, remembered for 30 days."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.engine import InboxMerge, InboxMessage, InboxReceipt
from actors.connection.session.received import inbox

if TYPE_CHECKING:
    from pathlib import Path

    from actors.connection.session.session import Session

from actors.connection.session.received.inbox import UNDECRYPTABLE_ROW, WANTED_ROW
from tests.unit.actors.connection.sessions import ALICE, DAY, Clock, prune, put


async def test_a_message_is_there_once(session: Session, clock: Clock) -> None:
    """G5."""
    assert not session.inbox.committed(ALICE, ALICE, "A")
    assert await put(session, "A", push_name="Al", source="offline", from_me=True)
    assert session.inbox.committed(ALICE, ALICE, "A")
    assert not await put(session, "A", text="another")
    assert await put(session, "A", sender="15550100003@s.whatsapp.net")
    first, _ = session.inbox.pending("message", 10)
    assert first == InboxMessage(
        1,
        ALICE,
        ALICE,
        "A",
        1_700_000_000,
        "text",
        "text of A",
        True,
        "Al",
        "offline",
        None,
        clock.now,
        1_700_000_001.0,
        "Al",
    )
    assert session.rows("SELECT body FROM inbox WHERE key = 1") == [(b"body",)]


async def test_a_message_has_the_times_of_its_placeholder(session: Session, clock: Clock) -> None:
    began = clock.now
    await want(session, "A")
    clock.now += 10
    assert await put(session, "A", type=UNDECRYPTABLE_ROW, text=None)
    await put(session, "B")
    clock.now += 5
    await put(session, "A")  # readable at last
    arrived = {one.message_id: one for one in session.inbox.pending("message", 10)}
    assert [arrived[each].received_at for each in "AB"] == [began, began + 10]
    assert (arrived["A"].place or 0) < (arrived["B"].place or 0)


async def test_settled_messages_leave_a_tombstone_for_30_days(
    session: Session, clock: Clock, path: Path
) -> None:
    await put(session, "A", text="q7Zk3-unmistakable")
    await put(session, "B")
    clock.now += 40 * DAY
    await prune(session)
    assert session.inbox.committed(ALICE, ALICE, "A"), "unsettled: its term has not begun"
    async with session.transaction():
        session.inbox.settle([1, 1, 77])
    assert [item.key for item in session.inbox.pending("message", 10)] == [2]
    clock.now += 29 * DAY
    await prune(session)
    assert not await put(session, "A")
    clock.now += 2 * DAY
    await prune(session)
    assert not session.inbox.committed(ALICE, ALICE, "A")
    session.close()
    assert not holds(path, b"q7Zk3-unmistakable")


def holds(path: Path, text: bytes) -> bool:
    assert [one.name for one in path.parent.iterdir()] == [path.name], "the log is folded in"
    return text in path.read_bytes()


@pytest.mark.parametrize("settled", [True, False])
async def test_a_resend_replaces_a_placeholder(session: Session, *, settled: bool) -> None:
    assert await put(session, "A", type="undecryptable", text=None, body=None)
    assert not session.inbox.committed(ALICE, ALICE, "A")
    assert not await put(session, "A", type="undecryptable", text=None, body=None)
    if settled:
        async with session.transaction():
            session.inbox.settle([1])
    assert await put(session, "A")
    assert session.inbox.committed(ALICE, ALICE, "A")
    assert not await put(session, "A", type="undecryptable", text=None, body=None)
    (item,) = session.inbox.pending("message", 10)
    assert (item.key, item.text) == (2, "text of A")


async def test_what_shows_nothing_leaves_a_tombstone_alone(session: Session) -> None:
    key = {"chat": ALICE, "sender": ALICE}
    await put(session, "MESSAGE")
    await put(session, "PLACEHOLDER", type="undecryptable", text=None)
    async with session.transaction():
        for message_id in ("FRESH", "MESSAGE", "PLACEHOLDER"):
            session.inbox.bury(**key, message_id=message_id)
    for message_id in ("FRESH", "MESSAGE", "PLACEHOLDER"):
        assert session.inbox.committed(ALICE, ALICE, message_id)
        assert not await put(session, message_id)
    assert [item.key for item in session.inbox.pending("message", 10)] == [1]


async def test_keys_never_name_a_second_item(session: Session) -> None:
    await put(session, "A")
    async with session.transaction():
        session.inbox.settle([1])
    await put(session, "B")
    assert [item.key for item in session.inbox.pending("message", 10)] == [2]


async def test_each_kind_waits_in_its_own_order(session: Session) -> None:
    """Neither kind hides the other, however much of it waits."""
    for number in range(3):
        await put(session, f"{number}")
    async with session.transaction():
        session.inbox.add_receipt(chat=ALICE, message_ids=["X", "Y"], status="read", at=7)
        session.inbox.add_receipt(chat=ALICE, message_ids=["Z"], status="delivered", at=8)
    await put(session, "3")
    assert [item.key for item in session.inbox.pending("message", 3)] == [1, 2, 3]
    assert session.inbox.pending("receipt", 10) == [
        InboxReceipt(4, ALICE, ("X", "Y"), "read", 7),
        InboxReceipt(5, ALICE, ("Z",), "delivered", 8),
    ]
    assert [item.key for item in session.inbox.pending("message", 10)] == [1, 2, 3, 6]


def test_one_kind_is_read_without_the_other(session: Session) -> None:
    """By an index, already in order: what is read is what is asked for."""
    plan = session.rows(f"EXPLAIN QUERY PLAN {inbox.PENDING_ROWS}", ("receipt", 10))
    first, *others = [step[3] for step in plan]
    assert first == "SEARCH inbox USING INDEX inbox_kind (kind=?)"
    looked_up = [step for step in others if not step.startswith("CORRELATED SCALAR SUBQUERY")]
    assert len(looked_up) == 6, "the names of the sender and of the chat, each by its key"
    assert all(step.startswith("SEARCH") and "=?)" in step for step in looked_up)


async def want(session: Session, message_id: str, chat: str = ALICE) -> None:
    async with session.transaction():
        session.inbox.want(
            chat=chat,
            sender=chat,
            message_id=message_id,
            at=7,
            from_me=False,
            push_name="Al",
            source="offline",
        )


async def test_what_is_wanted_is_hidden_until_it_is_overdue(session: Session, clock: Clock) -> None:
    await want(session, "A")
    clock.now += 10
    await want(session, "B")
    assert session.inbox.wants()
    assert not session.inbox.committed(ALICE, ALICE, "A")
    assert session.inbox.pending("message", 10) == []
    hidden = InboxMessage(
        1,
        ALICE,
        ALICE,
        "A",
        7,
        UNDECRYPTABLE_ROW,
        None,
        False,
        "Al",
        "offline",
        received_at=clock.now - 10,
        place=8.0,
        sender_name="Al",
        chat_name="Al",
    )
    async with session.transaction():
        assert session.inbox.show_wanted(clock.now - 5) == 1
        assert session.inbox.show_wanted(clock.now - 5) == 0
    assert session.inbox.pending("message", 10) == [hidden]
    async with session.transaction():
        session.inbox.settle([1])
    await want(session, "A")  # it came again, and is asked for again
    assert await put(session, "B", type=UNDECRYPTABLE_ROW, text=None)
    assert not await put(session, "B", type=UNDECRYPTABLE_ROW, text=None)
    assert not session.inbox.wants()
    assert await put(session, "A")
    assert await put(session, "B")
    assert [one.text for one in session.inbox.pending("message", 10)] == ["text of A", "text of B"]


async def test_a_clock_that_is_set_back_hides_nothing(session: Session, clock: Clock) -> None:
    await want(session, "A")
    clock.now -= 3600
    async with session.transaction():
        assert session.inbox.show_wanted(clock.now - 5) == 1


async def test_asking_again_waits_again(session: Session, clock: Clock) -> None:
    await want(session, "A")
    asked = clock.now
    clock.now += 10
    await want(session, "A")
    async with session.transaction():
        assert session.inbox.show_wanted(asked) == 0
        assert session.inbox.show_wanted(clock.now) == 1


@pytest.mark.parametrize(
    ("there", "moved", "expected"),
    [
        ("text", "text", ["text"]),
        ("text", UNDECRYPTABLE_ROW, ["text"]),
        (UNDECRYPTABLE_ROW, "text", ["text"]),
        (UNDECRYPTABLE_ROW, UNDECRYPTABLE_ROW, [UNDECRYPTABLE_ROW]),
        (WANTED_ROW, "text", ["text"]),
        ("text", WANTED_ROW, ["text"]),
        (UNDECRYPTABLE_ROW, WANTED_ROW, [UNDECRYPTABLE_ROW]),
        (WANTED_ROW, WANTED_ROW, []),
        ("settled", "text", []),
    ],
)
async def test_a_message_in_two_chats_that_are_one_is_there_once(
    session: Session, there: str, moved: str, expected: list[str]
) -> None:
    lid = "90000000000002@lid"
    for chat, state in ((ALICE, there), (lid, moved)):
        if state == WANTED_ROW:
            await want(session, "A", chat)
        else:
            await put(session, "A", chat=chat, sender=chat, type=state)
        if state == "settled":
            async with session.transaction():
                session.inbox.settle([one.key for one in session.inbox.pending("message", 10)])
    await put(session, "B", chat=lid, sender="15550100001@s.whatsapp.net", from_me=True)
    async with session.transaction():
        session.inbox.add_receipt(chat=lid, message_ids=["X"], status="read", at=7)
        session.inbox_moves.move_chat(lid, ALICE)
    *messages, own = session.inbox.pending("message", 10)
    assert [one.type for one in messages] == expected
    assert {(one.chat, one.sender) for one in messages} <= {(ALICE, ALICE)}
    assert (own.chat, own.sender) == (ALICE, "15550100001@s.whatsapp.net")
    assert [one.chat for one in session.inbox.pending("receipt", 10)] == [ALICE]
    assert session.inbox.wants() == (expected == [] and there == WANTED_ROW)
    assert session.inbox.committed(ALICE, ALICE, "A") == (
        there in ("text", "settled") or moved == "text"
    )
    assert session.rows("SELECT 1 FROM tombstones WHERE chat = ?", (lid,)) == []
    await put(session, "A")
    kept = [one.message_id for one in session.inbox.pending("message", 10)].count("A")
    assert kept == (0 if there == "settled" else 1)


LID = "90000000000002@lid"


@pytest.mark.parametrize("state", ["waiting", "settled", "placeholder", "settled long ago"])
async def test_what_may_be_stored_under_a_lid_is_merged(
    session: Session, clock: Clock, state: str
) -> None:
    """Also what waits: it may be on its way to the store, under its old name."""
    kind = UNDECRYPTABLE_ROW if state == "placeholder" else "text"
    await put(session, "A", chat=LID, sender=LID, type=kind)
    if state.startswith("settled"):
        async with session.transaction():
            session.inbox.settle([1])
    if state == "settled long ago":
        clock.now += 90 * DAY
    await prune(session)
    async with session.transaction():
        assert session.learn_lid(LID, ALICE)
    merge = InboxMerge(2, LID, ALICE)
    assert session.inbox.pending("merge", 10) == [merge]
    async with session.transaction():
        assert not session.learn_lid(LID, ALICE)
    await prune(session)
    assert session.inbox.pending("merge", 10) == [merge], "once, and until it is settled"
    assert all(one.chat == ALICE for one in session.inbox.pending("message", 10))
    async with session.transaction():
        session.inbox.settle([2])
    assert session.inbox.pending("merge", 10) == []


async def test_nothing_is_merged_where_nothing_was(session: Session) -> None:
    await put(session, "A")
    async with session.transaction():
        session.inbox.add_receipt(chat=LID, message_ids=["X"], status="read", at=7)
        assert session.learn_lid(LID, ALICE)
    assert session.inbox.pending("merge", 10) == []


async def test_tombstones_of_a_lid_end_as_those_of_a_number_do(
    session: Session, clock: Clock
) -> None:
    """Also where its number never becomes known; until then a message is there once under either address."""
    await put(session, "A", chat=LID, sender=LID)
    clock.now += 25 * DAY
    await put(session, "B", chat=LID, sender=LID)
    async with session.transaction():
        session.inbox.settle([2])
    clock.now += 25 * DAY
    async with session.transaction():
        session.inbox.settle([1])
    await prune(session)
    assert session.inbox.committed(LID, LID, "A")
    clock.now += 10 * DAY
    await prune(session)
    assert session.rows("SELECT message_id FROM tombstones") == [("A",)]
    async with session.transaction():
        session.learn_lid(LID, ALICE)
    assert session.inbox.committed(ALICE, ALICE, "A")
    assert session.inbox.pending("merge", 10) == [InboxMerge(3, LID, ALICE)]


async def test_a_number_that_becomes_known_is_no_look_at_all_that_waits(session: Session) -> None:
    """Of a group's members hundreds may become known in one transaction."""
    lid = "90000000000003@lid"
    await put(session, "A")
    steps = list[int]()

    async def learn() -> int:
        steps.clear()
        session._writer.set_progress_handler(lambda: steps.append(1), 100)
        async with session.transaction():
            session.learn_lid(lid, "15550100003@s.whatsapp.net")
            session.learn_lid(lid, "15550100004@s.whatsapp.net")
        session._writer.set_progress_handler(None, 0)
        return len(steps)

    await learn()
    before = await learn()  # of names that change
    async with session.transaction():
        for number in range(1000):
            session.inbox.add(
                chat=ALICE,
                sender=ALICE,
                message_id=f"M{number}",
                at=1,
                type="text",
                text="x",
            )
        session.inbox.add_receipt(chat=lid, message_ids=["R"], status="read", at=1)
    assert await learn() < before + 10, "a thousand rows take fifty"
    assert [one.chat for one in session.inbox.pending("receipt", 9)] == [
        "15550100003@s.whatsapp.net"
    ]
