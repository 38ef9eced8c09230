"""Sent messages: stored for a day and bounded, with the number of their retry requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.actors.connection.sessions import ALICE, DAY, Clock, prune

if TYPE_CHECKING:
    import pytest

    from actors.connection.session.session import Session


async def test_plaintexts_are_kept_a_day_and_bounded(
    session: Session, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.connection.session.messages.sent_messages.SENT_ROWS", 3)
    async with session.transaction():
        for n in range(5):
            session.sent.remember(ALICE, f"M{n}", b"text", clock.now)
    kept = [session.sent.plaintext(ALICE, f"M{n}") for n in range(5)]
    assert kept == [None, None, b"text", b"text", b"text"]
    clock.now += DAY + 1
    assert session.sent.plaintext(ALICE, "M4") is None
    await prune(session)
    assert session.rows("SELECT * FROM sent") == []


async def test_retries_are_counted_per_direction_and_peer(session: Session) -> None:
    async with session.transaction():
        assert session.sent.count_retry("asked", ALICE, ALICE, "M") == 1
        assert session.sent.count_retry("asked", ALICE, ALICE, "M") == 2
        assert session.sent.count_retry("answered", ALICE, ALICE, "M") == 1
    assert session.sent.retries("asked", ALICE, ALICE, "M") == 2
    assert session.sent.retries("asked", ALICE, "15550100003@s.whatsapp.net", "M") == 0


async def test_what_was_sent_by_lid_was_sent_to_the_number(session: Session, clock: Clock) -> None:
    lid = "90000000000002@lid"
    async with session.transaction():
        session.sent.remember(lid, "A", b"a", clock.now)
        session.sent.remember(lid, "B", b"old", clock.now)
        session.sent.remember(ALICE, "B", b"new", clock.now)
        session.sent.count_retry("asked", lid, lid, "C")
        session.sent.move(lid, ALICE)
    assert session.sent.plaintext(ALICE, "A") == b"a"
    assert session.sent.plaintext(ALICE, "B") == b"new"
    assert session.sent.plaintext(lid, "A") is None
    assert session.sent.retries("asked", ALICE, ALICE, "C") == 1
