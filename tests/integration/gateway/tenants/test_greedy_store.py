"""A tenant that fills the state store with all that it sends and gets leaves another its part of the disk (G12, G13)."""

from __future__ import annotations

import asyncio
import math
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import pytest

from actors.runtime.limits.limit_uses import URGENT_SHARE
from actors.state.messages.removal import prune
from actors.state.open_store import open_documents
from actors.state.tenants.store_floor import StoreFloor
from tests.integration.gateway.files import reserve
from tests.integration.gateway.receiver import Receiver, add
from tests.integration.gateway.served import OTHER, SHOP, Gateway
from tests.integration.gateway.tenants.conftest import CONNECTIONS, key_of
from tests.integration.gateway.webhooks.stored_messages import SOON, store_messages
from tests.processes.small_disk import mount_small_disk
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.gateway.served import Api
    from tests.processes.valkey import Valkey

TO = "15550100002"
LONG = "w" * 15_000
BATCH = 10
AT_MOST = 200
"""Batches: as much as the disk has."""

NUMBERS = count(0, BATCH)

EACH = 4_000_000
LIMITS = {
    "connection": {"stored_bytes_per_connection": EACH},
    "instance": {"max_stored_bytes": 2 * EACH},
    "disk": {},
}
"""Of the disk nothing is set."""

REFUSALS = {
    "connection": (429, "store_full", "connection", "STORED_BYTES_PER_CONNECTION"),
    "instance": (503, "instance_limit_reached", "instance", "MAX_STORED_BYTES"),
    "disk": (503, "instance_limit_reached", "instance", "MAX_STORED_BYTES"),
}


@pytest.fixture(params=LIMITS)
def of(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def small(valkey: Valkey, tmp_path: Path, of: str) -> Iterator[Gateway]:
    """A gateway with a disk of 48 MB for itself, of which a quarter of 16 MB stays free."""
    flags = {"max_connections": CONNECTIONS, "webhook_url_private": True, "disk_reserve": 2**24}
    with (
        mount_small_disk(tmp_path / "gateway", megabytes=48),
        Gateway(tmp_path / "gateway", valkey, **flags, **LIMITS[of]) as started,
    ):
        for connection in (SHOP, OTHER):
            started.connect(connection)
        yield started


def arrive(gateway: Gateway, connection: str, first: int, more: str = "") -> list[str]:
    """Store messages as the StateManager does, with their events; their texts."""

    async def store() -> list[str]:
        documents = open_documents(gateway.settings)
        try:
            return await store_messages(documents, first, BATCH, connection, more=more)
        finally:
            await documents.close()

    return asyncio.run(store())


def fills(gateway: Gateway) -> int:
    """Have messages of the greedy one arrive until it has all; how many batches."""
    floor = StoreFloor.of(gateway.settings, connection=SHOP)
    for batch in range(AT_MOST):
        # The gateway looks once a second: what comes meanwhile would be beyond it.
        if floor.look():
            return batch
        arrive(gateway, SHOP, next(NUMBERS), LONG)
    raise AssertionError("it has no end")


async def forget(gateway: Gateway, connection: str) -> None:
    """Remove the messages of a connection, as retention does."""
    documents = open_documents(gateway.settings)
    try:
        assert await prune(documents, before=math.inf, letters=0, connection=connection)
    finally:
        await documents.close()


def has(receiver: Receiver, texts: list[str]) -> bool:
    return set(texts) <= set(receiver.texts)


def stored(metrics: str, name: str) -> float:
    """The bytes of a connection that a scrape shows."""
    series = f'teimoso_connection_stored_bytes{{connection="{name}"}} '
    (line,) = [each for each in metrics.splitlines() if each.startswith(series)]
    return float(line.removeprefix(series))


def send(caller: Api, name: str, **headers: str) -> tuple[int, dict[str, object]]:
    body = {"connection": name, "to": TO, "text": "hello"}
    answer = caller.post("/api/messages", json=body, headers=headers)
    if answer.status_code != 202:
        assert int(answer.headers["retry-after"]) > 0
    return answer.status_code, answer.json()


def test_stored_bytes(small: Gateway, of: str) -> None:
    with (
        key_of(small, "shop") as greedy,
        key_of(small, "other") as modest,
        Receiver() as receiver,
    ):
        hook = add(modest, receiver, connections=["other"])
        receiver.secrets.append(hook["secret"])
        first = send(greedy, "shop", **{"Idempotency-Key": "before"})
        assert fills(small) > 1
        small.until(lambda: send(greedy, "shop")[0] != 202, 10)
        status, problem = send(greedy, "shop")
        told = (status, problem["code"], problem["of"], problem["setting"])
        assert told == REFUSALS[of]
        assert str(problem["setting"]) in str(problem["detail"])
        assert send(greedy, "shop", **{"Idempotency-Key": "before"}) == first

        for _ in range(5):
            assert send(modest, "other")[0] == 202
            texts = arrive(small, OTHER, next(NUMBERS))
            until("its events arrive", partial(has, receiver, texts), SOON)
        assert send(modest, "other")[0] == 202

        def shown() -> bool:
            metrics = small.api.get("/metrics").text
            had = {name: stored(metrics, name) for name in ("shop", "other")}
            limit = f'teimoso_limits_reached_total{{limit="{problem["setting"]}"}}'
            share = f'teimoso_limit_used_ratio{{connection="shop",limit="{problem["setting"]}"}} '
            (line,) = [each for each in metrics.splitlines() if each.startswith(share)]
            full = float(line.removeprefix(share)) > URGENT_SHARE
            return limit in metrics and had["shop"] > had["other"] > 0 and full

        until("the metrics show both", shown, SOON)  # bytes are looked at once a second
        assert greedy.get("/api/messages", params={"connection": "shop"}).status_code == 200

        small.kill()
        small.start()
        fills(small)  # of a disk: the store's journal made room
        small.until(lambda: send(greedy, "shop")[0] == status, 10)
        if of == "disk":
            reserve(small, 0)
        else:
            asyncio.run(forget(small, SHOP))
        small.until(lambda: send(greedy, "shop")[0] == 202, 10)
