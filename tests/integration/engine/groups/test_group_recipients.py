"""G10: a group's message is encrypted again for those whom it was for, and for nobody else."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.integration.engine.groups.test_groups import (
    ANN,
    CARA,
    _reads,
    in_group,
    reached,
    settled,
)
from tests.integration.engine.simulated import Device, Simulator, device, message_id, until

if TYPE_CHECKING:
    from pathlib import Path


async def deliveries(simulator: Simulator, member: str, number: int) -> int:
    """Returns how often a message of the account came to a member."""
    items = await simulator.inbox(member)
    return sum(one["deliveries"] for one in items if one["id"] == message_id(number))


async def came(simulator: Simulator, member: str, number: int, times: int) -> bool:
    return await deliveries(simulator, member, number) == times


@pytest.mark.parametrize("addressing", ["lid", "pn"])
async def test_a_member_who_was_missed_at_first_may_ask_again(
    simulator: Simulator, tmp_path: Path, addressing: str
) -> None:
    """WhatsApp's `phash` tells that the list of members was not the newest; the message is hers all the same."""
    async with in_group(simulator, tmp_path, addressing) as (phone, group):
        await until(lambda: phone.engine.counts["notification.group"] == 1)
        await phone.send(1, "before", to=group)
        await simulator.members(group, add=[CARA], by=ANN, notify=False)
        await phone.send(2, "welcome", to=group)
        await until(partial(_reads, simulator, CARA, group, ["welcome"]))
        await only_asks_for(simulator, phone, group, "welcome")
        assert await deliveries(simulator, ANN, 2) == 1, "who was reached at first gets it once"
        await phone.send(3, "and on", to=group)
        await until(partial(_reads, simulator, CARA, group, ["welcome", "and on"]))
        told = phone.engine.counts["recipients.noted"]
        assert told == 1, "both know the same members again"


async def test_a_member_whom_the_session_does_not_know_may_ask_again(
    simulator: Simulator, tmp_path: Path
) -> None:
    """The program of a new start asks who is in a group, where the session has a list from before."""
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        await until(lambda: phone.engine.counts["notification.group"] == 1)
        await phone.send(1, "before", to=group)
        await settled(simulator)
    await simulator.members(group, add=[CARA], by=ANN, notify=False)
    async with device(simulator, tmp_path, 2) as phone:
        await asyncio.wait_for(phone.opened.wait(), 10)
        await phone.send(2, "welcome", to=group)
        await until(partial(_reads, simulator, CARA, group, ["welcome"]))
        await only_asks_for(simulator, phone, group, "welcome")


async def only_asks_for(simulator: Simulator, phone: Device, group: str, text: str) -> None:
    """Cara gets message 2, which has this text, once more, and not message 1."""
    await settled(simulator)  # she may have asked for it before it came
    before, refusals = await deliveries(simulator, CARA, 2), refused(phone)
    await simulator.retry(group, CARA, message_id(1))
    await until(lambda: refused(phone) == refusals + 1)
    await simulator.retry(group, CARA, message_id(2))
    await until(partial(came, simulator, CARA, 2, before + 1))
    assert await reached(simulator, CARA, group) == [text]
    await settled(simulator)


def refused(phone: Device) -> int:
    return phone.engine.counts["resend.unknown"] + phone.engine.counts["resend.lost"]
