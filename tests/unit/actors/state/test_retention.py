"""History is kept for its time and no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from actors.health.alerts import Alert
from actors.state.documents import BATCH_LIMIT, HEALTH_ALERTS, MESSAGES, RECOVERY_ACTIONS, Write
from actors.state.recovery import noting, recovery_action
from actors.state.retention import Retention
from actors.state.sqlite import SqliteDocuments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.state.documents import Documents

NOW, KEEP = 1_000_000.0, 1000.0


@pytest_asyncio.fixture
async def documents(tmp_path: Path) -> AsyncIterator[Documents]:
    store = SqliteDocuments(tmp_path / "state.db")
    yield store
    await store.close()


def action(age: float) -> Write:
    return noting(
        recovery_action(role="root", action="restarted", cause="crashed", at=NOW - age, seconds=0)
    )


def alert(name: str, raised: float, cleared: float | None) -> Write:
    return Alert(name, None, "warning", "A sentence.", raised, cleared).write


async def left(documents: Documents, collection: str) -> set[float]:
    return {NOW - item["at"] for item in (await documents.query(collection)).items}


async def test_what_ended_long_ago_goes(documents: Documents) -> None:
    old, recent = NOW - KEEP - 1, NOW - KEEP + 1
    await documents.batch(
        [
            action(KEEP + 1),
            action(KEEP - 1),
            alert("over", old, old),
            alert("over_lately", old - 1, recent),
            alert("active", old - 2, None),
            alert("recent", recent, recent),
            Write("set", MESSAGES, "shop.1", {"at": 1.0}),
        ]
    )
    retention = Retention(documents, KEEP, clock=lambda: NOW)
    assert await retention.prune() == 2
    assert await left(documents, RECOVERY_ACTIONS) == {KEEP - 1}
    assert await left(documents, HEALTH_ALERTS) == {KEEP + 2, KEEP + 3, KEEP - 1}
    assert await left(documents, MESSAGES) == {NOW - 1}
    assert await retention.prune() == 0


async def test_more_than_a_batch_goes_in_one_round(documents: Documents) -> None:
    writes = [action(KEEP + 1 + age) for age in range(2 * BATCH_LIMIT + 3)]
    for begin in range(0, len(writes), BATCH_LIMIT):
        await documents.batch(writes[begin : begin + BATCH_LIMIT])
    assert await Retention(documents, KEEP, clock=lambda: NOW).prune() == len(writes)
    assert await left(documents, RECOVERY_ACTIONS) == set()
