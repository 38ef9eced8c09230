from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from actors.metrics.counters import FAST
from supervision.reports import metrics_file
from supervision.reports.metrics_file import MetricsTotals

if TYPE_CHECKING:
    from pathlib import Path

    from actors.metrics.counters import Sample


def received(number: float) -> Sample:
    return ("teimoso_messages_received", {}, number)


def shown(totals: MetricsTotals, kind: str = "totals") -> dict[tuple[str, ...], Any]:
    plain = json.loads(json.dumps(totals.plain))
    return {(name, *labels.values()): value for name, labels, value in plain[kind]}


def again(totals: MetricsTotals) -> MetricsTotals:
    """As the next root reads it."""
    return MetricsTotals.of(json.loads(json.dumps(totals.plain)))


SHOP = ("teimoso_messages_received", "shop")


def test_a_total_goes_on_after_a_restart() -> None:
    totals = MetricsTotals()
    totals.report("connection:a", "1", [received(3)], connection="shop")
    totals.report("connection:a", "1", [received(3)], connection="shop")
    totals.report("connection:a", "1", [received(5)], connection="shop")
    totals.ended("connection:a")
    totals.report("connection:b", "2", [received(2)], connection="shop")
    assert shown(totals) == {SHOP: 7}


def test_a_new_life_under_an_old_name_counts_from_its_beginning() -> None:
    totals = MetricsTotals()
    totals.report("queue", "1", [("teimoso_redis_seconds", {}, hist(4, 1.0))], role="queue")
    totals.report("queue", "2", [("teimoso_redis_seconds", {}, hist(1, 0.5))], role="queue")
    assert shown(totals)["teimoso_redis_seconds", "queue"] == hist(5, 1.5)


def test_a_new_root_counts_nothing_twice_and_loses_nothing() -> None:
    totals = MetricsTotals()
    totals.report("connection:a", "1", [received(3)], connection="shop")
    totals = again(totals)
    totals.report("connection:a", "1", [received(4)], connection="shop")
    assert shown(again(totals)) == {SHOP: 4}


def test_what_a_standby_counted_is_not_counted_again_once_it_serves() -> None:
    totals = MetricsTotals()
    asked: Sample = ("teimoso_redis_seconds", {}, hist(2, 0.5))
    totals.report("connection:a", "1", [asked], role="standby")
    asked = ("teimoso_redis_seconds", {}, hist(3, 0.75))
    totals.report("connection:a", "1", [asked], role="connection")
    series = shown(totals)
    assert series["teimoso_redis_seconds", "standby"] == hist(2, 0.5)
    assert series["teimoso_redis_seconds", "connection"] == hist(1, 0.25)


def test_gauges_are_of_the_living() -> None:
    totals = MetricsTotals()
    for name, memory in (("connection:a", 7.0), ("connection:b", 9.0)):
        totals.report(
            name,
            "1",
            [],
            [("teimoso_process_memory_bytes", {}, memory)],
            role="standby",
            connection="",
        )
    assert shown(totals, "gauges") == {("teimoso_process_memory_bytes", "", "standby"): 9.0}
    totals.ended("connection:b")
    assert shown(totals, "gauges") == {("teimoso_process_memory_bytes", "", "standby"): 7.0}
    totals.only(["queue"])
    assert shown(totals, "gauges") == {}


def test_a_removed_connection_has_no_series() -> None:
    totals = MetricsTotals()
    totals.report("connection:a", "1", [received(3)], connection="shop")
    totals.report("connection:b", "1", [received(3)], connection="kiosk")
    totals.forget("shop")
    assert shown(totals) == {("teimoso_messages_received", "kiosk"): 3}


def test_what_another_release_counts_is_left_out() -> None:
    totals = MetricsTotals()
    totals.report("queue", "1", [("teimoso_of_tomorrow", {}, 1.0)])
    assert shown(totals) == {}
    totals.report("queue", "1", [("teimoso_redis_seconds", {}, [1.0, 2.0])], role="queue")
    totals.report("queue", "2", [("teimoso_redis_seconds", {}, hist(1, 0.5))], role="queue")
    assert shown(totals)["teimoso_redis_seconds", "queue"] == hist(1, 0.5)


def test_a_file_that_says_nothing_begins_anew(tmp_path: Path) -> None:
    assert shown(metrics_file.resumed(tmp_path)) == {}
    first = MetricsTotals()
    first.report("connection:a", "1", [received(3)], connection="shop")
    first.counted = {"gateway.1.restarted"}
    metrics_file.write(tmp_path, first.plain)
    second = metrics_file.resumed(tmp_path)
    assert shown(second) == {SHOP: 3}
    assert second.counted == {"gateway.1.restarted"}
    for text in ("", "[]", '{"totals": 1}', '{"totals": [], "heard": []}', '{"totals": [[1]]}'):
        (tmp_path / metrics_file.METRICS_FILE).write_text(text)
        assert shown(metrics_file.resumed(tmp_path)) == {}


def hist(number: float, seconds: float) -> list[float]:
    """That many observations in the lowest bucket."""
    return [number, *[0.0] * len(FAST), seconds]
