"""An instance that is well, as the health monitor samples it, and its thresholds."""

from __future__ import annotations

from actors.health.checks import Thresholds
from actors.health.samples import (
    Backlog,
    ConnectionSample,
    ProbeResult,
    Sample,
)
from actors.redis.client import RedisMemory
from actors.runtime.limits.limits import Limit

THRESHOLDS = Thresholds(
    cpu=80,
    memory=85,
    heartbeat=30,
    queue=Limit("QUEUE_MEMORY_PER_CONNECTION", 1000, "queue_full", 30),
    redis_memory=Limit("MAX_REDIS_MEMORY", 0, "redis_full", 30),
    parts=5,
)
HOUR = 3600.0
QUICK, AWAY = ProbeResult(ok=True, seconds=0.001), ProbeResult(ok=False, seconds=3.0)
OPEN = ConnectionSample("running", "open", silent=5.0)
FAILED = ConnectionSample("running", "failed")
WELL = Sample(
    at=1000.0,
    cpu=80,
    memory=85,
    own_cpu=5,
    own_memory=10**9,
    processes=9,
    redis=QUICK,
    store=QUICK,
    durability=None,
    connections={f"c{n}": OPEN for n in range(4)},
    queue=Backlog(waiting=100, active=2),
    disk=10**9,
    room=10**9,
    redis_memory=RedisMemory(100, 1000),
)


def four(**others: ConnectionSample) -> dict[str, ConnectionSample]:
    return {f"c{n}": OPEN for n in range(4)} | others
