from __future__ import annotations

import math
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.health.resources import Disk
from actors.metrics.counters import FAST
from actors.queue.records import CONNECTION_COUNTERS, Counts, flow_of
from actors.redis.client import Durability
from actors.redis.leases.lease_record import HeldItems
from actors.runtime.limits.limit_uses import LimitUse
from gateway.instance_snapshot import InstanceSnapshot
from gateway.metrics.actor_counters import NO_TOTALS, ActorTotals
from gateway.metrics.counter_families import CounterFamilies
from gateway.metrics.exposition import Metrics
from gateway.metrics.gauge_families import RULED_ALERTS, GaugeFamilies
from gateway.metrics.webhook_backlog import Behind, WebhookBacklog
from gateway.schemas import presenters
from tests.unit.gateway.schemas.test_presenters import LEASE, REGISTERED, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.metrics.counters import Sample


FLOW = flow_of({"count:queued": "5", "count:sent": "2", "took:2": "2", "took:ms": "150"}, 2)


def rendered(
    told: ActorTotals = NO_TOTALS, own: Sequence[Sample] = (), **changes: Any
) -> dict[tuple[str, tuple[str, ...]], float]:
    values: dict[str, Any] = {
        "connections": [presenters.connection(REGISTERED, LEASE, alive=True, settings=SETTINGS)],
        "counts": {"shop": Counts(1, 2, 3, 4, 90.0)},
        "flows": {"shop": FLOW},
        "redis": True,
        "durable": None,
        "store": True,
        "loaded": True,
        "latest": None,
        "cpu": 1.0,
        "memory": 1.0,
        "disk": Disk(free=5, size=10),
        **changes,
    }
    metrics = Metrics()
    metrics.accepted("shop")
    metrics.accepted("shop")
    metrics.answered("POST", "/api/messages", 202, 0.003)
    snapshot = GaugeFamilies(InstanceSnapshot(**values), now=100.0)
    text = metrics.render(snapshot, CounterFamilies(told, own)).decode()
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


def backlog(*webhooks: Behind) -> dict[str, float]:
    return {
        each.name: each.samples[0].value for each in WebhookBacklog(webhooks, now=100.0).collect()
    }


def test_how_far_webhooks_are_behind() -> None:
    nothing = Behind(None, None)
    assert set(backlog().values()) == set(backlog(nothing).values()) == {0}
    assert not list(WebhookBacklog(None, now=100.0).collect())
    told = backlog(
        nothing, Behind(60.0, 40.0, 2, 3), Behind(90.0, 95.0, 1), Behind(None, 30.0, 0, 4)
    )
    assert told == {
        "teimoso_webhooks_failing": 2,
        "teimoso_webhook_failing_seconds": 40,
        "teimoso_webhook_oldest_age_seconds": 70,
        "teimoso_webhook_held_chats": 3,
        "teimoso_webhook_requests_in_flight": 7,
    }


def test_what_is_not_known_has_no_series() -> None:
    series = rendered(redis=False, store=False)
    assert series["teimoso_redis_up", ()] == 0
    assert series["teimoso_state_store_up", ()] == 0
    assert not [name for name, _ in series if name.startswith("teimoso_queue")]
    assert series["teimoso_messages_accepted_total", ("shop",)] == 2


def test_what_became_of_messages() -> None:
    series = rendered()
    assert series["teimoso_messages_queued_total", ("shop",)] == 5
    assert series["teimoso_messages_sent_total", ("shop",)] == 2
    assert series["teimoso_messages_dead_total", ("shop",)] == 0
    assert series["teimoso_messages_unaccounted", ("shop",)] == 1
    assert series["teimoso_message_sent_seconds_bucket", ("shop", "0.05")] == 0
    assert series["teimoso_message_sent_seconds_bucket", ("shop", "0.1")] == 2
    assert series["teimoso_message_sent_seconds_bucket", ("shop", "+Inf")] == 2
    assert series["teimoso_message_sent_seconds_sum", ("shop",)] == 0.15


def test_each_count_has_the_name_of_what_it_counts() -> None:
    counted = {f"count:{name}": str(number) for number, name in enumerate(CONNECTION_COUNTERS, 11)}
    series = rendered(flows={"shop": flow_of(counted, 0)})
    for number, name in enumerate(CONNECTION_COUNTERS, 11):
        assert series[f"teimoso_messages_{name}_total", ("shop",)] == number


@pytest.mark.parametrize(
    ("registered", "lease", "wanted", "breaker"),
    [
        ({}, {}, 1, 0),
        ({}, {"account": None}, 0, 0),
        ({"desired": "stopped"}, {}, 0, 0),
        ({}, {"state": "failed", "cause": "crash_loop"}, 1, 2),
    ],
)
def test_what_a_connection_should_be(
    registered: dict[str, Any], lease: dict[str, Any], wanted: int, breaker: int
) -> None:
    held = replace(LEASE, **{"since": time.time(), **lease})
    one = presenters.connection(
        replace(REGISTERED, **registered), held, alive=True, settings=SETTINGS
    )
    series = rendered(connections=[one])
    assert series["teimoso_connection_wanted", ("shop",)] == wanted
    assert series["teimoso_connection_breaker_state", ("shop",)] == breaker


def test_a_limit_is_shown_by_the_time_that_is_left() -> None:
    lease = replace(LEASE, limited_until=700.0, limit_reason="time_lock")
    one = presenters.connection(REGISTERED, lease, alive=True, settings=SETTINGS, now=100.0)
    assert rendered(connections=[one])["teimoso_connection_limited_seconds", ("shop",)] == 600
    one = presenters.connection(REGISTERED, LEASE, alive=True, settings=SETTINGS)
    assert rendered(connections=[one])["teimoso_connection_limited_seconds", ("shop",)] == 0


def test_refused_documents_are_counted() -> None:
    one = presenters.connection(
        REGISTERED, replace(LEASE, held=HeldItems(3)), alive=True, settings=SETTINGS
    )
    assert rendered(connections=[one])["teimoso_connection_refused_documents", ("shop",)] == 3


def test_files_that_wait_are_counted_and_so_is_the_room_for_them() -> None:
    one = presenters.connection(
        REGISTERED, replace(LEASE, held=HeldItems(0, 3, 1)), alive=True, settings=SETTINGS
    )
    series = rendered(connections=[one], files_room=0)
    assert series["teimoso_connection_deferred_files", ("shop", "room")] == 2
    assert series["teimoso_connection_deferred_files", ("shop", "next_day")] == 1
    assert series["teimoso_files_room_bytes", ()] == 0
    assert ("teimoso_files_room_bytes", ()) not in rendered(), "nobody can say"


def test_bytes_in_the_state_store_are_shown_by_connection() -> None:
    series = rendered(stored_bytes={"shop--T00000000000": 1024})
    assert series["teimoso_connection_stored_bytes", ("shop",)] == 1024


def test_the_share_of_a_limit_is_shown_of_connections_and_of_the_instance() -> None:
    name = "teimoso_limit_used_ratio"
    series = rendered(
        limits=[
            LimitUse("store_full", "STORED_BYTES_PER_CONNECTION", 9, 10, "shop--T00000000000"),
            LimitUse("store_full", "MAX_STORED_BYTES", 5, 10),
            LimitUse("files_full", "MEDIA_LIMIT", 12, 10),
        ]
    )
    assert series[name, ("", "MEDIA_LIMIT")] == 1.2, "it was lowered"
    assert series[name, ("shop", "STORED_BYTES_PER_CONNECTION")] == 0.9
    assert series[name, ("", "MAX_STORED_BYTES")] == 0.5


def test_the_end_of_a_version_is_shown_by_the_time_that_is_left() -> None:
    name = "teimoso_connection_version_ends_seconds"
    for ends_at, left in ((700.0, 600), (50.0, 0), (None, math.inf)):
        lease = replace(LEASE, version_ends_at=ends_at)
        one = presenters.connection(REGISTERED, lease, alive=True, settings=SETTINGS, now=100.0)
        assert rendered(connections=[one])[name, ("shop",)] == left


def test_the_machine_is_shown_in_ratios_and_bytes() -> None:
    series = rendered(cpu=37.5, memory=12.5)
    assert series["teimoso_machine_cpu_ratio", ()] == 0.375
    assert series["teimoso_machine_memory_ratio", ()] == 0.125
    assert series["teimoso_disk_free_bytes", ()] == 5
    assert series["teimoso_disk_size_bytes", ()] == 10


def test_a_connection_is_there_before_its_first_message() -> None:
    """A rate does not see a series' first value."""
    metrics = Metrics()
    metrics.expect("shop")
    metrics.expect("shop")
    assert b'teimoso_messages_accepted_total{connection="shop"} 0.0' in metrics.render()
    metrics.accepted("shop")
    metrics.expect("shop")
    assert b'teimoso_messages_accepted_total{connection="shop"} 1.0' in metrics.render()


def test_the_next_connection_of_a_name_is_counted_anew() -> None:
    metrics = Metrics()
    former, later = "shop--K7Q2M9XA4TBC", "shop--T00000000001"
    metrics.accepted(former)
    metrics.expect("other")
    metrics.expect(later)
    metrics.accepted("other")
    accepted = re.findall(rb'messages_accepted_total\{connection="(.+)"\} (.+)', metrics.render())
    assert sorted(accepted) == [(b"other", b"1.0"), (b"shop", b"0.0")]


def test_whether_redis_is_durable_is_shown_once_known() -> None:
    assert ("teimoso_redis_durable", ()) not in rendered()
    for holds, appendfsync in ((1, "always"), (0, "everysec")):
        durable = Durability("yes", appendfsync, "noeviction")
        assert rendered(durable=durable)["teimoso_redis_durable", ()] == holds


def test_active_alerts_are_counted_by_name() -> None:
    names = ("connection_failed", "instance_backup_failed", "connection_failed")
    found = rendered(latest={"alerts": [{"name": name} for name in names]})
    assert found["teimoso_alerts", ("connection_failed",)] == 2
    assert found["teimoso_alerts", ("instance_backup_failed",)] == 1
    none = {key: number for key, number in rendered().items() if key[0] == "teimoso_alerts"}
    assert none == {("teimoso_alerts", (name,)): 0 for name in RULED_ALERTS}


def test_the_tree_and_this_process_share_a_family() -> None:
    asked = [1.0, *[0.0] * len(FAST), 0.25]
    told = ActorTotals(
        up=True,
        totals=[
            ("teimoso_redis_seconds", {"role": "queue"}, asked),
            ("teimoso_redis_seconds", {"role": "old"}, [1.0]),
        ],
        gauges=[("teimoso_process_memory_bytes", {"role": "root", "connection": ""}, 7.0)],
    )
    own: list[Sample] = [
        ("teimoso_redis_seconds", {}, asked),
        ("teimoso_process_memory_bytes", {}, 9.0),
    ]
    series = rendered(told, own)
    assert series["teimoso_tree_up", ()] == 1
    for role in ("queue", "gateway"):
        assert series["teimoso_redis_seconds_count", (role,)] == 1
        assert series["teimoso_redis_seconds_sum", (role,)] == 0.25
    assert ("teimoso_redis_seconds_count", ("old",)) not in series
    assert series["teimoso_process_memory_bytes", ("", "root")] == 7
    assert series["teimoso_process_memory_bytes", ("", "gateway")] == 9
    assert rendered()["teimoso_tree_up", ()] == 0
