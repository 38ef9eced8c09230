"""Each kind of message between the engine and the simulator's people, who speak another's code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.connection.engine import SendRequest
from actors.messages.content import (
    Content,
    Poll,
    PollVote,
    Target,
    decode,
)
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Device,
    Simulator,
    chat,
    device,
    message_id,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

    from actors.connection.engine import InboxMessage


async def sends(phone: Device, number: int, said: Content) -> str:
    id_ = message_id(number, 3)
    await phone.engine.send(SendRequest(id_, chat(CONTACT), said))
    return id_


async def arrived(simulator: Simulator, id_: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        return next((one for one in await simulator.inbox(CONTACT) if one["id"] == id_), None)

    found: dict[str, Any] = await until(look)
    return found


async def copied(simulator: Simulator, id_: str) -> dict[str, Any]:
    """The copy that the account's phone got."""

    async def look() -> dict[str, Any] | None:
        return next((one for one in await simulator.copies() if one["id"] == id_), None)

    found: dict[str, Any] = await until(look)
    return found


async def says(
    simulator: Simulator, mine: Device, speaker: str = f"contacts/{CONTACT}", **what: Any
) -> InboxMessage:
    to = CONTACT if speaker.startswith("phones") else ACCOUNT
    said = await simulator._call("POST", f"/{speaker}/say", to=to, **what)

    async def look() -> InboxMessage | None:
        return next((one for one in await mine.messages() if one.message_id == said["id"]), None)

    found: InboxMessage = await until(look)
    return found


def content(message: InboxMessage) -> Content:
    assert message.content is not None, message.type
    return decode(message.content)


async def test_votes_in_polls_of_either_side(simulator: Simulator, tmp_path: Path) -> None:
    """The contact and the account's own phone read them; ours, and what the phone chose, too."""
    secret = "ab" * 32
    await simulator.address(CONTACT, "lid")
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        theirs = await says(simulator, phone, type="poll", text="Tea?", options=["yes", "no"])
        asked = content(theirs)
        assert isinstance(asked, Poll)
        ours = await sends(phone, 1, Poll("When?", ("now", "later"), 0, secret))
        await arrived(simulator, ours)
        votes = [
            (Target(theirs.message_id, theirs.sender), ("no",), asked.secret),
            (Target(theirs.message_id, theirs.sender), (), asked.secret),
            (Target(ours, None), ("now", "later"), secret),
        ]
        for number, (target, options, key) in enumerate(votes, 10):
            sent = await sends(phone, number, PollVote(target, options, key))
            for got in (await arrived(simulator, sent), await copied(simulator, sent)):
                assert got["type"] == "vote"
                assert got["content"]["target"]["id"] == target.message_id
                assert got["content"]["options"] == list(options)
        speaker = f"phones/{ACCOUNT}"
        for target, options, _ in (votes[0], votes[2]):
            about = {"target": target.message_id, "options": list(options)}
            chosen = await says(simulator, phone, speaker, type="vote", **about)
            assert chosen.from_me
            assert content(chosen) == PollVote(target, options)
