"""Sends beyond what messages may take in Redis are refused before it is full, and nothing accepted is lost (G13)."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from redis import Redis

from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from tests.integration.gateway.acceptance.test_redis_wait import CHATS, claimed, send
from tests.integration.gateway.served import SHOP, Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from httpx import Response

    from tests.processes.valkey import Valkey

WORDS = "some words " * 90
LIMIT = 20_000


def ask(gateway: Gateway, text: str, key: str | None = None) -> Response:
    body = {"connection": "shop", "to": CHATS[0], "text": text}
    headers = {"Idempotency-Key": key} if key else {}
    return gateway.api.post("/api/messages", json=body, headers=headers)


def refused(answer: Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert int(answer.headers["retry-after"]) > 0
    whose = "connection" if status == 429 else "instance"
    setting = "QUEUE_MEMORY_PER_CONNECTION" if status == 429 else "MAX_REDIS_MEMORY"
    problem = answer.json()
    assert (problem["of"], problem["setting"]) == (whose, setting)
    assert problem["limit"] > 0
    assert WORDS not in answer.text


def mirrored(gateway: Gateway) -> None:
    """As the queue's actor says it once the state store has them."""

    async def run() -> None:
        redis = connect(gateway.settings)
        lanes = OutboundQueue(redis, gateway.settings)
        while records := await lanes.reader.changed(SHOP, 100):
            await lanes.reader.mirrored(SHOP, records)
        await lanes.close()
        await redis.aclose()

    asyncio.run(run())


@contextmanager
def full(gateway: Gateway) -> Iterator[Redis]:
    """Redis has no memory left; and some again afterwards."""
    with Redis.from_url(gateway.settings.redis_address, decode_responses=True) as redis:
        told: Any = redis.info("memory")
        redis.config_set("maxmemory", told["used_memory"] // 2)
        try:
            yield redis
        finally:
            redis.config_set("maxmemory", 0)


def test_a_connection_that_has_its_share_is_refused_and_no_other(
    own_valkey: Valkey, tmp_path: Path
) -> None:
    with Gateway(tmp_path / "gateway", own_valkey, queue_memory_per_connection=LIMIT) as gateway:
        gateway.connect()
        gateway.connect("other")
        first = ask(gateway, WORDS, "first")
        assert first.status_code == 202
        accepted = 1
        while (answer := ask(gateway, WORDS)).status_code == 202:
            accepted += 1
            assert accepted < 100
        refused(answer, 429, "queue_full")
        again = ask(gateway, WORDS, "first")
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
        elsewhere = {"connection": "other", "to": CHATS[0], "text": WORDS}
        assert gateway.api.post("/api/messages", json=elsewhere).status_code == 202
        assert claimed(gateway) == {CHATS[0]: [WORDS] * accepted}
        refused(ask(gateway, WORDS), 429, "queue_full")
        mirrored(gateway)
        assert ask(gateway, WORDS).status_code == 202


def test_a_full_redis_refuses_sends_and_loses_none_that_was_accepted(
    own_gateway: Gateway,
) -> None:
    texts = ["before"]
    first = ask(own_gateway, "before", "first")
    with full(own_gateway):
        for number in range(1_000):
            answer = ask(own_gateway, f"{number}")
            if answer.status_code != 202:
                break
            texts.append(f"{number}")
        refused(answer, 503, "redis_full")
        again = ask(own_gateway, "before", "first")
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
        health = own_gateway.api.get("/health").json()
        assert health["status"] == "degraded"
        assert "redis_full" in health["reasons"]
        assert health["redis"]["memory"] >= health["redis"]["memory_limit"] > 0
        metrics = own_gateway.api.get("/metrics").text
        assert "\nteimoso_redis_memory_bytes " in metrics
        assert 'teimoso_limits_reached_total{limit="QUEUE_MEMORY_PER_CONNECTION"} 0.0' in metrics
        assert 'teimoso_limits_reached_total{limit="MAX_REDIS_MEMORY"}' in metrics
        assert "\nteimoso_redis_memory_limit_bytes " in metrics
        assert '\nteimoso_queue_bytes{connection="shop"} ' in metrics
    own_gateway.until(lambda: ask(own_gateway, "probe").status_code == 202 or None, 10)
    send(own_gateway, "after")
    found = claimed(own_gateway)[CHATS[0]]
    assert [text for text in found if text != "probe"] == [*texts, "after"]


def test_a_limit_below_maxmemory(own_valkey: Valkey, tmp_path: Path) -> None:
    with Gateway(tmp_path / "gateway", own_valkey, max_redis_memory=1_000) as gateway:
        gateway.connect()
        gateway.until(lambda: ask(gateway, "no").status_code == 503 or None, 10)
        refused(ask(gateway, "no"), 503, "redis_full")
