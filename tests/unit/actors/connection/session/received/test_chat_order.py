"""G4: messages of a chat are stored in the order in which they arrived, whatever clocks do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from actors.connection.session.received.chat_order import AGREED
from actors.connection.session.session import Session
from actors.state.messages.received import incoming
from tests.unit.actors.connection.sessions import ALICE, put

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.actors.connection.sessions import Clock

BOB = "15550100003@s.whatsapp.net"
LID = "90000000000002@lid"
HOUR = 3600.0


def stored(session: Session) -> list[tuple[str, float]]:
    """The messages as the state store lists them."""
    documents = [incoming("shop", asdict(one), 0) for one in session.inbox.pending("message", 999)]
    documents.sort(key=lambda one: one["at"])
    return [(one["message_id"], one["at"]) for one in documents]


def names(session: Session) -> list[str]:
    return [name for name, _ in stored(session)]


@pytest.mark.parametrize("source", ["live", "offline"])
@pytest.mark.parametrize("jump", [-HOUR, -30.0, -0.5, 30.0, HOUR])
async def test_an_owner_dies_and_the_clock_jumps_between_two_messages(
    path: Path, clock: Clock, jump: float, source: str
) -> None:
    """By an hour forward at first, so that the message before stands where the wrong clock has it, if any does."""
    second = int(clock.now)
    for wrong in (0.0, 30.0, HOUR):
        clock.now = second + wrong + 0.3
        chat = f"1555010{int(wrong):04}@s.whatsapp.net"
        dead = Session.open(path, int(wrong) + 1, clock=clock)
        await put(dead, "A", chat=chat, at=second)
        await put(dead, "B", chat=chat, at=second)
        clock.now += jump
        # The file is as the dead process left it: committed, and not closed.
        following = Session.open(path, int(wrong) + 2, clock=clock)
        for message_id in "CD":
            await put(following, message_id, chat=chat, at=second, source=source)
        await put(following, "E", chat=chat, at=second + 1)
        order = [name for name in names(following) if name in "ABCDE"]
        following.close()
        dead.close()
        again = Session.open(path, int(wrong) + 3, clock=clock)
        async with again.transaction():
            again.inbox.settle([one.key for one in again.inbox.pending("message", 99)])
        again.close()
        assert order == ["A", "B", "C", "D", "E"], wrong


async def test_a_clock_that_is_set_back_later_changes_nothing(
    session: Session, clock: Clock
) -> None:
    """A wrong clock moves no place by more than it may differ from WhatsApp's."""
    second = int(clock.now)
    for number, offset in enumerate([0, HOUR, HOUR, -HOUR, 0, 50, 0]):
        clock.now = second + number + offset
        await put(session, f"{number}", at=second + number)
    assert names(session) == [f"{number}" for number in range(7)]
    assert all(
        abs(at - second - number) <= AGREED for number, (_, at) in enumerate(stored(session))
    )
    clock.now = second + 100.5
    await put(session, "right again", at=second + 100)
    assert stored(session)[-1] == ("right again", clock.now)


async def test_an_answer_stands_below_its_question_within_one_second(
    session: Session, clock: Clock
) -> None:
    """By arrival, on the clock that times acceptance: WhatsApp's own second begins before the question."""
    for number, skew in enumerate([0.0, -2.0, 2.0]):  # of WhatsApp's clock against this one
        began, chat = clock.now + number * 10, f"1555010000{number}@s.whatsapp.net"
        clock.now = began + 0.6
        await put(session, f"{number}", chat=chat, at=int(began + skew))
        question, answer = began + 0.5, began + 0.7  # accepted by the API
        assert question < dict(stored(session))[f"{number}"] < answer


async def test_what_waited_at_whatsapp_stands_in_its_second_and_before_its_arrival(
    session: Session, clock: Clock
) -> None:
    second = int(clock.now)
    question = second + 0.9  # accepted before the connection was lost
    clock.now = second + 600.0
    for number, at in enumerate([second, second, second + 1]):
        await put(session, f"{number}", at=at, source="offline")
    moments = [question, *(at for _, at in stored(session)), clock.now]
    assert moments == sorted(set(moments))
    assert moments[2] < second + 2
    clock.now = second + 700.5
    await put(session, "at once", at=second + 700, source="offline")
    assert dict(stored(session))["at once"] == clock.now, "an answer to it is accepted later"


async def test_an_order_is_of_one_chat(session: Session, clock: Clock) -> None:
    """One that waited stands at its own time, also behind a newer one of another chat."""
    second = int(clock.now)
    await put(session, "NEW", at=second)
    await put(session, "OLD", chat=BOB, sender=BOB, at=second - 900, source="offline")
    assert names(session) == ["OLD", "NEW"]


@pytest.mark.parametrize("first", [ALICE, LID])
async def test_chats_that_become_one_have_one_order(
    session: Session, clock: Clock, first: str
) -> None:
    second = int(clock.now)
    clock.now += 50
    await put(session, "A", chat=first, sender=first, at=second)
    other = LID if first == ALICE else ALICE
    clock.now -= 30
    await put(session, "B", chat=other, sender=other, at=second)
    async with session.transaction():
        session.learn_lid(LID, ALICE)
    clock.now -= 20
    await put(session, "C", at=second)
    assert names(session)[-1] == "C"
    assert session.rows("SELECT chat FROM chat_order") == [(ALICE,)]
