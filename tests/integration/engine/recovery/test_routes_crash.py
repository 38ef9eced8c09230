"""G2, G3: killed at each step of a message that WhatsApp refuses by LID and takes by number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.engine.recovery.owner.test_crash import died, prepare, start
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Simulator,
    chat,
    device,
    message_id,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("point", "at", "left"),
    [
        pytest.param("before_ratchet_commit", 2, "lid", id="refused, and nothing followed"),
        pytest.param("before_bytes_leave", 2, "number", id="on disk, and not sent"),
        pytest.param("after_bytes_left", 2, "number", id="sent"),
        pytest.param("before_numbers_are_kept", 1, "number", id="acknowledged"),
    ],
)
async def test_the_next_owner_sends_it_once_more_and_it_is_there_once(
    simulator: Simulator, tmp_path: Path, point: str, at: int, left: str
) -> None:
    await simulator._call("POST", f"/accounts/{ACCOUNT}", tells_migrated=False)
    await prepare(simulator, tmp_path, talked=True)
    before = len(await simulator.inbox(CONTACT))
    refused = await simulator.fault("error_acks", code=400, count=1)
    sends = [(message_id(1), chat(CONTACT), "once")]
    child = start(simulator, tmp_path, point, at=at, sends=sends)
    await died(child, tmp_path)
    assert await simulator.struck(refused) == 1
    if left == "lid":
        await simulator.fault("error_acks", code=400, count=1)
    async with device(simulator, tmp_path, epoch=3) as phone:
        await until(phone.opened.is_set)
        assert phone.engine._session.sent.wire(chat(CONTACT), message_id(1)) == left
        await phone.send(1, "once")
        await phone.send(2, "next")

        async def there() -> bool:
            items = (await simulator.inbox(CONTACT))[before:]
            return [(one["id"], one["text"]) for one in items] == [
                (message_id(1), "once"),
                (message_id(2), "next"),
            ]

        await until(there)
        assert phone.engine._session.sent.wire(chat(CONTACT), message_id(1)) == "number"
