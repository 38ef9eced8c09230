"""Budgets outlive the root that kept them (G9)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest_asyncio

from actors.state.connections import Connections
from actors.state.documents import CONNECTIONS, StoreAway
from actors.state.sqlite.store import SqliteDocuments
from supervision.restarts.policy import Intensity, RestartRecords
from supervision.restarts.restart_budgets import FALLS_FIELD, RestartBudgets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    import pytest

    from actors.state.documents import Documents

LIMIT = 3


@pytest_asyncio.fixture
async def documents(tmp_path: Path) -> AsyncIterator[Documents]:
    documents = SqliteDocuments(tmp_path / "state.db")
    await Connections(documents).create("shop", id="shop")
    yield documents
    await documents.close()


def budgets(documents: Documents) -> RestartBudgets:
    return RestartBudgets(
        RestartRecords(Intensity(LIMIT, min_uptime=10), base=1.0, cap=8.0), documents
    )


async def written(budgets: RestartBudgets, documents: Documents, falls: int | None) -> None:
    """Let it write until the store has as many falls; None: no record."""
    running = asyncio.ensure_future(budgets.run())
    try:
        async with asyncio.timeout(5):
            while True:
                document = await documents.get(CONNECTIONS, "shop")
                known = (document or {}).get(FALLS_FIELD)
                if (None if known is None else len(known["at"])) == falls:
                    break
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_root_that_dies_gives_no_fresh_budget(documents: Documents) -> None:
    before = budgets(documents)
    for _ in range(LIMIT):
        before.fell("shop", 0.5)
    await written(before, documents, LIMIT)
    after = budgets(documents)
    assert after.delay("shop") == 0.0
    after.restore("shop", await documents.get(CONNECTIONS, "shop"))
    assert after.delay("shop") > 0.0
    assert not after.exhausted("shop")
    after.fell("shop", 0.5)
    assert after.exhausted("shop")


async def test_forgiven_is_forgiven_for_the_next_root_as_well(documents: Documents) -> None:
    before = budgets(documents)
    for _ in range(LIMIT + 1):
        before.fell("shop", 0.5)
    await written(before, documents, LIMIT + 1)
    before.forgive("shop")
    await written(before, documents, None)
    after = budgets(documents)
    after.restore("shop", await documents.get(CONNECTIONS, "shop"))
    assert not after.exhausted("shop")
    assert after.delay("shop") == 0.0


async def test_a_clock_that_was_set_back_makes_no_fall_of_tomorrow(documents: Documents) -> None:
    """A fall that seemed to lie ahead would never be over."""
    after = budgets(documents)
    tomorrow = time.time() + 86_400
    after.restore("shop", {FALLS_FIELD: {"at": [tomorrow] * (LIMIT + 1), "streak": 4}})
    record = after._lives.record("shop")
    assert record is not None
    assert max(record.falls) <= time.monotonic()
    assert after.exhausted("shop")


async def test_what_the_store_missed_is_written_once_it_is_back(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervision.restarts.restart_budgets.RETRY_PAUSE", 0.01)
    batch, refused = documents.batch, 0

    async def away(*of: object) -> object:
        nonlocal refused
        refused += 1
        if refused < 3:
            raise StoreAway
        real: Callable[..., object] = batch
        return await real(*of)  # type: ignore[misc]

    monkeypatch.setattr(documents, "batch", away)
    before = budgets(documents)
    before.fell("shop", 0.5)
    await written(before, documents, 1)
    assert refused == 3
