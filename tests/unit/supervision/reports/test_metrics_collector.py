from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from actors.metrics.mistakes import OWN_MISTAKES
from actors.runtime.actor_base import end_tasks
from actors.runtime.loop_watchdog import LoopWatchdog
from supervision.child import Child
from supervision.cluster import ActorHandle
from supervision.keeper.restart_log import Restart
from supervision.reports import metrics_collector, metrics_file
from supervision.reports.metrics_collector import MetricsCollector
from tests.processes.measured import Measured

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

GATEWAY = Restart("gateway", "crashed", at=100.0, seconds=1.5)
ROOT = Restart("root", "hung", at=100.0, seconds=1.5)


def child(role: str = "connection", connection: str | None = "shop") -> Child:
    epoch = None if connection is None else 1
    return Child(role, ActorHandle(f"{role}:a", None), pid=7, connection=connection, epoch=epoch)


def health(received: int) -> dict[str, Any]:
    return {
        "memory": 6,
        "own_memory": 5,
        "lag": 0.0,
        "lagged": 0.25,
        "uptime": 9.0,
        "measures": [("teimoso_messages_received", {}, received)],
        "gauges": [("teimoso_inbox_age_seconds", {}, 0.5)],
    }


async def unreachable(_: str) -> bool:
    return False


async def written(
    collector: MetricsCollector, data: Path, *children: Child
) -> dict[tuple[str, ...], Any]:
    """Series by name and labels, from the file."""
    (data / metrics_file.METRICS_FILE).unlink(missing_ok=True)
    keeping = asyncio.ensure_future(collector.run(children, unreachable))
    async with asyncio.timeout(10):
        while (plain := metrics_file.read(data)) is None:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.01)
    await end_tasks([keeping], 1.0)
    return {
        (name, *(f"{key}={value}" for key, value in sorted(labels.items()))): value
        for name, labels, value in (*plain["totals"], *plain["gauges"])
    }


async def test_a_child_is_shown_with_what_the_root_knows_of_it(tmp_path: Path) -> None:
    collector, shop = MetricsCollector(tmp_path, LoopWatchdog()), child()
    collector.report(shop, health(3))
    collector.report(child("queue", None), health(0) | {"measures": [], "gauges": []})
    series = await written(collector, tmp_path, shop)
    assert series["teimoso_messages_received", "connection=shop"] == 3
    assert series["teimoso_inbox_age_seconds", "connection=shop"] == 0.5
    mine = ("connection=shop", "role=connection")
    assert series["teimoso_process_memory_bytes", *mine] == 5
    assert series["teimoso_event_loop_lag_seconds", *mine] == 0.25
    assert series["teimoso_process_memory_bytes", "connection=", "role=root"] > 1e6
    gone = ("teimoso_process_memory_bytes", "connection=", "role=queue")
    assert gone not in series, "it is no child of the root's any more"


async def test_a_program_is_shown_beside_the_process_that_started_it(tmp_path: Path) -> None:
    collector, shop = MetricsCollector(tmp_path, LoopWatchdog()), child()
    labels = {"role": "program"}
    answer: dict[str, Any] = {
        "own_memory": 3,
        "gauges": [("teimoso_process_memory_bytes", labels, 2)],
        "measures": [
            ("teimoso_process_cpu_seconds", {}, 1.5),
            ("teimoso_process_cpu_seconds", labels, 0.5),
            ("teimoso_restarts", {"role": "program", "cause": "a test"}, 1),
        ],
    }
    collector.report(shop, health(0) | answer)
    series = await written(collector, tmp_path, shop)
    for role, memory, cpu in (("connection", 3, 1.5), ("program", 2, 0.5)):
        key = ("connection=shop", f"role={role}")
        assert series["teimoso_process_memory_bytes", *key] == memory
        assert series["teimoso_process_cpu_seconds", *key] == cpu
    assert series["teimoso_restarts", "cause=a test", "role=program"] == 1


async def test_a_standby_is_one(tmp_path: Path) -> None:
    collector, standby = MetricsCollector(tmp_path, LoopWatchdog()), child(connection=None)
    collector.report(standby, health(0) | {"measures": [], "gauges": []})
    series = await written(collector, tmp_path, standby)
    assert ("teimoso_process_memory_bytes", "connection=", "role=standby") in series


async def test_the_last_word_of_who_ends_on_purpose_counts(tmp_path: Path) -> None:
    collector, shop = MetricsCollector(tmp_path, LoopWatchdog()), child()
    collector.report(shop, health(3))
    last: dict[str, Any] = {"reason": "stopped", "measures": [("teimoso_messages_received", {}, 5)]}
    collector.report(shop, last)
    collector.ended(shop)
    series = await written(collector, tmp_path)
    assert series["teimoso_messages_received", "connection=shop"] == 5
    assert ("teimoso_inbox_age_seconds", "connection=shop") not in series


async def test_what_the_keeper_started_again_counts_once(tmp_path: Path) -> None:
    collector, measured = MetricsCollector(tmp_path, LoopWatchdog()), Measured()
    for _ in range(2):
        collector.count_restarts([GATEWAY, ROOT])
    await written(collector, tmp_path)
    MetricsCollector(tmp_path, LoopWatchdog()).count_restarts([GATEWAY, ROOT])
    assert measured.rise("teimoso_restarts", role="gateway", cause="crashed") == 1
    assert measured.rise("teimoso_recovery_seconds", role="gateway", cause="crashed") == 1
    assert measured.rise("teimoso_restarts", role="root", cause="hung") == 0


async def test_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    collector = MetricsCollector(tmp_path, LoopWatchdog())
    (tmp_path / "run").write_text("no directory")
    keeping = asyncio.ensure_future(collector.run([], unreachable))
    await asyncio.sleep(0.1)
    assert not keeping.done()
    await end_tasks([keeping], 1.0)


async def test_a_mistake_that_an_actor_counted_is_noted_once_the_store_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next root goes on with the counts of the former, and a report that comes again is no new mistake."""
    monkeypatch.setattr(metrics_collector, "METRICS_WRITE_SECONDS", 0.001)
    shop, tries = child(), list[str]()

    async def note(action: str) -> bool:
        tries.extend([action] if action == "a test" else [])
        return len(tries) == 3

    async def rounds(collector: MetricsCollector, mistakes: int) -> None:
        """Some rounds: one is over once the file is there again."""
        counted = [(OWN_MISTAKES, {"action": "a test"}, mistakes)]
        collector.report(shop, {"measures": counted})
        running = asyncio.ensure_future(collector.run([shop], note))
        for _ in range(9):
            (tmp_path / metrics_file.METRICS_FILE).unlink(missing_ok=True)
            while metrics_file.read(tmp_path) is None:  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.001)
        await end_tasks([running], 1.0)

    await rounds(MetricsCollector(tmp_path, LoopWatchdog()), 2)
    assert tries == ["a test"] * 3
    await rounds(MetricsCollector(tmp_path, LoopWatchdog()), 2)
    assert tries == ["a test"] * 3
    await rounds(MetricsCollector(tmp_path, LoopWatchdog()), 3)
    assert len(tries) > 3
