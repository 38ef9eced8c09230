from __future__ import annotations

import pytest

from actors.metrics.counters import FAST, SERIES, Measures


def test_counters_and_histograms_are_plain_values() -> None:
    measures = Measures()
    measures.count("teimoso_restarts", role="queue", cause="crashed")
    measures.count("teimoso_restarts", 2, role="queue", cause="crashed")
    measures.observe("teimoso_redis_seconds", 0.0005)
    measures.observe("teimoso_redis_seconds", 0.0006)
    measures.observe("teimoso_redis_seconds", 99.0)
    counts = [1.0, 1.0, *[0.0] * (len(FAST) - 2), 1.0]
    assert measures.samples == [
        ("teimoso_restarts", {"role": "queue", "cause": "crashed"}, 3),
        ("teimoso_redis_seconds", {}, [*counts, pytest.approx(99.0011)]),
    ]


def test_what_is_expected_is_there_before_the_first_time() -> None:
    measures = Measures()
    measures.count("teimoso_epochs_lost", 0)
    measures.expect("teimoso_redis_seconds")
    assert measures.samples == [
        ("teimoso_epochs_lost", {}, 0),
        ("teimoso_redis_seconds", {}, [0.0] * (len(FAST) + 2)),
    ]


def test_names_follow_prometheus() -> None:
    for series in SERIES.values():
        assert series.name.startswith("teimoso_")
        assert not series.name.endswith("_total"), "the exporter puts it behind a counter"
        assert (series.kind == "histogram") == bool(series.buckets)
        assert list(series.buckets) == sorted(series.buckets)
        if series.kind == "histogram":
            assert series.name.endswith("_seconds")
        assert series.help.endswith(".")
