"""`teimoso doctor` about a Redis that it may not ask everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.redis.client import connect
from gateway.cli.doctor import _redis

if TYPE_CHECKING:
    from tests.valkey import Valkey


async def test_a_redis_that_forbids_config_is_a_finding(own_valkey: Valkey) -> None:
    settings = own_valkey.settings()
    answers, durable = await _redis(settings)
    assert (answers.result, durable.result) == ("ok", "ok")
    redis = connect(settings)
    await redis.execute_command("ACL", "SETUSER", "default", "-config")  # type: ignore[no-untyped-call]
    await redis.aclose()
    answers, durable = await _redis(settings)
    assert answers.result == "ok"
    assert durable.result == "warn"
    assert "appendfsync is not known" in durable.found
