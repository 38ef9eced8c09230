"""Accesses Redis: client, key names, scripts; stores leases, commands and presence there.

The queue's own transitions are `actors/queue`; without Redis, callers get `RedisAway`.
"""

from actors.runtime.hidden_imports import without

with without("opentelemetry"):  # for metrics that nobody reads: 2 MB in every process
    import redis.asyncio as _  # noqa: F401
