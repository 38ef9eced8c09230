"""The way to Redis: the client, the keys, the scripts, and the leases of the connections."""

from actors.runtime.lazy_imports import without

with without("opentelemetry"):  # for metrics that nobody reads: 2 MB in every process
    import redis.asyncio as _  # noqa: F401
