"""Redis: whether it answers, keeps what it acknowledges, and has the right time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from redis.exceptions import ResponseError

from actors.redis.client import RedisAway, connect, durability, is_cluster, reach
from gateway.cli.doctor.checks.clocks import skew
from gateway.cli.doctor.finding import fail, ok, warn

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from gateway.cli.doctor.finding import Finding


async def redis(settings: Settings) -> list[Finding]:
    client = connect(settings)
    where = _where(settings)
    try:
        async with reach():
            begun = time.perf_counter()
            await client.ping()
            took = (time.perf_counter() - begun) * 1000
            seconds, microseconds = await client.time()
            held = await _held(client)
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
    found = [ok("redis", f"{where} answers within {took:.1f} ms{held}")]
    if (wrong := skew("redis clock", seconds + microseconds / 1e6)) is not None:
        found.append(wrong)
    if durable.reason is None:
        kept = "what is accepted is on disk before the answer (G1)"
        return [*found, ok("durability", kept)]
    unknown = None in {durable.appendonly, durable.appendfsync, durable.maxmemory_policy}
    told = warn if unknown else fail
    do = "`CONFIG SET appendonly yes`, `appendfsync always`, `maxmemory-policy noeviction`, and the same in its file"
    return [*found, told("durability", durable.reason, do)]


async def _held(client: Redis) -> str:
    """The memory that Redis holds, as a part of a sentence; nothing where it is not reported."""
    try:
        told: Any = await client.info("memory")
    except ResponseError:
        return ""
    most = f" of {told['maxmemory_human']}" if told.get("maxmemory") else ""
    return f" and holds {told['used_memory_human']}{most}"


def _where(settings: Settings) -> str:
    """The server as a person may know it: without the password."""
    if settings.redis_url is None:
        return f"{settings.redis_host or '127.0.0.1'}:{settings.redis_port}"
    parts = urlsplit(settings.redis_url.get_secret_value())
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
