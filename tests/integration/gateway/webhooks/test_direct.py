"""MESSAGE_QUEUE_ENABLED=false: sent while the caller waits, or not at all; nothing is left over."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from actors.runtime import host_identity
from tests.integration.gateway.served import SHOP, Gateway
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OWNER = Owner("connection:test", os.getpid(), host_identity.here())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as started:
        yield started


@pytest.fixture(scope="module")
def direct(server: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    data = tmp_path_factory.mktemp("direct")
    with Gateway(data, server, message_queue_enabled=False) as gateway:
        gateway.connect()
        yield gateway


def body(text: str, **more: Any) -> dict[str, Any]:
    return {"connection": "shop", "to": "15550100002", "text": text, **more}


def act(gateway: Gateway, how: Callable[[OutboundQueue, int], Any]) -> Any:
    """Runs a step of a ConnectionActor on the queue."""

    async def acting() -> Any:
        redis = connect(gateway.settings)
        try:
            lease = await Leases(redis).take(SHOP, OWNER)
            return await how(OutboundQueue(redis, gateway.settings), lease.epoch)
        finally:
            await redis.aclose()

    return asyncio.run(acting())


async def claimed(lanes: OutboundQueue, epoch: int) -> str:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        claim = await lanes.claims.claim(SHOP, epoch, 10, time.time())
        if claim.jobs:
            return str(claim.jobs[0].id)
        await asyncio.sleep(0.02)
    raise AssertionError("nothing to claim")


async def sends(lanes: OutboundQueue, epoch: int) -> None:
    now = time.time()
    await lanes.claims.complete(SHOP, epoch, await claimed(lanes, epoch), at=now, now=now)


def test_the_answer_comes_when_it_is_sent(direct: Gateway) -> None:
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(direct.api.post, "/api/messages", json=body("now"))
        act(direct, sends)
        answer = asking.result()
    assert (answer.status_code, answer.json()["status"]) == (200, "sent")


def test_what_is_not_sent_in_time_is_cancelled_and_said(direct: Gateway) -> None:
    answer = direct.api.post("/api/messages?wait=1", json=body("nobody sends this"))
    assert (answer.status_code, answer.json()["code"]) == (503, "not_sent")
    queue = direct.api.get("/api/queue").json()
    assert [queue[count] for count in ("waiting", "active", "delayed", "dead")] == [0, 0, 0, 0]


def test_what_is_on_its_way_is_not_taken_back(direct: Gateway) -> None:
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(direct.api.post, "/api/messages?wait=1", json=body("slowly"))

        async def slowly(lanes: OutboundQueue, epoch: int) -> None:
            identity = await claimed(lanes, epoch)
            await asyncio.sleep(1.2)
            await lanes.claims.complete(SHOP, epoch, identity, at=time.time(), now=time.time())

        act(direct, slowly)
        answer = asking.result()
    assert (answer.status_code, answer.json()["status"]) == (200, "sent")


def test_nothing_is_sent_later(direct: Gateway) -> None:
    answer = direct.api.post("/api/messages", json=body("later", send_at="2099-01-01T00:00:00Z"))
    assert (answer.status_code, answer.json()["code"]) == (422, "queue_disabled")


def test_without_redis_nothing_is_kept(direct: Gateway, server: Valkey) -> None:
    server.kill()
    try:
        answer = direct.api.post("/api/messages", json=body("to a Redis that is away"))
        assert (answer.status_code, answer.json()["code"]) == (503, "redis_away")
        assert answer.json()["uncertain"]
    finally:
        server.start()

    def again() -> bool:
        answer = direct.api.post("/api/messages?wait=1", json=body("nobody sends this either"))
        return bool(answer.json()["code"] == "not_sent")

    direct.until(again, 20)
