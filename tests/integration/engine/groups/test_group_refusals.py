"""Messages to a group that WhatsApp refuses."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from actors.connection.engine import SendError
from actors.connection.session import SESSION_FILE
from tests.integration.engine.groups.test_groups import ANN, in_group, reached
from tests.integration.engine.simulated import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.engine.simulated import Simulator


async def test_a_group_that_is_addressed_otherwise_now_gets_the_message_once(
    simulator: Simulator, tmp_path: Path
) -> None:
    """G3: under its id; who is in the group is asked for in between."""
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        await until(lambda: phone.engine.counts["notification.group"] == 1)
        await phone.send(1, "one", to=group)
        before = _fetched(tmp_path, group)
        fault = await simulator.fault("error_acks", code=421, count=1)
        await phone.send(2, "two", to=group)
        assert await simulator.struck(fault) == 1
        after = _fetched(tmp_path, group)
        assert after[group] > before[group], "they were asked for anew"
        await until(partial(_reads, simulator, group, ["one", "two"]))
        assert {one["deliveries"] for one in await simulator.inbox(ANN)} == {1}


async def test_a_group_whose_addressing_stays_stale_is_given_up(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with in_group(simulator, tmp_path, "lid") as (phone, group):
        await phone.send(1, "one", to=group)
        fault = await simulator.fault("error_acks", code=421, count=9)
        with pytest.raises(SendError) as refused:
            await phone.send(2, "two", to=group)
        assert (refused.value.code, refused.value.permanent) == ("group_addressing_stale", True)
        assert await simulator.struck(fault) == 2


def _fetched(directory: Path, group: str) -> dict[str, float]:
    """When the list of members was asked for last."""
    with closing(sqlite3.connect(directory / SESSION_FILE)) as file:
        rows = file.execute("SELECT chat, fetched_at FROM rosters WHERE chat = ?", (group,))
        return dict(rows.fetchall())


async def _reads(simulator: Simulator, group: str, texts: list[str]) -> bool:
    return await reached(simulator, ANN, group) == texts
