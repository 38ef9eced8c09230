"""Guarantees of all stores for the fence in `actors.state.fencing` (G6)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.state.documents import CONNECTIONS, MESSAGES, Write
from actors.state.fencing import Superseded, fence

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.state.documents import Document, Documents


def messages(epoch: int, count: int = 3) -> list[Write]:
    return [Write("create", MESSAGES, f"shop.{epoch}.{n}", {"epoch": epoch}) for n in range(count)]


async def stored(documents: Documents) -> set[int]:
    return {item["epoch"] for item in (await documents.query(MESSAGES)).items}


async def test_a_stale_epoch_writes_nothing_of_its_batch(documents: Documents) -> None:
    await documents.set(CONNECTIONS, "shop", {"fence": 2})
    with pytest.raises(Superseded):
        await documents.batch([fence("shop", 1), *messages(1)])
    await documents.batch([fence("shop", 2), *messages(2)])
    assert await stored(documents) == {2}


async def test_a_batch_that_fails_behind_its_fence_raises_no_epoch(documents: Documents) -> None:
    def fail(_: Document | None) -> Document:
        raise LookupError("decided against it")

    await documents.set(CONNECTIONS, "shop", {"fence": 1})
    with pytest.raises(LookupError):
        await documents.batch([fence("shop", 5), Write("change", MESSAGES, "x", change=fail)])
    assert await documents.get(CONNECTIONS, "shop") == {"id": "shop", "fence": 1}


async def test_once_a_newer_epoch_wrote_no_older_one_does_from_any_process(
    opened: Callable[[], Documents],
) -> None:
    """Each of several processes writes for epochs that overtake one another; none goes back."""
    stores = [opened() for _ in range(3)]
    order: list[int] = []

    async def write(epoch: int) -> None:
        try:
            await stores[epoch % 3].batch(
                [
                    fence("shop", epoch),
                    Write("change", "log", "shop", change=lambda d: _appended(d, epoch)),
                    *messages(epoch, 1),
                ]
            )
        except Superseded:
            order.append(-epoch)

    try:
        await stores[0].set(CONNECTIONS, "shop", {"fence": 0})
        await asyncio.gather(*(write(epoch) for epoch in range(1, 13)))
        log = await stores[0].get("log", "shop")
        assert log is not None
        assert log["epochs"] == sorted(log["epochs"]), "an older epoch wrote after a newer one"
        assert log["epochs"][-1] == 12
        assert await stored(stores[0]) == set(log["epochs"])
        assert {-epoch for epoch in order} == set(range(1, 13)) - set(log["epochs"])
        connection = await stores[0].get(CONNECTIONS, "shop")
        assert connection is not None
        assert connection["fence"] == 12
    finally:
        for store in stores:
            await store.close()


def _appended(document: dict[str, list[int]] | None, epoch: int) -> dict[str, list[int]]:
    return {"epochs": [*(document or {"epochs": []})["epochs"], epoch]}
