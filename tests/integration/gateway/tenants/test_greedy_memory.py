"""A tenant that has Redis keep all that it takes leaves another its part (G12, G13)."""

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
