"""Serves health, liveness, readiness, load and Prometheus metrics routes for operators and probes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from starlette.responses import Response

from actors.health import resource_history, summary
from actors.health.breakers import BREAKER_LEVELS
from gateway.http import auth
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.http.response_base import rfc3339
from gateway.metrics.counter_families import CounterFamilies
from gateway.metrics.exposition import CONTENT_TYPE
from gateway.metrics.gauge_families import GaugeFamilies
from gateway.metrics.webhook_backlog import WebhookBacklog
from gateway.schemas import health_responses, presenters, response_models

if TYPE_CHECKING:
    from gateway.http.api_keys import ApiKey
    from gateway.instance_snapshot import InstanceSnapshot
    from gateway.metrics.actor_counters import ActorTotals


async def _live(_: ApiRequest[None, None]) -> Response:
    return written(health_responses.Alive())


async def _ready(call: ApiRequest[None, None]) -> Response:
    """Ready when a send would be accepted: Redis answers, and the connections are known."""
    seen = await call.backends.observer.look()
    able = seen.redis and seen.loaded
    return written(
        health_responses.Ready(
            status="ready" if able else "not_ready", redis=seen.redis, store=seen.store
        ),
        200 if able else 503,
    )


async def _health(call: ApiRequest[None, None]) -> Response:
    """Without a key the short form; with one, what stands behind it too."""
    backends = call.backends
    key = await _shown(call)
    seen, tree = await asyncio.gather(backends.observer.look(), backends.tree.look())
    status, reasons = _status(seen, backends.settings.health_check_interval / 1000)
    plain = summary.summary(
        status=status,
        uptime=time.monotonic() - backends.started,
        states=[each.state for each in seen.connections],
        waiting=sum(each.waiting + each.delayed for each in seen.counts.values()),
        active=sum(each.active for each in seen.counts.values()),
        dead=sum(each.dead for each in seen.counts.values()),
        cpu=seen.cpu,
        memory=seen.memory,
    )
    if key is None:
        return written(health_responses.Health.model_validate(plain))
    durable = seen.durable
    full = {
        **plain,
        "reasons": reasons,
        "alerts": _alerts(seen, key),
        "breakers": _breakers(tree),
        "redis": health_responses.RedisHealth(
            up=seen.redis,
            durable=None if durable is None else durable.holds,
            reason="Redis does not answer." if durable is None else durable.reason,
            memory=None if seen.memory_of_redis is None else seen.memory_of_redis.used,
            memory_limit=None if seen.memory_of_redis is None else seen.memory_of_redis.limit,
        ),
        "store": health_responses.StoreHealth(up=seen.store),
        "items": [each for each in seen.connections if key.reaches(each.incarnation)],
    }
    return written(health_responses.FullHealth.model_validate(full))


def _breakers(counts: ActorTotals) -> dict[str, str]:
    """From the tree, not from the state store: that one may be what is left alone."""
    of_level = {level: state for state, level in BREAKER_LEVELS.items()}
    return {
        labels["of"]: of_level[int(value)]
        for name, labels, value in counts.gauges
        if name == "teimoso_breaker_state" and isinstance(value, int | float)
    }


def _alerts(seen: InstanceSnapshot, key: ApiKey) -> list[response_models.AlertAnswer]:
    """Those that the monitor said were active; a key for some connections sees theirs alone."""
    alerts = (seen.latest or {}).get("alerts") or []
    return [
        response_models.AlertAnswer(
            name=alert["name"],
            connection=presenters.named(alert["subject"]),
            incarnation=alert["subject"],
            severity=alert["severity"],
            reason=alert["reason"],
            raised_at=rfc3339(alert["raised_at"]) or "",
        )
        for alert in sorted(alerts, key=lambda alert: -alert["raised_at"])
        if alert["subject"] is None or key.reaches(alert["subject"])
    ]


def _status(seen: InstanceSnapshot, interval: float) -> tuple[summary.Status, list[str]]:
    status, reasons = summary.overall(
        seen.latest, redis=seen.redis, store=seen.store, now=time.time(), interval=interval
    )
    found = []
    if seen.durable is not None and not seen.durable.holds:
        # G1 does not hold on this Redis: the service works, and promises less
        found.append("redis_not_durable")
    if seen.memory_of_redis is not None and seen.memory_of_redis.full:
        found.append("redis_full")
    if not found:
        return status, reasons
    return summary.worst([status, "degraded"]), list(dict.fromkeys([*reasons, *found]))


async def _shown(call: ApiRequest[None, None]) -> ApiKey | None:
    """The key, None without one and where it cannot be checked: health is still shown."""
    key = cast("ApiKey | None", call.key)  # of who asks from within, as the console does
    if key is not None:
        return key
    try:
        return await auth.authenticate(call.backends.ring, call.request)
    except Problem as problem:
        if problem.kind.code == "store_away" or auth.presented(call.fields) is None:
            return None
        raise


async def _load(call: ApiRequest[None, None]) -> Response:
    """The last hour, by the monitor's file: no store is asked."""
    points = await asyncio.to_thread(resource_history.read, call.backends.settings.data)
    loads = [health_responses.Load(**{**asdict(each), "at": rfc3339(each.at)}) for each in points]
    return written(health_responses.Loads(items=loads))


async def _metrics(call: ApiRequest[None, None]) -> Response:
    backends = call.backends
    if call.key.connections is not None:
        raise Problem(
            "connection_forbidden", "Metrics are those of all connections; this key is for some."
        )
    seen, tree = await asyncio.gather(backends.observer.look(), backends.tree.look())
    for connection in seen.connections:
        backends.metrics.expect(connection.incarnation)
    return Response(
        backends.metrics.render(
            GaugeFamilies(seen),
            CounterFamilies(tree, backends.metrics.own),
            WebhookBacklog(backends.deliverer.behind(), time.time()),
        ),
        headers={"Content-Type": CONTENT_TYPE},
    )


_TAG = "operations"
OPERATIONS = (
    Operation(
        "GET",
        "/health",
        "getHealth",
        "Health of the service; with a key, its reasons",
        _TAG,
        _health,
        {200: Gives("The health.", (health_responses.Health, health_responses.FullHealth))},
        None,
        optional_key=True,
        refuses=("unauthorized", "rate_limited"),
    ),
    Operation(
        "GET",
        "/health/live",
        "getLive",
        "Whether the process runs",
        _TAG,
        _live,
        {200: Gives("It runs.", health_responses.Alive)},
        None,
    ),
    Operation(
        "GET",
        "/health/ready",
        "getReady",
        "Whether a send would be accepted",
        _TAG,
        _ready,
        {
            200: Gives("It would.", health_responses.Ready),
            503: Gives("It would not.", health_responses.Ready),
        },
        None,
    ),
    Operation(
        "GET",
        "/api/system/metrics",
        "getLoad",
        "Resources that machine and service used within the last hour, for each round of the monitor",
        _TAG,
        _load,
        {200: Gives("The last hour.", health_responses.Loads)},
        "read",
    ),
    Operation(
        "GET",
        "/metrics",
        "getMetrics",
        "Series for Prometheus",
        _TAG,
        _metrics,
        {200: Gives("Prometheus' text format.", media_types=("text/plain",))},
        "metrics",
        refuses=("connection_forbidden",),
    ),
)
