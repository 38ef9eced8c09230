"""Checks for `teimoso doctor` that Redis answers, is no cluster, persists writes, has memory and the right time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from actors.redis.client import RedisAway, connect, durability, is_cluster, memory, reach
from actors.runtime.limits.limit_uses import ALERT_SHARE
from gateway.cli.doctor.check_result import fail, ok, warn
from gateway.cli.doctor.checks.clocks import skew

if TYPE_CHECKING:
    from actors.config.settings import Settings
    from actors.redis.client import RedisMemory
    from gateway.cli.doctor.check_result import CheckResult


async def redis(settings: Settings) -> list[CheckResult]:
    """Whether Redis answers, has memory left and is durable, and whether its clock is right."""
    client = connect(settings)
    where = _where(settings)
    try:
        async with reach():
            begun = time.perf_counter()
            await client.ping()
            took = (time.perf_counter() - begun) * 1000
            seconds, microseconds = await client.time()
        held = await memory(client, settings.max_redis_memory)
        durable = await durability(client)
        cluster = await is_cluster(client)
    except RedisAway as away:
        if str(away) == "AuthenticationError":
            return [
                fail(
                    "redis",
                    f"{where} does not take the password",
                    "set REDIS_PASSWORD, or the one in REDIS_URL, to the server's `requirepass`",
                )
            ]
        return [
            fail(
                "redis",
                f"{where} does not answer",
                "start it (`redis-cli -h HOST -p PORT ping`), or correct REDIS_URL or REDIS_HOST;"
                " its `bind` and a firewall may keep this machine out",
            )
        ]
    finally:
        await client.aclose()
    if cluster:
        return [
            fail(
                "redis",
                f"{where} is a node of a Redis Cluster",
                "name a single primary, which may have replicas",
            )
        ]
    found = [ok("redis", f"{where} answers within {took:.1f} ms")]
    if held is not None:
        found.append(_memory(held))
    if (wrong := skew("redis clock", seconds + microseconds / 1e6)) is not None:
        found.append(wrong)
    if durable.reason is None:
        kept = "what is accepted is on disk before the answer (G1)"
        return [*found, ok("durability", kept)]
    unknown = None in {durable.appendonly, durable.appendfsync, durable.maxmemory_policy}
    judge = warn if unknown else fail
    do = "`CONFIG SET appendonly yes`, `appendfsync always`, `maxmemory-policy noeviction`, and the same in its file; with replicas REDIS_REPLICAS"
    return [*found, judge("durability", durable.reason, do)]


def _memory(held: RedisMemory) -> CheckResult:
    used = f"Redis holds {held.used / 2**20:.0f} MB"
    if held.limit is None:
        return ok("redis memory", used)
    words = f"{used} of {held.limit / 2**20:.0f} MB"
    if held.used < ALERT_SHARE * held.limit:
        return ok("redis memory", words)
    do = "raise MAX_REDIS_MEMORY, and the server's `maxmemory` where it is set; `teimoso queue show` lists what waits"
    return (
        fail("redis memory", f"{words}: sends are refused", do)
        if held.full
        else warn("redis memory", words, do)
    )


def _where(settings: Settings) -> str:
    """The server as a person may know it: without the password."""
    if settings.redis_url is None:
        return f"{settings.redis_host or '127.0.0.1'}:{settings.redis_port}"
    parts = urlsplit(settings.redis_url.get_secret_value())
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
