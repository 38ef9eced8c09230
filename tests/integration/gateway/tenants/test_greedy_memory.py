"""A tenant that has Redis, or the spool, keep all that it takes leaves another its part (G12, G13)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis import Redis

from tests.integration.gateway.served import OTHER, SHOP, Gateway
from tests.integration.gateway.tenants.conftest import CONNECTIONS, key_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.valkey import Valkey

TO = "15550100002"
LONG = "w" * 60_000
ROOM = 64 * 2**20
"""Of it more than half takes longer than a second to fill: as long as a gateway does not look."""
AT_MOST = 1000


def test_memory(own_valkey: Valkey, tmp_path: Path) -> None:
    """As with the defaults on a machine of 2 GB: what one connection may have is all that there is."""
    with Redis.from_url(own_valkey.settings().redis_address) as redis:
        told: Any = redis.info("memory")
    limits = {"max_redis_memory": told["used_memory"] + ROOM, "max_connections": CONNECTIONS}
    with Gateway(tmp_path / "gateway", own_valkey, **limits) as gateway:
        for connection in (SHOP, OTHER):
            gateway.connect(connection)
        with key_of(gateway, "shop") as greedy, key_of(gateway, "other") as modest:
            body = {"connection": "shop", "to": TO, "text": LONG}
            for _ in range(AT_MOST):
                answer = greedy.post("/api/messages", json=body)
                if answer.status_code != 202:
                    break
            gateway.until(lambda: greedy.post("/api/messages", json=body).status_code != 202, 5)
            refused = greedy.post("/api/messages", json=body)
            assert (refused.status_code, refused.json()["code"]) == (503, "redis_full")
            body = {"connection": "other", "to": TO, "text": "hello"}
            assert modest.post("/api/messages", json=body).status_code == 202


def test_spool(own_valkey: Valkey, tmp_path: Path) -> None:
    """While Redis is away: of ten places each connection has one, and five go in the order of arrival."""
    limits = {"spool_limit": 10, "max_connections": CONNECTIONS}
    with Gateway(tmp_path / "gateway", own_valkey, **limits) as gateway:
        for connection in (SHOP, OTHER):
            gateway.connect(connection)
        with key_of(gateway, "shop") as greedy, key_of(gateway, "other") as modest:
            own_valkey.kill()
            body = {"connection": "shop", "to": TO, "text": "hello"}
            answers = [greedy.post("/api/messages", json=body) for _ in range(12)]
            assert [each.status_code for each in answers] == [202] * 6 + [503] * 6
            assert answers[-1].json()["code"] == "spool_unavailable"
            assert int(answers[-1].headers["retry-after"]) > 0
            body = {"connection": "other", "to": TO, "text": "hello"}
            accepted = modest.post("/api/messages", json=body)
            assert accepted.status_code == 202
            own_valkey.start()
            path = f"/api/messages/{accepted.json()['id']}"
            gateway.until(lambda: modest.get(path).json().get("status") == "queued", 20)
            body = {"connection": "shop", "to": TO, "text": "room again"}
            gateway.until(lambda: greedy.post("/api/messages", json=body).status_code == 202, 20)
