"""G2: the engine is killed at each step of a retry receipt, and the next owner sends the message again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.integration.engine.recovery.owner.test_crash import died, goes_on, prepare, start
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    PATIENCE,
    Simulator,
    chat,
    device,
    message_id,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("request_", [1, 2])
@pytest.mark.parametrize(
    "point",
    [
        "before_retry_commit",
        "before_bytes_leave",
        "after_bytes_left",
        "before_receipt_ack",
        "after_receipt_ack",
    ],
)
async def test_killed_while_sending_again(
    simulator: Simulator, tmp_path: Path, point: str, request_: int
) -> None:
    """The first request is answered on the session that the contact lost, and so there is a second one."""
    await prepare(simulator, tmp_path, talked=False)
    async with device(simulator, tmp_path) as phone:
        await asyncio.wait_for(phone.opened.wait(), PATIENCE)
        await phone.send(0, "opening", space=9)
        await until(lambda: simulator.inbox(CONTACT))

        async def is_settled() -> bool:
            return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)

        await until(is_settled)
    await simulator.forget(CONTACT)
    # The message itself leaves before it is asked for.
    at = request_ + (point in ("before_bytes_leave", "after_bytes_left"))
    sends = [(message_id(0), chat(CONTACT), "lost")]
    await died(start(simulator, tmp_path, point, at=at, sends=sends), tmp_path)

    async def is_offline() -> bool:
        return not (await simulator.account(ACCOUNT))["online"]

    await until(is_offline)
    waiting = (await simulator.account(ACCOUNT))["unacknowledged"]
    print(f"{point}: {waiting} stanzas, receipts of any kind, in flight at the kill")
    assert waiting > 0

    async def is_read() -> bool:
        return "lost" in {one["text"] for one in await simulator.inbox(CONTACT)}

    async with device(simulator, tmp_path, epoch=3) as phone:
        await asyncio.wait_for(phone.opened.wait(), PATIENCE)
        await until(is_read)
        await goes_on(simulator, phone)
    assert [one["text"] for one in await simulator.inbox(CONTACT)].count("lost") == 1
