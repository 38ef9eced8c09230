"""Groups: both ways, who joins and who leaves, and what cannot be read at first.

The simulator is the oracle: its members decrypt for themselves.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from actors.connection.backup.restore import OLDER_DIRECTORY, put_in_place
from actors.connection.backup.session_snapshot import beside
from actors.connection.engine import SendError, SendRequest
from actors.connection.protocol.wire_format.nodes import proto
from actors.connection.session import SESSION_FILE
from actors.connection.whatsmeow import DATABASE, renew_session
from actors.messages.content import Delete, Edit, Quote, Reaction, Target, Text, decode
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
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.messages.content import Content

ANN, BEN, CARA = CONTACT, "15550100003", "15550100004"


@asynccontextmanager
async def in_group(
    simulator: Simulator, directory: Path, addressing: str
) -> AsyncIterator[tuple[Device, str]]:
    """A paired device in a group of Ann's, who has two devices, and of Ben's."""
    await simulator.link(ANN)
    async with device(simulator, directory) as phone:
        await pair(simulator, phone)
        group = await simulator.group(ANN, ACCOUNT, BEN, addressing=addressing)
        yield phone, group


async def reached(simulator: Simulator, number: str, group: str) -> list[str]:
    """Returns the texts that the account sent to a member in the group, in the order of arrival."""
    items = await simulator.inbox(number)
    return [one["text"] for one in items if one["group"] == group and one["from"] == ACCOUNT]


async def has(phone: Device, *texts: str) -> bool:
    return {one.text for one in await phone.messages()} >= set(texts)


async def settled(simulator: Simulator) -> None:
    async def idle() -> bool:
        return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)

    await until(idle)


async def test_both_ways_among_three_with_four_devices(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        for number in range(5):
            await simulator.say(ANN, group, f"ann {number}", device=number % 2)
            await simulator.say(BEN, group, f"ben {number}")
            await phone.send(number, f"out {number}", to=group)
        texts = [f"{who} {number}" for who in ("ann", "ben") for number in range(5)]
        await until(lambda: has(phone, *texts))
        for member in (ANN, BEN):
            await until(partial(_kinds, simulator, member, group, 5))
            assert await reached(simulator, member, group) == [f"out {n}" for n in range(5)]
        items = await simulator.inbox(ANN)
        ours = [one for one in items if one["from"] == ACCOUNT]
        assert [len(one["devices"]) for one in ours] == [2] * 5
        assert {one["deliveries"] for one in ours} == {1}
        heard = await phone.messages()
        assert {one.chat for one in heard} == {group}
        assert {one.text: one.sender for one in heard}["ben 3"] == chat(BEN)
        assert {one.text: one.sender for one in heard}["ann 3"] == chat(ANN)
        assert [one.text for one in heard if one.sender == chat(BEN)] == texts[5:]
        assert phone.engine.counts["message.asked_for"] == 0
        assert phone.engine.counts["resend.resent"] == 0
        await settled(simulator)


async def test_who_joined_reads_and_who_left_does_not(simulator: Simulator, tmp_path: Path) -> None:
    """The oracle: Cara's devices go on trying, and have no key for what came after her."""
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        await phone.send(1, "before", to=group)
        await simulator.members(group, add=[CARA])
        await simulator.say(CARA, group, "hello all")
        await until(lambda: has(phone, "hello all"))
        await phone.send(2, "welcome", to=group)
        await until(partial(_reads, simulator, CARA, group, ["welcome"]))
        key = _own_key(tmp_path, group)
        await simulator.members(group, remove=[CARA], by=ANN)
        await simulator.say(BEN, group, "without her")
        await until(lambda: has(phone, "without her"))
        await phone.send(3, "after", to=group)
        for member in (ANN, BEN):
            await until(partial(_reads, simulator, member, group, ["before", "welcome", "after"]))
        assert await reached(simulator, CARA, group) == ["welcome"]
        assert _own_key(tmp_path, group) != key
        await settled(simulator)


async def test_who_joined_later_gets_no_earlier_message(
    simulator: Simulator, tmp_path: Path
) -> None:
    """G10: a message is encrypted again for those alone whom it was for."""
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        await phone.send(1, "before", to=group)
        await simulator.members(group, add=[CARA], by=ANN)
        await until(lambda: phone.engine.counts["notification.group"] >= 2)
        await phone.send(2, "after", to=group)
        await until(partial(_reads, simulator, CARA, group, ["after"]))
        for number in (1, 2):  # the second one was for her, and shows that requests arrive
            await simulator.retry(group, CARA, message_id(number))
        await until(lambda: phone.engine.counts["resend.resent"] == 1)
        await settled(simulator)
        assert phone.engine.counts["resend.lost"] == 1
        assert await reached(simulator, CARA, group) == ["after"]


@pytest.mark.parametrize("whose", [ANN, ACCOUNT], ids=["a member's", "the account's"])
async def test_a_device_that_is_unlinked_takes_its_key_with_it(
    simulator: Simulator, tmp_path: Path, whose: str
) -> None:
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        gone = 1 if whose == ANN else await simulator.link(ACCOUNT)
        await settled(simulator)
        await phone.send(1, "one", to=group)
        key = _own_key(tmp_path, group)
        await phone.send(2, "two", to=group)
        assert _own_key(tmp_path, group) == key
        await simulator.unlink(gone, whose)
        await settled(simulator)
        await phone.send(3, "three", to=group)
        assert _own_key(tmp_path, group) != key
        await until(partial(_reads, simulator, ANN, group, ["one", "two", "three"]))


async def test_a_new_device_of_a_member_gets_the_key(simulator: Simulator, tmp_path: Path) -> None:
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        await phone.send(1, "one", to=group)
        await simulator.link(BEN)
        await settled(simulator)
        await phone.send(2, "two", to=group)
        await until(partial(_reads, simulator, BEN, group, ["one", "two"]))
        items = await simulator.inbox(BEN)
        assert [len(one["devices"]) for one in items if one["from"] == ACCOUNT] == [1, 2]


async def test_a_new_device_without_a_notification_gets_the_message(
    simulator: Simulator, tmp_path: Path
) -> None:
    """WhatsApp's `phash` tells of it, and the message at hand goes to it as well."""
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        await phone.send(1, "one", to=group)
        await simulator.link(BEN, notify=False)
        await phone.send(2, "two", to=group)
        await phone.send(3, "three", to=group)

        async def devices() -> bool:
            items = await simulator.inbox(BEN)
            ours = [len(one["devices"]) for one in items if one["from"] == ACCOUNT]
            return ours == [1, 2, 2]

        await until(devices)


async def test_a_hosted_device_gets_no_message_of_a_group(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        made = await simulator.control.post(f"/contacts/{BEN}/devices", json={"hosted": True})
        assert made.json() == {"device": 99}
        await settled(simulator)
        await phone.send(1, "one", to=group)
        await until(partial(_reads, simulator, BEN, group, ["one"]))
        assert [one["devices"] for one in await simulator.inbox(BEN)] == [[0]]
        await phone.send(2, "to the shop", to=chat(BEN))

        async def both() -> bool:
            return (await simulator.inbox(BEN))[-1]["devices"] == [0, 99]

        await until(both)


async def test_members_who_forgot_get_it_again(simulator: Simulator, tmp_path: Path) -> None:
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        await phone.send(1, "opens", to=group)
        for member in (ANN, BEN):
            await until(partial(_reads, simulator, member, group, ["opens"]))
            await simulator.forget(member)
        await phone.send(2, "once more", to=group)
        for member in (ANN, BEN):
            await until(partial(_reads, simulator, member, group, ["opens", "once more"]))
        # Each device asks twice: at first on the session that it has lost.
        await until(lambda: phone.engine.counts["resend.resent"] == 6)
        # The key came with it: what follows nobody has to ask for.
        await phone.send(3, "and on", to=group)
        for member in (ANN, BEN):
            await until(partial(_reads, simulator, member, group, ["opens", "once more", "and on"]))
        assert phone.engine.counts["resend.resent"] == 6


@pytest.mark.parametrize("notify", [True, False], ids=["told", "found out by a message"])
async def test_a_member_who_reinstalled_gets_another_key(
    simulator: Simulator, tmp_path: Path, notify: bool
) -> None:
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        await phone.send(1, "one", to=group)
        key = _own_key(tmp_path, group)
        await simulator.reinstall(BEN, notify=notify)
        if not notify:
            await simulator.say(BEN, group, "it is me")
            await until(lambda: has(phone, "it is me"))
        await settled(simulator)
        await phone.send(2, "two", to=group)
        assert _own_key(tmp_path, group) != key
        await until(partial(_reads, simulator, BEN, group, ["one", "two"]))
        await until(partial(_reads, simulator, ANN, group, ["one", "two"]))


async def test_delivered_and_read_are_reported_when_all_have_it(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        await simulator.contact(BEN, receipts="none")
        await phone.send(1, "one", to=group)
        await until(lambda: _steps(tmp_path, group) == {chat(ANN): 2, chat(BEN): 0})
        assert await phone.receipts() == []
        # A member who left is not waited for.
        await simulator.members(group, remove=[BEN], by=ANN)
        await until(phone.receipts)
        told = [(one.chat, one.message_ids, one.status) for one in await phone.receipts()]
        assert told == [(group, (message_id(1),), kind) for kind in ("delivered", "read")]


async def test_a_group_that_is_none_and_one_that_was_left(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        await phone.send(1, "one", to=group)
        await simulator.members(group, remove=[ACCOUNT], by=ANN)
        await until(lambda: phone.engine.counts["notification.group"] >= 2)
        for where, code in ((group, "not_in_group"), ("120363999999999999@g.us", "unknown_group")):
            with pytest.raises(SendError, match=code) as refused:
                await phone.send(2, "two", to=where)
            assert refused.value.permanent
            assert not refused.value.uncertain
        await simulator.members(group, add=[CARA], by=ANN)  # of which the account hears nothing
        await simulator.members(group, add=[ACCOUNT], by=ANN)
        await until(lambda: phone.engine.counts["notification.group"] >= 3)
        await phone.send(3, "three", to=group)
        await until(partial(_reads, simulator, BEN, group, ["one", "three"]))
        await until(partial(_reads, simulator, CARA, group, ["three"]))
        assert phone.engine.counts["resend.resent"] == 0


async def test_what_is_done_to_messages_of_a_group(simulator: Simulator, tmp_path: Path) -> None:
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        asked = (await simulator.say(BEN, group, "what do you think?"))["id"]
        await until(lambda: has(phone, "what do you think?"))
        await phone.send(1, "first", to=group)
        target = Target(asked, chat(BEN))
        ours: list[Content] = [
            Reaction(target, "👍"),
            Text("I do", reply_to=Quote(target, "what do you think?")),
            Edit(Target(message_id(1), None), "second"),
        ]
        for number, said in enumerate(ours, 2):
            await phone.engine.send(SendRequest(message_id(number), group, said, 5.25))
        plaintext = phone.engine._session.sent.plaintext(group, message_id(2))
        sent = proto.Message.FromString(plaintext)
        assert sent.reactionMessage.senderTimestampMs == 5250
        await until(partial(_kinds, simulator, ANN, group, 4))
        reaction, reply, edit = [
            one for one in await simulator.inbox(ANN) if one["from"] == ACCOUNT
        ][1:]
        assert reaction["content"]["target"]["id"] == asked
        assert reaction["content"]["target"]["participant"]
        assert not reaction["content"]["target"]["from_me"]
        assert reply["content"]["reply_to"]["id"] == asked
        assert edit["content"]["target"]["id"] == message_id(1)
        # And of theirs: whose message a reaction, a reply and a delete speak of.
        await simulator.says(ANN, group, type="reaction", target=message_id(1), text="🎉")
        await simulator.says(ANN, group, type="text", text="me too", reply_to=asked)
        await simulator.says(BEN, group, type="delete", target=asked)
        await until(lambda: _has_kinds(phone, "reaction", "delete"))
        await until(lambda: has(phone, "me too"))
        heard = {one.type: one for one in await phone.messages() if one.content}
        said_ = {kind: decode(one.content or "") for kind, one in heard.items()}
        assert said_["reaction"] == Reaction(Target(message_id(1), None), "🎉")
        assert said_["delete"] == Delete(target)
        answer = said_["text"]
        assert isinstance(answer, Text)
        assert answer.reply_to is not None
        assert answer.reply_to.target == target


async def test_a_former_admin_deletes_nothing_after_an_old_copy(
    simulator: Simulator, tmp_path: Path
) -> None:
    """WhatsApp tells once that somebody is no admin any more, which the copy has not heard."""
    restoring = tmp_path / "session.restoring"
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        await simulator.members(group, promote=[BEN], by=ANN)
        await until(lambda: phone.engine.counts["notification.group"] >= 2)
        await phone.send(1, "one", to=group)
    shutil.copy(tmp_path / SESSION_FILE, restoring)
    shutil.copy(tmp_path / DATABASE, beside(restoring, DATABASE))
    async with device(simulator, tmp_path, epoch=2) as phone:
        await simulator.members(group, demote=[BEN], by=ANN)
        await until(lambda: phone.engine.counts["notification.group"])
    await renew_session(restoring, 3)
    put_in_place(restoring, tmp_path / SESSION_FILE, 3, OLDER_DIRECTORY)
    async with device(simulator, tmp_path, epoch=3) as phone:
        said_ = (await simulator.say(ANN, group, "of hers"))["id"]
        await simulator.says(BEN, group, type="delete", target=said_)
        await simulator.say(ANN, group, "after it")
        await until(lambda: has(phone, "of hers", "after it"))
        assert not await _has_kinds(phone, "delete")
        await simulator.members(group, promote=[BEN], by=ANN)
        await until(lambda: phone.engine.counts["notification.group"])
        await simulator.says(BEN, group, type="delete", target=said_)
        await until(lambda: _has_kinds(phone, "delete"))


async def _reads(simulator: Simulator, member: str, group: str, texts: list[str]) -> bool:
    """Whether the member was sent these, each once, in whatever order those came again."""
    return sorted(await reached(simulator, member, group)) == sorted(texts)


async def _kinds(simulator: Simulator, member: str, group: str, count: int) -> bool:
    items = await simulator.inbox(member)
    return sum(one["group"] == group and one["from"] == ACCOUNT for one in items) == count


async def _has_kinds(phone: Device, *kinds: str) -> bool:
    return {one.type for one in await phone.messages()} >= set(kinds)


def _steps(directory: Path, group: str) -> dict[str, int]:
    with closing(sqlite3.connect(directory / SESSION_FILE)) as file:
        rows = file.execute("SELECT person, step FROM recipients WHERE chat = ?", (group,))
        return dict(rows.fetchall())


def _own_key(directory: Path, group: str) -> int:
    """The public key for signatures of the key under which the account encrypts for the group: the end of its record."""
    with closing(sqlite3.connect(directory / DATABASE)) as file:
        ((record,),) = file.execute(
            "SELECT sender_key FROM whatsmeow_sender_keys, whatsmeow_device WHERE chat_id = ?"
            " AND sender_id LIKE substr(lid, 1, instr(lid, ':') - 1) || '%'",
            (group,),
        )
    return int.from_bytes(record[-32:])
