"""G3, G5: an engine is killed at each step while a group talks, and another goes on."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.integration.engine.groups.test_groups import ANN, BEN, has, in_group, reached, settled
from tests.integration.engine.recovery.owner.test_crash import died, start
from tests.integration.engine.simulated import Device, Simulator, device, message_id, until

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 6


async def prepared(simulator: Simulator, directory: Path, *, talked: bool) -> str:
    """A group; with `talked` all have each other's keys."""
    async with in_group(simulator, directory, "lid") as (phone, group):
        if talked:
            await phone.send(0, "opens", to=group, space=9)
            for member in (ANN, BEN):
                await simulator.say(member, group, f"{member} opens")
                await until(partial(has, phone, f"{member} opens"))
        await settled(simulator)
        await phone.settle_all()
    return group


async def goes_on(simulator: Simulator, phone: Device, group: str) -> None:
    """Both ways, and nothing waits at WhatsApp."""
    await phone.send(0, "later out", to=group, space=8)
    for member in (ANN, BEN):
        await simulator.say(member, group, f"{member} later")
        await until(partial(has, phone, f"{member} later"))
        await until(partial(_has_reached, simulator, member, group, "later out"))
    await settled(simulator)


async def _has_reached(simulator: Simulator, member: str, group: str, text: str) -> bool:
    return text in await reached(simulator, member, group)


@pytest.mark.parametrize(
    ("point", "talked"),
    [
        ("before_group_commit", False),
        ("before_group_commit", True),
        ("before_ack", True),
        ("after_ack", False),
    ],
)
async def test_what_a_group_said_is_there_once(
    simulator: Simulator, tmp_path: Path, point: str, talked: bool
) -> None:
    group = await prepared(simulator, tmp_path, talked=talked)
    for number in range(COUNT):
        await simulator.say(ANN if number % 2 else BEN, group, f"in {number}")
    child = start(simulator, tmp_path, point, at=2, sends=[], batch=2)
    try:
        await died(child, tmp_path)
    finally:
        child.kill()
        child.wait()
    async with device(simulator, tmp_path, epoch=3) as phone:
        await until(partial(has, phone, *(f"in {number}" for number in range(COUNT))))
        texts = sorted(one.text or "" for one in await phone.messages())
        assert texts == [f"in {number}" for number in range(COUNT)]
        assert phone.engine.counts["message.asked_for"] == 0
        await goes_on(simulator, phone, group)


@pytest.mark.parametrize(
    ("point", "talked"),
    [
        ("before_ratchet_commit", False),
        ("before_bytes_leave", False),
        ("before_bytes_leave", True),
        ("after_bytes_left", False),
        ("after_bytes_left", True),
    ],
)
async def test_what_is_sent_to_a_group_is_read_once_by_each(
    simulator: Simulator, tmp_path: Path, point: str, talked: bool
) -> None:
    """The same id goes again, as the queue does it; nobody has to ask for what they cannot read."""
    group = await prepared(simulator, tmp_path, talked=talked)
    sends = [(message_id(number), group, f"out {number}") for number in range(COUNT)]
    # The first of all brings the key, or dies with it.
    child = start(simulator, tmp_path, point, at=2 if talked else 1, sends=sends, batch=2)
    try:
        await died(child, tmp_path)
    finally:
        child.kill()
        child.wait()
    async with device(simulator, tmp_path, epoch=3) as phone:
        await asyncio.wait_for(phone.opened.wait(), 20)
        for number in range(COUNT):
            await phone.send(number, f"out {number}", to=group)
        expected = [f"out {number}" for number in range(COUNT)]
        for member in (ANN, BEN):
            await until(partial(_reads, simulator, member, group, expected))
        assert phone.engine.counts["resend.resent"] == 0
        await goes_on(simulator, phone, group)


async def _reads(simulator: Simulator, member: str, group: str, expected: list[str]) -> bool:
    texts = await reached(simulator, member, group)
    return sorted(text for text in texts if text.startswith("out")) == expected
