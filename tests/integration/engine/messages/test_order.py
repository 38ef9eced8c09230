"""The order of what could not be read at first: to who lists the store, and to the recipient."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.integration.engine.messages.addresses.test_lid_merge import drained, listed
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    UNTIL_PLACEHOLDER,
    Simulator,
    chat,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 8


pytestmark = pytest.mark.usefixtures("no_log_file")


@pytest.mark.parametrize("garbled", [1, 3, 0], ids=["one", "several", "one until its placeholder"])
async def test_what_was_resent_is_listed_where_it_first_came(
    simulator: Simulator, tmp_path: Path, garbled: int
) -> None:
    """Whether the store never saw it before, or has a placeholder in its place."""
    texts = [f"text {number}" for number in range(1, COUNT + 1)]
    async with (
        device(simulator, tmp_path) as phone,
        drained(phone, tmp_path) as documents,
    ):
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, texts[0])
        await until(lambda: phone.engine.counts["message.stored"] == 1)
        count = garbled or UNTIL_PLACEHOLDER
        fault = await simulator.fault("garble", count=count)
        if garbled:
            await simulator.say(CONTACT, ACCOUNT, "text", count=COUNT)
            texts = [texts[0], *texts]
        else:
            for text in texts[1:]:
                await simulator.say(CONTACT, ACCOUNT, text)
                await until(lambda: _struck(simulator, fault, count))
            texts[1] = "None"

        async def in_order() -> bool:
            return [str(one["text"]) for one in await listed(documents)] == texts

        await until(in_order)
        assert await simulator.struck(fault) == count
        found = await listed(documents, chat(CONTACT))
        assert len(found) == len(texts)
        await asyncio.sleep(0.2)
        assert await in_order()


async def _struck(simulator: Simulator, fault: int, count: int) -> bool:
    return await simulator.struck(fault) == count
