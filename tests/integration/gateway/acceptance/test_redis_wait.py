"""Sends while Redis is away: a short outage refuses none, a longer one says so; each is accepted once (G1, G3, G11)."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest

from actors.queue.outbound_queue import OutboundQueue
from actors.redis import keys
from actors.redis.client import connect, reach
from actors.redis.leases.leases import Leases, Owner
from gateway.acceptance.redis_wait import RedisWait
from tests.integration.gateway.served import SHOP, Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from httpx import Response

    from tests.processes.valkey import Valkey

CHATS = ("15550100002", "15550100003", "15550100004")
DAY = 24 * 3600
AGES = {"while it waits": 7 * DAY, "within the day": DAY - 60, "after a day": DAY}


def ask(gateway: Gateway, text: str, to: str = CHATS[0], key: str | None = None) -> Response:
    return gateway.api.post(
        "/api/messages",
        json={"connection": "shop", "to": to, "text": text},
        headers={"Idempotency-Key": key} if key else {},
    )


def send(gateway: Gateway, text: str, to: str = CHATS[0], key: str | None = None) -> str:
    answer = ask(gateway, text, to, key)
    assert answer.status_code == 202, answer.text
    identity: str = answer.json()["id"]
    return identity


def claimed(gateway: Gateway) -> dict[str, list[str]]:
    """The texts of each chat in the order in which a connection is given them."""

    async def run() -> dict[str, list[str]]:
        redis = connect(gateway.settings)
        lanes = OutboundQueue(redis, gateway.settings)
        try:
            epoch = (await Leases(redis).take(SHOP, Owner("connection:1", 7, "node"))).epoch
            texts: dict[str, list[str]] = {}
            sent: dict[str, float] = {}
            while jobs := (await lanes.claims.claim(SHOP, epoch, 100, sent=sent)).jobs:
                for job in jobs:
                    texts.setdefault(job.chat.partition("@")[0], []).append(job.text)
                sent = {job.id: 1.0 for job in jobs}
            return texts
        finally:
            await lanes.close()
            await redis.aclose()

    return asyncio.run(run())


def age(gateway: Gateway, seconds: float) -> None:
    """Mirror what changed, and have the host of the queue's upkeep have run for so many seconds since."""

    async def run() -> None:
        redis = connect(gateway.settings)
        lanes = OutboundQueue(redis, gateway.settings)
        await lanes.reader.mirrored(SHOP, await lanes.reader.changed(SHOP, 10))
        await redis.hincrbyfloat(keys.of(SHOP).counters, "uptime", seconds)
        await lanes.promote(SHOP)
        await lanes.close()
        await redis.aclose()

    asyncio.run(run())


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def test_a_restart_that_is_short_refuses_nobody(
    own_gateway: Gateway, own_valkey: Valkey, pool: ThreadPoolExecutor
) -> None:
    """G11."""
    send(own_gateway, "before")
    own_valkey.kill()
    asking = [pool.submit(ask, own_gateway, f"{number}") for number in range(12)]
    time.sleep(1)
    assert not any(each.done() for each in asking), "nobody waited"
    own_valkey.start()
    answers = [each.result() for each in asking]
    assert [each.status_code for each in answers] == [202] * 12
    before, *others = claimed(own_gateway)[CHATS[0]]
    assert (before, sorted(others, key=int)) == ("before", [*map(str, range(12))])


def test_what_waits_goes_on_in_its_order(
    own_gateway: Gateway, own_valkey: Valkey, pool: ThreadPoolExecutor
) -> None:
    """G4: what comes as Redis is back goes behind those that waited."""
    waiting = threading.Event()

    async def taken() -> list[str]:
        redis = connect(own_gateway.settings)
        wait = RedisWait(redis, own_gateway.settings)

        async def push(number: int) -> None:
            async with reach():
                await redis.rpush("taken", number)

        asking = [
            asyncio.create_task(wait.serve(SHOP, 1, partial(push, number))) for number in range(12)
        ]
        await asyncio.sleep(0.5)
        assert not any(each.done() for each in asking), "nobody waited"
        waiting.set()
        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*asking, wait.serve(SHOP, 1, partial(push, 12)))
        found = [str(each) for each in await redis.lrange("taken", 0, -1)]
        await wait.close()
        await redis.aclose()
        return found

    own_valkey.kill()
    result = pool.submit(lambda: asyncio.run(taken()))
    assert waiting.wait(10)
    own_valkey.start()
    assert result.result(30) == [*map(str, range(13))]


def test_an_outage_that_is_longer_refuses_and_loses_nothing(
    own_valkey: Valkey, tmp_path: Path
) -> None:
    with Gateway(tmp_path / "gateway", own_valkey, redis_wait=300) as gateway:
        gateway.connect()
        send(gateway, "before")
        own_valkey.kill()
        for key in (None, "order-1"):
            refused = ask(gateway, "during", key=key)
            problem = refused.json()
            assert (refused.status_code, problem["code"]) == (503, "redis_away")
            assert problem["uncertain"]
            assert "Idempotency-Key" in problem["detail"]
            assert int(refused.headers["retry-after"]) > 0
        own_valkey.start()
        gateway.until(lambda: ask(gateway, "during", key="order-1").status_code == 202, 10)
        assert claimed(gateway) == {CHATS[0]: ["before", "during"]}


def test_g3_a_redis_that_hangs_may_have_accepted(
    own_gateway: Gateway, own_valkey: Valkey, pool: ThreadPoolExecutor
) -> None:
    """Stopped in mid-call, its script may run later; the message is there once all the same."""
    send(own_gateway, "warm")
    own_valkey.signal(signal.SIGSTOP)
    try:
        asking = pool.submit(send, own_gateway, "hung")
        time.sleep(1.0)  # the call has failed, and was made again
        assert not asking.done()
    finally:
        own_valkey.signal(signal.SIGCONT)
    identity = asking.result()
    assert own_gateway.api.get(f"/api/messages/{identity}").json()["status"] == "queued"
    assert claimed(own_gateway) == {CHATS[0]: ["warm", "hung"]}


def plain(gateway: Gateway, valkey: Valkey, call: Callable[[], Response]) -> Response:
    del gateway, valkey
    return call()


def away(gateway: Gateway, valkey: Valkey, call: Callable[[], Response]) -> Response:
    """Ask while Redis is away, for longer than requests wait, and again once it is back."""
    valkey.kill()
    refused = call()
    assert (refused.status_code, refused.json()["code"]) == (503, "redis_away")
    valkey.start()
    gateway.until(lambda: gateway.api.get("/api/queue").status_code == 200, 10)
    return call()


def back(gateway: Gateway, valkey: Valkey, call: Callable[[], Response]) -> Response:
    """Have Redis come back in the middle of the request."""
    del gateway
    valkey.kill()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(call)
        time.sleep(0.3)
        assert not asking.done(), "it did not wait"
        valkey.start()
        return asking.result()


@pytest.mark.parametrize("outage", [plain, away, back])
@pytest.mark.parametrize("passed", AGES)
def test_a_key_and_body_that_come_again(
    own_valkey: Valkey,
    tmp_path: Path,
    passed: str,
    outage: Callable[[Gateway, Valkey, Callable[[], Response]], Response],
) -> None:
    """Until 24 hours after its end it is the same message, sent once; later a new one, really queued (G2)."""
    with Gateway(tmp_path / "gateway", own_valkey, redis_wait=1500) as gateway:
        gateway.connect()
        first = send(gateway, "once", key="order-1")
        left = {CHATS[0]: ["once"]}
        if passed != "while it waits":
            assert claimed(gateway) == left
            left = {}
        age(gateway, AGES[passed])
        again = outage(gateway, own_valkey, lambda: ask(gateway, "once", key="order-1"))
        ended, same = passed == "within the day", passed != "after a day"
        assert again.status_code == 202, again.text
        assert (again.json()["id"] == first) is same
        assert ("idempotency-replayed" in again.headers) is same
        status = gateway.api.get(again.headers["location"]).json()["status"]
        assert status == ("sent" if ended else "queued")
        other = ask(gateway, "other", key="order-1")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
        assert claimed(gateway) == (left if same else {CHATS[0]: ["once"]})


def test_keys_outlive_gateway_and_redis(own_gateway: Gateway, own_valkey: Valkey) -> None:
    first = send(own_gateway, "once", key="order-1")
    own_gateway.kill()
    own_valkey.kill()
    own_valkey.start()
    own_gateway.start()
    own_gateway.until(lambda: own_gateway.api.get("/health/ready").status_code == 200, 20)
    assert send(own_gateway, "once", key="order-1") == first
    assert claimed(own_gateway) == {CHATS[0]: ["once"]}
