"""History syncs of the account's phone: stored once, beside messages that arrive now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import SendRequest
from actors.messages.content import Image, Reaction, Target, decode
from actors.metrics.mistakes import OWN_MISTAKES
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
from tests.processes.measured import Measured

if TYPE_CHECKING:
    from pathlib import Path

BEN = "15550100003"
LONG_AGO = 1_790_000_000


def said(text: str, at: int, **more: Any) -> dict[str, Any]:
    return {"text": text, "at": LONG_AGO + at, **more}


def long_talk(contact: str, count: int) -> dict[str, Any]:
    """Returns a chat with its messages newest first, as phones send them."""
    messages = [said(f"{contact} {number}", number) for number in range(count)]
    return {"chat": contact, "messages": messages[::-1]}


async def history_stored(simulator: Simulator, phone: Device, count: int = 1) -> None:
    """Waits until `count` notifications of the phone are stored and acknowledged to it."""
    await until(lambda: phone.engine.counts["history.stored"] >= count, 15.0)
    await until(lambda: _idle(simulator))


async def _idle(simulator: Simulator) -> bool:
    return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)


async def test_at_pairing_two_thousand_messages_while_others_arrive(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Chunk by chunk; what is said meanwhile is there long before the last of it."""
    people = [f"155501001{number:02}" for number in range(20)]
    for order, share in enumerate((people[:10], people[10:]), 1):
        await simulator.history(
            when="pairing",
            type="initial_bootstrap",
            chunk_order=order,
            conversations=[long_talk(person, 100) for person in share],
        )
    await simulator.history(when="pairing", type="push_name", pushnames={CONTACT: "Ana"})
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, "now", count=20)
        await until(lambda: _count(phone, 20))
        await history_stored(simulator, phone, 3)
        past = await phone.past()
        assert len(past) == 2000
        for person in people:
            mine = [one for one in past if one.chat == chat(person)]
            assert [one.text for one in mine] == [f"{person} {number}" for number in range(100)]
        assert {(one.source, one.from_me) for one in past} == {("history", False)}
        assert len(await phone.messages()) == 20
        assert past[0].at == LONG_AGO


async def _count(phone: Device, count: int) -> bool:
    return len(await phone.messages()) == count


@pytest.mark.parametrize("inline", [False, True], ids=["file", "inline"])
async def test_what_is_here_already_stays_as_it_is(
    simulator: Simulator, tmp_path: Path, inline: bool
) -> None:
    """Messages that arrived, settled ones too; messages sent from here; and the same history again."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        arrived = [
            (await simulator.say(CONTACT, ACCOUNT, text))["id"] for text in ("first", "second")
        ]
        await until(lambda: _count(phone, 2))
        (first, _) = await phone.messages()
        await phone.engine.settle([first.key])
        await phone.send(1, "from here")
        messages = [
            said("from the phone", 1),
            said("other words", 2, id=arrived[0]),
            said("other words", 3, id=arrived[1]),
            said("from here", 4, id=message_id(1), from_me=True),
            said("from my pocket", 5, from_me=True),
        ]
        for count in (1, 2):
            made = await simulator.history(
                conversations=[{"chat": CONTACT, "messages": messages}], inline=inline
            )
            messages = [
                {**one, "id": number} for one, number in zip(messages, made["ids"], strict=True)
            ]
            await history_stored(simulator, phone, count)
            past = await phone.past()
            assert [(one.text, one.from_me) for one in past] == [
                ("from the phone", False),
                ("from my pocket", True),
            ]
            assert [one.text for one in await phone.messages()] == ["second"]


async def test_kinds_names_and_groups(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        group = await simulator.group(CONTACT, ACCOUNT, BEN)
        await simulator.history(type="push_name", pushnames={BEN: "Ben"})
        await history_stored(simulator, phone)
        made = await simulator.history(
            addressing="lid",
            conversations=[
                {
                    "chat": group,
                    "messages": [
                        said("in the group", 1, **{"from": BEN}),
                        said("and I", 2, from_me=True),
                        {"type": "image", "size": 100, "at": LONG_AGO + 3, "from": CONTACT},
                    ],
                }
            ],
        )
        await history_stored(simulator, phone, 2)
        one, mine, image = await phone.past()
        assert (one.chat, one.sender, one.push_name) == (group, chat(BEN), "Person 0003")
        assert phone.engine._session.push_names.find(chat(BEN)) == "Ben"  # for one without its own
        assert (mine.sender, mine.from_me, mine.message_id) == (chat(ACCOUNT), True, made["ids"][1])
        assert isinstance(decode(image.content or ""), Image)
        await phone.engine.settle([one.key, mine.key, image.key])
        (file,) = await phone.files()
        assert (file.message_id, file.error) == (image.message_id, "media_not_fetched")
        # A reaction to a message of the phone's is for that one, though its id could be ours.
        target = Target(mine.message_id, chat(ACCOUNT))
        await phone.engine.send(SendRequest(message_id(1), group, Reaction(target, "👍")))
        item = await until(lambda: _reaction(simulator))
        assert item["content"]["target"]["id"] == mine.message_id


async def _reaction(simulator: Simulator) -> dict[str, Any] | None:
    items = await simulator.inbox(BEN)
    return next((one for one in items if one["type"] == "reaction"), None)


async def test_a_placeholder_is_filled(simulator: Simulator, tmp_path: Path) -> None:
    """A message that could not be read, and its content in the phone's history."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        number = (await simulator.say(CONTACT, ACCOUNT, "opens"))["id"]
        await until(lambda: _count(phone, 1))
        session = phone.engine._session
        async with session.transaction():
            session.inbox.add(
                chat=chat(CONTACT),
                sender=chat(CONTACT),
                message_id="UNREAD",
                at=LONG_AGO,
                type="undecryptable",
                text=None,
            )
        await simulator.history(
            conversations=[
                {
                    "chat": CONTACT,
                    "messages": [said("read at last", 1, id="UNREAD"), said("x", 2, id=number)],
                }
            ]
        )
        await history_stored(simulator, phone)
        (past,) = await phone.past()
        assert (past.text, past.at, past.message_id) == ("read at last", LONG_AGO, "UNREAD")
        assert [one.text for one in await phone.messages()] == ["opens"]


def files(directory: Path) -> set[Path]:
    """Returns the files of the simulator's media servers."""
    found = (directory / "simulator").rglob("*")
    return {one for one in found if one.is_file() and ".db" not in one.name}


async def test_a_file_that_cannot_be_had_now_holds_nothing_up(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await until(lambda: _idle(simulator))
    kept = files(tmp_path)
    await simulator.history(conversations=[long_talk(BEN, 3)])
    (lost,) = files(tmp_path) - kept
    aside = lost.rename(tmp_path / "aside")
    await simulator.history(conversations=[long_talk(CONTACT, 3)])
    measured = Measured()
    async with device(simulator, tmp_path, epoch=2) as phone:
        await history_stored(simulator, phone)
        assert [one.chat for one in await phone.past()] == [chat(CONTACT)] * 3
        assert phone.engine.counts["history.put_off"] >= 1
        assert measured.rise(OWN_MISTAKES, action="history.put_off") == 0
        aside.rename(lost)
        await history_stored(simulator, phone, 2)
        assert len(await phone.past()) == 6
        await until(lambda: phone.engine._session.history_syncs.next_at() is None)


async def _stored(phone: Device, count: int) -> bool:
    return len(await phone.past()) == count
