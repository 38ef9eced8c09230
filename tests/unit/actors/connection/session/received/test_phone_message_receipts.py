"""Receipts for what the account's phone sent wait for the message, in whatever order they come."""

from __future__ import annotations

from contextlib import closing
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from actors.connection.session.received.phone_message_receipts import EARLY_ROWS
from actors.connection.session.session import Session
from tests.unit.actors.connection.sessions import prune

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ACCOUNT = "15550100001@s.whatsapp.net"
CONTACT = "15550100002@s.whatsapp.net"
LID = "90000000000002@lid"
AT = 1_764_000_000


def opened(directory: Path, epoch: int = 1) -> closing[Session]:
    return closing(Session.open(directory / "session.db", epoch))


def copy(session: Session, chat: str = CONTACT, message_id: str = "A", type_: str = "text") -> None:
    assert session.inbox.add(
        chat=chat,
        sender=ACCOUNT,
        message_id=message_id,
        at=AT,
        type=type_,
        text="from the phone" if type_ == "text" else None,
        from_me=True,
    )


def receipt(session: Session, chat: str = CONTACT, message_id: str = "A", at: int = AT + 1) -> None:
    session.phone_statuses.add(
        chat=chat, sender=ACCOUNT, message_id=message_id, status="delivered", at=at
    )


def settle(session: Session) -> None:
    session.inbox.settle([one.key for one in session.inbox.pending("message", 100)])


def due(session: Session) -> list[tuple[str, str | None, str, str]]:
    return [
        (one.chat, one.sender, one.message_id, one.status)
        for one in session.inbox.pending("status", 100)
    ]


THERE = [(CONTACT, ACCOUNT, "A", "delivered")]


@pytest.mark.parametrize("order", list(permutations(["copy", "receipt", "settle"])), ids=", ".join)
async def test_a_receipt_is_due_once_its_message_is_settled(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    steps: dict[str, Callable[[Session], None]] = {
        "copy": copy,
        "receipt": receipt,
        "settle": settle,
    }
    with opened(tmp_path) as session:
        for step in order:
            assert due(session) == []
            async with session.transaction():
                steps[step](session)
        async with session.transaction():
            settle(session)
        assert due(session) == THERE
    with opened(tmp_path, epoch=2) as session:
        assert due(session) == THERE, "for the next owner too"
        async with session.transaction():
            session.inbox.settle([one.key for one in session.inbox.pending("status", 100)])
        assert due(session) == []


@pytest.mark.parametrize(
    ("sent_to", "told_by"), [(LID, CONTACT), (CONTACT, LID)], ids=["copy by LID", "receipt by LID"]
)
@pytest.mark.parametrize("settled", [True, False])
async def test_a_receipt_and_its_message_by_both_addresses(
    tmp_path: Path, sent_to: str, told_by: str, settled: bool
) -> None:
    """They meet when somebody says whose the LID is."""
    with opened(tmp_path) as session:
        async with session.transaction():
            receipt(session, told_by)
            copy(session, sent_to)
            if settled:
                settle(session)
        assert due(session) == []
        async with session.transaction():
            session.learn_lid(LID, CONTACT)
            settle(session)
        assert due(session) == THERE


async def test_a_receipt_waits_for_the_resend_of_what_could_not_be_read(tmp_path: Path) -> None:
    with opened(tmp_path) as session:
        async with session.transaction():
            receipt(session)
            session.inbox.want(
                chat=CONTACT,
                sender=ACCOUNT,
                message_id="A",
                at=AT,
                from_me=True,
                push_name=None,
                source="live",
            )
            settle(session)
        assert due(session) == []
        async with session.transaction():
            copy(session)
            settle(session)
        assert due(session) == THERE


@pytest.mark.holds_loop("a transaction has a thousand receipts and their messages, as no batch has")
async def test_what_nobody_asked_for_is_bounded_and_forgotten(tmp_path: Path) -> None:
    """Receipts for messages of other devices' that never come; one of ours among them stays."""
    with opened(tmp_path) as session:
        async with session.transaction():
            copy(session)
            receipt(session)
            for number in range(EARLY_ROWS + 5):
                receipt(session, message_id=f"B{number}")
            settle(session)
            for number in range(EARLY_ROWS + 5):
                copy(session, message_id=f"B{number}")
            settle(session)
            while keys := [one.key for one in session.inbox.pending("message", 100)]:
                session.inbox.settle(keys)
        found = [one.message_id for one in session.inbox.pending("status", 2 * EARLY_ROWS)]
        assert found == ["A", *(f"B{number}" for number in range(5, EARLY_ROWS + 5))]
        async with session.transaction():
            receipt(session, message_id="C", at=AT)
        await prune(session)
        async with session.transaction():
            copy(session, message_id="C")
            settle(session)
        found = [one.message_id for one in session.inbox.pending("status", 2 * EARLY_ROWS)]
        assert "C" not in found
