from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from actors.queue.record import Counts
from actors.queue.spool import Depth
from gateway import shapes
from gateway.metrics import Metrics, Snapshot
from gateway.observation import Observation
from tests.unit.gateway.test_shapes import LEASE, REGISTERED


def rendered(**changes: Any) -> dict[tuple[str, tuple[str, ...]], float]:
    values: dict[str, Any] = {
        "connections": [shapes.connection(REGISTERED, LEASE)],
        "counts": {"shop": Counts(1, 2, 3, 4, 90.0)},
        "redis": True,
        "durable": None,
        "store": True,
        "spool": Depth(7, 40.0),
        "loaded": True,
        "latest": None,
        "cpu": 1.0,
        "memory": 1.0,
        **changes,
    }
    metrics = Metrics()
    metrics.accepted("shop")
    metrics.accepted("shop")
    metrics.answered("POST", "/api/messages", 202, 0.003)
    text = metrics.render(Snapshot(Observation(**values), now=100.0)).decode()
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_first_series() -> None:
    series = rendered()
    assert series["teimoso_messages_accepted_total", ("shop",)] == 2
    assert series["teimoso_http_requests_total", ("POST", "/api/messages", "202")] == 1
    assert series["teimoso_queue_messages", ("shop", "delayed")] == 3
    assert series["teimoso_queue_oldest_age_seconds", ("shop",)] == 10
    assert series["teimoso_connection_state", ("shop", "open")] == 1
    assert series["teimoso_connection_state", ("shop", "failed")] == 0
    assert series["teimoso_connection_restarts_total", ("shop",)] == 2
    assert series["teimoso_connection_epoch", ("shop",)] == 3
    assert series["teimoso_redis_up", ()] == 1
    assert series["teimoso_spool_messages", ()] == 7
    assert series["teimoso_spool_oldest_age_seconds", ()] == 60


def test_what_is_not_known_has_no_series() -> None:
    series = rendered(redis=False, store=False, spool=None)
    assert series["teimoso_redis_up", ()] == 0
    assert series["teimoso_state_store_up", ()] == 0
    assert not [name for name, _ in series if name.startswith(("teimoso_queue", "teimoso_spool"))]
    assert series["teimoso_messages_accepted_total", ("shop",)] == 2
