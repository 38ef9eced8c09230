"""The name that strangers see, and the addresses of groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Simulator,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "15550100003"


async def reached(simulator: Simulator, text: str) -> bool:
    return text in [one["text"] for one in await simulator.inbox(CONTACT)]


async def test_strangers_see_a_name(simulator: Simulator, tmp_path: Path) -> None:
    """It is that of a presence, which tells it once the account's phone has said it."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "nameless")
        await until(lambda: reached(simulator, "nameless"))
        await simulator.phone_says(CONTACT, "by phone")
        await until(phone.messages)
        await phone.send(2, "hello")
        await until(lambda: reached(simulator, "hello"))
        names = {one["text"]: one["name"] for one in await simulator.inbox(CONTACT)}
        assert names["hello"] == names["by phone"] not in ("", "-")
        # whatsmeow may have learnt it from the settings that the phone shares after the pairing.
        assert names["nameless"] in ("-", names["hello"])


async def test_groups_are_asked_for_by_their_jid(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        group = await simulator.group(CONTACT, ACCOUNT, OTHER)
        assert [one.chat for one in await phone.engine.administration.groups.all()] == [group]


async def test_a_stale_addressing_mode_is_mended_and_the_message_sent_again(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Error 421: the group is asked for once more, and the message goes under its id."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        group = await simulator.group(CONTACT, ACCOUNT, OTHER)
        await phone.send(1, "by lid", to=group)
        await simulator.readdress(group, "pn")
        await phone.send(2, "by number", to=group)
        await until(lambda: reached(simulator, "by number"))
        texts = [one["text"] for one in await simulator.inbox(CONTACT)]
        assert texts == ["by lid", "by number"]
