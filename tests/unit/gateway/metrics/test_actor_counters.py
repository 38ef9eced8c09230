from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from gateway.metrics import actor_counters
from gateway.metrics.actor_counters import NO_TOTALS, ActorCounters
from supervision.reports import metrics_file
from supervision.reports.metrics_file import MetricsTotals

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def write(data: Path, received: int) -> None:
    told = MetricsTotals()
    told.report(
        "connection:a",
        "1",
        [("teimoso_messages_received", {}, received)],
        [("teimoso_inbox_age_seconds", {}, 0.5)],
        connection="shop",
    )
    metrics_file.write(data, told.plain)


async def test_what_the_root_wrote_is_read_anew(tmp_path: Path) -> None:
    read = ActorCounters(tmp_path)
    assert await read.look() == NO_TOTALS
    for received in (3, 4):
        write(tmp_path, received)
        told = await read.look()
        assert told.up
        assert told.totals == [("teimoso_messages_received", {"connection": "shop"}, received)]
        assert told.gauges == [("teimoso_inbox_age_seconds", {"connection": "shop"}, 0.5)]


async def test_of_a_silent_root_only_the_totals_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 3)
    read = ActorCounters(tmp_path)
    assert (await read.look()).up
    monkeypatch.setattr(actor_counters, "TREE_SILENCE_SECONDS", -1.0)
    told = await read.look()
    assert not told.up
    assert len(told.totals) == 1
    assert not told.gauges


async def test_an_old_file_is_not_taken_for_a_living_root(tmp_path: Path) -> None:
    write(tmp_path, 3)
    old = time.time() - 3600
    os.utime(tmp_path / metrics_file.METRICS_FILE, (old, old))
    told = await ActorCounters(tmp_path).look()
    assert not told.up
    assert told.totals
    assert not told.gauges


async def test_half_a_file_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, 3)
    read = ActorCounters(tmp_path)
    before = await read.look()
    (tmp_path / metrics_file.METRICS_FILE).write_text("{")
    assert await read.look() == before
