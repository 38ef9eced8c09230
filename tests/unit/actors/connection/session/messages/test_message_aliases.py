from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.session.messages.message_aliases import ALIAS_SECONDS

if TYPE_CHECKING:
    from actors.connection.session.session import Session
    from tests.unit.actors.connection.sessions import Clock


async def test_the_newest_id_is_the_one_that_others_see(session: Session, clock: Clock) -> None:
    async with session.transaction():
        session.note_alias("OURS", "FIRST")
    clock.now += 1
    async with session.transaction():
        session.note_alias("OURS", "SECOND")
    assert session.theirs("OURS") == "SECOND"
    assert [session.ours(each) for each in ("FIRST", "SECOND")] == ["OURS", "OURS"]
    assert (session.theirs("OTHER"), session.ours("OTHER")) == (None, None)


async def test_an_old_one_is_forgotten(session: Session, clock: Clock) -> None:
    async with session.transaction():
        session.note_alias("OURS", "THEIRS")
        session.prune(clock.now + ALIAS_SECONDS - 1)
    assert session.ours("THEIRS") == "OURS"
    async with session.transaction():
        session.prune(clock.now + ALIAS_SECONDS + 1)
    assert session.ours("THEIRS") is None
