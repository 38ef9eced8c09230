"""G5: messages that come without their content, at whatever step of asking for it the engine dies.

Each is there once, with its content; the phone is asked again for what may not have been asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.engine.recovery.owner.test_crash import died, goes_on, prepare, start
from tests.integration.engine.simulated import ACCOUNT, CONTACT, Simulator, device, until

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 6


@pytest.mark.parametrize(
    ("point", "at"),
    [
        ("before_placeholder_commit", 3),
        ("before_ack", 3),
        ("before_request_commit", 2),
        ("before_bytes_leave", 2),
        ("after_bytes_left", 2),
        ("before_content_commit", 2),
        ("before_answer_receipt", 2),
    ],
)
async def test_killed_while_asking_the_phone(
    simulator: Simulator, tmp_path: Path, point: str, at: int
) -> None:
    await prepare(simulator, tmp_path, talked=True)
    texts = [f"from ad {number}" for number in range(COUNT)]
    for text in texts:
        await simulator.say(CONTACT, ACCOUNT, text, unavailable="plain")
    await died(start(simulator, tmp_path, point, at=at, sends=[], batch=2), tmp_path)
    answered = (await simulator.account(ACCOUNT))["placeholder_resends"]
    print(f"{point}: {answered} of {COUNT} answered by the phone at the kill")
    assert answered < COUNT
    async with device(simulator, tmp_path, epoch=3) as phone:

        async def all_have_it() -> bool:
            return sorted(one.text or "" for one in await phone.messages()) == texts

        await until(all_have_it)
        assert await simulator.owed() == []
        await goes_on(simulator, phone)
    account = await simulator.account(ACCOUNT)
    assert account["retries"] == 0, "no sender was asked"
    assert COUNT <= account["placeholder_resends"] <= COUNT + 2, "what may have been lost alone"
