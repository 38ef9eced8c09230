"""Each kind of message between the engine and the simulator's people, who speak another's code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import Outgoing
from actors.messages.content import (
    Card,
    Contact,
    Content,
    Delete,
    Edit,
    Location,
    Poll,
    PollVote,
    Quote,
    Reaction,
    Target,
    Text,
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
    await phone.engine.send(Outgoing(id_, chat(CONTACT), said))
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


async def test_each_kind_reaches_the_contact(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        theirs = await says(simulator, phone, text="well?")
        target = Target(theirs.message_id, theirs.sender)
        first = await sends(phone, 1, Text("yes", Quote(target, "well?")))
        got = await arrived(simulator, first)
        assert (got["type"], got["text"], got["content"]["reply_to"]["id"]) == (
            "text",
            "yes",
            theirs.message_id,
        )
        kinds: list[tuple[Content, dict[str, Any]]] = [
            (
                Location(38.75, -9.25, "Here"),
                {"latitude": 38.75, "longitude": -9.25, "name": "Here"},
            ),
            (Contact((Card("Ben", "BEGIN:VCARD\nEND:VCARD"),)), {"name": "Ben"}),
            (
                Poll("Tea?", ("yes", "no"), 1, "ab" * 32),
                {"options": ["yes", "no"], "selectable": 1},
            ),
        ]
        for number, (said, shown) in enumerate(kinds, 2):
            got = await arrived(simulator, await sends(phone, number, said))
            assert got["type"] == said.type
            assert shown.items() <= got["content"].items()
        changes: list[tuple[Content, str, str]] = [
            (Reaction(target, "+"), "+", theirs.message_id),
            (Reaction(target, ""), "", theirs.message_id),
            (Edit(Target(first, None), "gladly"), "gladly", first),
            (Delete(Target(first, None)), "", first),
        ]
        for number, (said, text, about) in enumerate(changes, 10):
            got = await arrived(simulator, await sends(phone, number, said))
            assert (got["type"], got["text"] or "") == (said.type, text)
            assert got["content"]["target"]["id"] == about


async def test_each_kind_that_a_contact_says(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        place = await says(
            simulator, phone, type="location", latitude=38.75, longitude=-9.25, name="There"
        )
        assert content(place) == Location(38.75, -9.25, "There")
        card = await says(simulator, phone, type="contact", name="Eva", phone="15550100004")
        shown = content(card)
        assert isinstance(shown, Contact)
        assert shown.cards[0].name == "Eva"
        asked: dict[str, Any] = {"text": "Tea?", "options": ["yes", "no"], "selectable": 1}
        poll = content(await says(simulator, phone, type="poll", **asked))
        assert isinstance(poll, Poll)
        assert (poll.question, poll.options, poll.choices) == ("Tea?", ("yes", "no"), 1)
        assert len(bytes.fromhex(poll.secret or "")) == 32
        asks = await sends(phone, 2, Poll("Tea?", ("yes", "no"), 1, "ab" * 32))
        await arrived(simulator, asks)
        vote = await says(simulator, phone, type="vote", target=asks, options=["no"])
        assert content(vote) == PollVote(Target(asks, None), ("no",))
        ours = await sends(phone, 1, Text("hi"))
        reply = await says(simulator, phone, text="why?", reply_to=ours)
        assert content(reply) == Text("why?", Quote(Target(ours, None)))
        reaction = await says(simulator, phone, type="reaction", target=ours, text="+")
        assert content(reaction) == Reaction(Target(ours, None), "+")


@pytest.mark.parametrize("mode", ["pn", "lid"])
async def test_votes_in_polls_of_either_side(
    simulator: Simulator, tmp_path: Path, mode: str
) -> None:
    """The contact and the account's own phone read them; ours, and what the phone chose, too."""
    secret = "ab" * 32
    await simulator.address(CONTACT, mode)
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


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("speaker", [f"contacts/{CONTACT}", f"phones/{ACCOUNT}"])
async def test_changes_of_what_one_said(
    simulator: Simulator, tmp_path: Path, speaker: str, wrapped: bool
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        first = await says(simulator, phone, speaker, text="helo")
        target = Target(first.message_id, first.sender)
        assert first.from_me == speaker.startswith("phones")
        about = {"target": first.message_id}
        edit = await says(
            simulator, phone, speaker, type="edit", text="hello", wrapped=wrapped, **about
        )
        assert (content(edit), edit.chat) == (Edit(target, "hello"), chat(CONTACT))
        for emoji in ("+", ""):
            reaction = await says(simulator, phone, speaker, type="reaction", text=emoji, **about)
            assert content(reaction) == Reaction(target, emoji)
        delete = await says(simulator, phone, speaker, type="delete", **about)
        assert content(delete) == Delete(target)
