"""A report of the service that the state store never takes is an alert, and holds up nothing (G13)."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.health.checks import Thresholds, judge
from actors.health.probes import Probes
from actors.health.samples import ProbeResult, Sample
from actors.runtime.owner_liveness import Liveness
from actors.state.connections import Connections
from actors.state.documents import CONNECTIONS, HEALTH_STATUS, RECOVERY_ACTIONS, WriteRefused
from actors.state.own_mistakes import MISTAKE_DOCUMENT
from actors.state.recovery_actions import noting, recovery_action
from actors.state.retention import Retention
from supervision.reports.recovery_log import RecoveryLog
from supervision.restarts.policy import Intensity, RestartRecords
from supervision.restarts.restart_budgets import FALLS_FIELD, RestartBudgets
from tests.integration.state.received import item
from tests.integration.state.test_refusals import POISON, forbid
from tests.processes.measured import Measured
from tests.waits import eventually

if TYPE_CHECKING:
    from actors.config.settings import Settings
    from actors.state.actor import StateManager
    from actors.state.documents import Documents

DAY = 86_400.0


async def noted(documents: Documents) -> str | None:
    """The name of the refused report in the logs."""
    found = await documents.get(HEALTH_STATUS, MISTAKE_DOCUMENT)
    return None if found is None else str(found["action"])


async def test_a_state_that_is_refused(
    settings: Settings, documents: Documents, manager: StateManager
) -> None:
    for name in ("shop", "kiosk"):
        await Connections(documents).create(name, id=name)
    await forbid(settings, documents)
    measured = Measured()
    report = {"state": "open", "cause": None, "epoch": 1, "since": 1.0, "restarts": 0, "beat": 1.0}
    with pytest.raises(WriteRefused):
        await manager.report_state("shop", {**report, "account": POISON})
    assert await noted(documents) == "report_state"
    assert measured.rise("teimoso_state_store_refusals", reason="mistake") == 1
    await manager.report_state("kiosk", {**report, "account": "1555"})


async def test_a_message_that_is_refused_is_none_of_these(
    settings: Settings, documents: Documents, manager: StateManager
) -> None:
    """It is set aside, which has an alert of its own."""
    await forbid(settings, documents)
    with pytest.raises(WriteRefused):
        await manager.store_messages("shop", 1, [item(1, text=POISON)])
    assert await noted(documents) is None


async def test_a_recovery_that_is_refused(settings: Settings, documents: Documents) -> None:
    await forbid(settings, documents)
    log = RecoveryLog(documents)
    for connection in (POISON, "shop"):
        log.repeat(
            recovery_action(
                role="connection", connection=connection, cause="crashed", action="restarted",
                at=time.time(), seconds=0.5,
            )
        )  # fmt: skip
    running = asyncio.ensure_future(log.run())

    async def stored() -> bool:
        found = (await documents.query(RECOVERY_ACTIONS)).items
        return [each["connection"] for each in found] == ["shop"]

    try:
        await eventually("the other one is stored", stored, 10)
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert await noted(documents) == "recovery_log"


async def test_falls_that_are_refused(settings: Settings, documents: Documents) -> None:
    for name in ("kiosk", "shop"):
        await Connections(documents).create(name, id=name)
    await documents.set(CONNECTIONS, "kiosk", {"observed": {"account": POISON}}, merge=True)
    await forbid(settings, documents)
    budgets = RestartBudgets(
        RestartRecords(Intensity(3, min_uptime=10), base=1.0, cap=8.0), documents
    )
    for name in ("kiosk", "shop"):
        budgets.fell(name, 0.5)
    running = asyncio.ensure_future(budgets.run())

    async def written() -> bool:
        shop = await documents.get(CONNECTIONS, "shop")
        return shop is not None and FALLS_FIELD in shop and await noted(documents) == "falls"

    try:
        await eventually("those of the other one are written", written, 10)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_removal_that_is_refused(settings: Settings, documents: Documents) -> None:
    old = recovery_action(
        role="connection", connection=POISON, cause="crashed", action="restarted", at=1.0, seconds=1
    )
    await documents.batch([noting(old)])
    with closing(sqlite3.connect(settings.state_file)) as database, database:
        database.execute(
            f"CREATE TRIGGER kept BEFORE DELETE ON documents WHEN instr(OLD.data, '{POISON}')"
            " BEGIN SELECT RAISE(ABORT, 'forbidden'); END"
        )
    retention = Retention(
        documents, history=DAY, jobs=DAY, letters=DAY, events=DAY, files=DAY,
        deletion_time=time.time,
    )  # fmt: skip
    running = asyncio.ensure_future(retention.run())

    async def is_noted() -> bool:
        return await noted(documents) == "prune"

    try:
        await eventually("it is noted", is_noted, 10)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_the_health_monitor_reads_it(documents: Documents) -> None:
    nobody = cast("Any", None)
    probes = Probes(
        nobody, nobody, nobody, documents, nobody,
        liveness=Liveness(), bucket=None, interval=30, redis_limit=0,
    )  # fmt: skip
    assert (await probes.stored_reports())[1] is None
    at = time.time()
    await documents.set(HEALTH_STATUS, MISTAKE_DOCUMENT, {"mistaken_at": at, "action": "prune"})
    mirror, mistake, _ = await probes.stored_reports()
    assert mistake is not None
    well = ProbeResult(ok=True, seconds=0.0)
    sample = Sample(
        at=at, cpu=0, memory=0, own_cpu=0, own_memory=0, processes=1, redis=well, store=well,
        durability=None, connections={}, queue=None, mirror=mirror, own_mistake=mistake,
    )  # fmt: skip
    reasons = judge(sample, Thresholds(cpu=100, memory=100, heartbeat=30)).reasons
    assert [each.name for each in reasons] == ["own_mistake"]
    assert "`prune`" in reasons[0].detail
