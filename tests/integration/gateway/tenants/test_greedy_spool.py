"""A tenant that fills the spool while Redis is away takes no more of Redis than its budget (G13)."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from redis import Redis

from actors.queue.outbound_queue import OutboundQueue, Send
from actors.queue.spool.file import Spool
from actors.redis import keys
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from actors.state.documents import HEALTH_STATUS
from actors.state.open_store import open_documents
from tests.integration.gateway.served import OTHER, SHOP, Gateway
from tests.integration.gateway.tenants.conftest import CONNECTIONS, key_of
from tests.unlimited import UNLIMITED
from tests.waits import eventually

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from actors.queue.spool.rows import Spooled
    from tests.integration.gateway.served import Api
    from tests.processes.valkey import Valkey

TO, SECOND = "15550100002", "15550100003"
LONG = "w" * 60_000
BUDGET = 2**20
"""Of one connection; room for 16 of these texts."""
ROOM = 8 * 2**20
AT_MOST = 200


def send(caller: Api, connection: str, text: str, to: str = TO) -> httpx.Response:
    return caller.post("/api/messages", json={"connection": connection, "to": to, "text": text})


def fill(caller: Api) -> tuple[list[str], httpx.Response]:
    """Long sends until one is refused: the accepted ids, and the last answer."""
    accepted: list[str] = []
    for _ in range(AT_MOST):
        answer = send(caller, "shop", LONG)
        if answer.status_code != 202:
            break
        accepted.append(answer.json()["id"])
    return accepted, answer


def waiting(gateway: Gateway, connection: str) -> int:
    """The connection's sends in the spool."""
    with closing(sqlite3.connect(gateway.settings.spool_file)) as database:
        found = database.execute("SELECT count(*) FROM spool WHERE connection = ?", (connection,))
        (count,) = found.fetchone()
    return int(count)


def counted(valkey: Valkey) -> int:
    """The bytes that the greedy connection's messages count in Redis."""
    with Redis.from_url(valkey.settings().redis_address) as redis:
        found: Any = redis.hget(keys.of(SHOP).counters, "bytes")
    return int(found or 0)


def used(valkey: Valkey) -> int:
    with Redis.from_url(valkey.settings().redis_address) as redis:
        told: Any = redis.info("memory")
    return int(told["used_memory"])


def queued(caller: Api, identity: str) -> bool:
    return bool(caller.get(f"/api/messages/{identity}").json().get("status") == "queued")


def test_no_more_is_accepted_than_the_budget_of_the_connection(
    own_valkey: Valkey, tmp_path: Path
) -> None:
    limits = {"queue_memory_per_connection": BUDGET, "max_connections": CONNECTIONS}
    with Gateway(tmp_path / "gateway", own_valkey, **limits) as gateway:
        for connection in (SHOP, OTHER):
            gateway.connect(connection)
        with key_of(gateway, "shop") as greedy, key_of(gateway, "other") as modest:
            own_valkey.kill()
            accepted, refused = fill(greedy)
            assert (refused.status_code, refused.json().get("code")) == (429, "queue_full")
            assert refused.json()["setting"] == "QUEUE_MEMORY_PER_CONNECTION"
            assert int(refused.headers["retry-after"]) > 0
            assert len(accepted) > 10
            other = send(modest, "other", "hello")
            assert other.status_code == 202
            own_valkey.start()
            gateway.until(lambda: waiting(gateway, SHOP) + waiting(gateway, OTHER) == 0, 30)
            assert all(queued(greedy, each) for each in accepted), "G1"
            assert queued(modest, other.json()["id"])
            assert counted(own_valkey) <= BUDGET


def test_a_spool_that_is_nearly_full_is_reported(own_valkey: Valkey, tmp_path: Path) -> None:
    """While Redis is away, and no more once it is empty."""
    limits = {"spool_limit": 10, "max_connections": 1}
    with Gateway(tmp_path / "gateway", own_valkey, **limits) as gateway:
        gateway.connect(SHOP)
        assert send(gateway.api, "shop", "warm").status_code == 202
        own_valkey.kill()
        for number in range(5):
            assert send(gateway.api, "shop", str(number)).status_code == 202
        assert send(gateway.api, "shop", "one more").status_code == 202
        gateway.until(lambda: waiting(gateway, SHOP) == 6, 10)
        gateway.until(lambda: reported(gateway) == [], 20)
        for number in range(2):
            assert send(gateway.api, "shop", str(number)).status_code == 202
        nearly = [{"setting": "SPOOL_LIMIT", "used": 8, "size": 10}]
        gateway.until(lambda: reported(gateway) == nearly, 20)
        share = 'teimoso_limit_used_ratio{connection="",limit="SPOOL_LIMIT"} 0.8'
        gateway.until(lambda: share in gateway.api.get("/metrics").text, 20)
        own_valkey.start()
        gateway.until(lambda: waiting(gateway, SHOP) == 0, 30)
        gateway.until(lambda: reported(gateway) == [], 20)


def reported(gateway: Gateway) -> list[dict[str, Any]] | None:
    """Limits in the last report of the host's spool."""

    async def read() -> list[dict[str, Any]] | None:
        documents = open_documents(gateway.settings)
        try:
            found = (await documents.query(HEALTH_STATUS)).items
        finally:
            await documents.close()
        return next((each["limits"] for each in found if each["id"].startswith("spool.")), None)

    return asyncio.run(read())


def test_the_memory_of_redis_is_not_filled_for_another(own_valkey: Valkey, tmp_path: Path) -> None:
    """As with the defaults: one connection may have all that there is, until half of it is used."""
    limit = used(own_valkey) + ROOM
    limits = {"max_redis_memory": limit, "max_connections": CONNECTIONS}
    with Gateway(tmp_path / "gateway", own_valkey, **limits) as gateway:
        for connection in (SHOP, OTHER):
            gateway.connect(connection)
        gateway.until(lambda: "memory_limit_bytes" in gateway.api.get("/metrics").text, 20)
        with key_of(gateway, "shop") as greedy, key_of(gateway, "other") as modest:
            own_valkey.kill()
            accepted, refused = fill(greedy)
            assert (refused.status_code, refused.json().get("code")) == (503, "redis_full")
            assert len(accepted) > 10
            other = send(modest, "other", "hello")
            assert other.status_code == 202
            own_valkey.start()
            gateway.until(lambda: waiting(gateway, OTHER) == 0, 30)
            gateway.until(lambda: counted(own_valkey) > ROOM // 4, 30)
            assert queued(modest, other.json()["id"])
            assert all(queued(greedy, each) for each in accepted), "G1"
            assert used(own_valkey) < limit
            assert send(modest, "other", "and again").status_code == 202


def test_a_connection_over_its_budget_waits_in_the_spool_and_others_pass_it(
    own_valkey: Valkey, tmp_path: Path
) -> None:
    """G1, G4: as another gateway spooled it, say, before the budget was lowered."""
    limits = {"queue_memory_per_connection": BUDGET, "max_connections": CONNECTIONS}
    with Gateway(tmp_path / "gateway", own_valkey, **limits) as gateway:
        for connection in (SHOP, OTHER):
            gateway.connect(connection)
        texts = [f"{number:02} {LONG}" for number in range(50)]
        with key_of(gateway, "shop") as greedy, key_of(gateway, "other") as modest:
            *_, last = asyncio.run(_spooled(gateway, texts))
            gateway.until(lambda: waiting(gateway, OTHER) == 0, 30)
            assert queued(modest, last.record.id)
            gateway.until(lambda: counted(own_valkey) > BUDGET - 2 * len(LONG), 30)
            assert counted(own_valkey) <= BUDGET
            assert waiting(gateway, SHOP) > 20
            refused = send(greedy, "shop", "short", SECOND)
            assert (refused.status_code, refused.json().get("code")) == (429, "queue_full")
            assert send(modest, "other", "hello").status_code == 202
            arrived = asyncio.run(_sent(gateway, len(texts)))
    assert [text for text in arrived if text[:2] < "25"] == texts[:25]
    assert [text for text in arrived if text[:2] >= "25"] == texts[25:]


async def _spooled(gateway: Gateway, texts: list[str]) -> list[Spooled]:
    """Half of them in each of two chats, then one of the modest connection."""
    spool = Spool(gateway.settings.spool_file, UNLIMITED)
    sends = [
        Send(SHOP, f"{TO if number < len(texts) / 2 else SECOND}@s.whatsapp.net", text)
        for number, text in enumerate(texts)
    ]
    sends.append(Send(OTHER, f"{TO}@s.whatsapp.net", "behind them"))
    found = await asyncio.gather(*(spool.put(each) for each in sends))
    await spool.close()
    return [spooled for spooled, _ in found]


async def _sent(gateway: Gateway, count: int) -> list[str]:
    """Send and store what the queue has, until so many texts left it, in their order."""
    redis = connect(gateway.settings)
    lanes = OutboundQueue(redis, gateway.settings)
    epoch = (await Leases(redis).take(SHOP, Owner("connection:1", 7, "node"))).epoch
    texts: list[str] = []

    async def step() -> bool:
        for job in (await lanes.claim(SHOP, epoch, 10)).jobs:
            texts.append(job.text)
            await lanes.complete(SHOP, epoch, job.id, at=1.0)
        await lanes.mirrored(SHOP, await lanes.changed(SHOP, 100))
        return len(texts) >= count

    try:
        await eventually("all are sent", step, 60)
    finally:
        await lanes.close()
        await redis.aclose()
    return texts
