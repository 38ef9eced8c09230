from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.session.messages.message_aliases import ALIAS_SECONDS, retargeted
from actors.messages.content import (
    Content,
    Delete,
    Location,
    Poll,
    PollVote,
    Quote,
    Reaction,
    ReadMark,
    Target,
    Text,
)

if TYPE_CHECKING:
    from actors.connection.session.session import Session
    from tests.unit.actors.connection.sessions import Clock

ANA = "15550100002@s.whatsapp.net"


async def note(session: Session, ours: str, theirs: str, at: float) -> None:
    """As the former engine did."""
    async with session.transaction():
        session.write("INSERT INTO aliases (ours, theirs, at) VALUES (?, ?, ?)", (ours, theirs, at))


async def test_the_newest_id_is_the_one_that_others_see(session: Session, clock: Clock) -> None:
    await note(session, "OURS", "FIRST", clock.now)
    await note(session, "OURS", "SECOND", clock.now + 1)
    assert session.aliases.theirs("OURS") == "SECOND"
    assert [session.aliases.ours(each) for each in ("FIRST", "SECOND")] == ["OURS", "OURS"]
    assert (session.aliases.theirs("OTHER"), session.aliases.ours("OTHER")) == ("OTHER", "OTHER")


async def test_an_old_one_is_forgotten(session: Session, clock: Clock) -> None:
    await note(session, "OURS", "THEIRS", clock.now)
    async with session.transaction():
        session.prune(clock.now + ALIAS_SECONDS - 1)
    assert session.aliases.ours("THEIRS") == "OURS"
    async with session.transaction():
        session.prune(clock.now + ALIAS_SECONDS + 1)
    assert session.aliases.ours("THEIRS") == "THEIRS"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Reaction(Target("A", None), "+"), Reaction(Target("X", None), "+")),
        (Delete(Target("A", None)), Delete(Target("X", None))),
        (PollVote(Target("A", None), ("no",)), PollVote(Target("X", None), ("no",))),
        (Text("so", Quote(Target("A", None))), Text("so", Quote(Target("X", None)))),
        (
            Location(1.0, 2.0, reply_to=Quote(Target("A", None))),
            Location(1.0, 2.0, reply_to=Quote(Target("X", None))),
        ),
        # Content of others, and content that refers to no message, is as it was.
        (Reaction(Target("A", ANA), "+"),) * 2,
        (Text("so", Quote(Target("A", ANA))),) * 2,
        (Text("so"),) * 2,
        (ReadMark((Target("A", ANA),)),) * 2,
        (Poll("Tea?", ("yes", "no"), 1),) * 2,
    ],
)
def test_what_speaks_of_an_own_message_speaks_of_its_other_id(
    said: Content, expected: Content
) -> None:
    assert retargeted(said, {"A": "X"}.__getitem__) == expected
