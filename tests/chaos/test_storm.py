"""Messages both ways while everything is struck by everything; `make chaos` is the long one."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.chaos.harness import report
from tests.chaos.harness.faults.disk_reserve import AT_RESERVE
from tests.chaos.harness.faults.faults import SHARED, SINGLE
from tests.chaos.harness.faults.full_redis import FULL
from tests.chaos.harness.faults.hostile import FORGER, GREEDY
from tests.chaos.harness.faults.outside import DISK, OUTSIDE, Outside
from tests.chaos.harness.faults.refusal import REFUSAL, REFUSAL_ELSEWHERE
from tests.chaos.harness.faults.reuse import REUSE
from tests.chaos.harness.killer import schedule
from tests.chaos.harness.scene import SETTINGS, pair_all, parties
from tests.chaos.harness.storm import storm
from tests.processes.instance import Instance

if TYPE_CHECKING:
    from tests.run.figures import Figure

MINUTES = float(os.environ.get("MINUTES") or 10)
SEED = int(os.environ.get("SEED") or 1)
BUILD = Path(__file__).parents[2] / "build"
COMMON = (REUSE, REFUSAL, GREEDY, AT_RESERVE, FULL, *SHARED)
"""Faults of what all connections share."""

OWN = (FORGER, *SINGLE)
"""Faults of single connections."""

TURNS = 6
"""The limit of injections of a fault until it meets a message in flight."""


@pytest.mark.timeout(480)
def test_every_short_fault_once(instance: Instance, figure: Figure) -> None:
    """G2 to G9: nothing is lost, doubled or reordered, nobody is asked to link again.

    A fault that met no message in flight has proven nothing: it strikes again, under other chats.
    """
    left = [[fault for fault in faults if not fault.long] for faults in (COMMON, OWN)]
    pair_all(instance, parties(4, 3))
    for turn in range(TURNS):
        whom = parties(4, 3, first=3 * turn)
        plans = [
            islice(schedule(SEED + number + 2 * turn, faults, whom, (0.1, 0.3)), len(faults))
            for number, faults in enumerate(left)
            if faults
        ]
        outcome = storm(instance, whom, plans, pause=1.5)
        print(f"\n{report.text(outcome)}")
        figure(report.summary(outcome))
        broken = [one for one in outcome.violations if one.kind != "idle"]
        assert not broken, f"{len(broken)} violations; they are above"
        unproven = outcome.unproven()
        left = [[fault for fault in faults if fault.name in unproven] for faults in left]
        if not unproven:
            break
    assert not unproven, f"nothing was in flight in {TURNS} turns: {unproven}"


@pytest.mark.long
@pytest.mark.timeout(60 * MINUTES + 900)
def test_the_storm(tmp_path: Path, figure: Figure) -> None:
    """Twenty connections for `MINUTES`; the same `SEED` strikes the same in the same order."""
    whom = parties(20, 3)
    plans = [schedule(SEED + number, faults, whom) for number, faults in enumerate((COMMON, OWN))]
    with Instance(tmp_path, SETTINGS) as instance:
        pair_all(instance, whom, 180)
        outcome = storm(instance, whom, plans, pause=1.5, seconds=60 * MINUTES)
    report.write(outcome, BUILD, "chaos", seed=SEED, minutes=MINUTES, connections=20, chats=3)
    print(f"\n{report.text(outcome)}")
    figure(report.summary(outcome))
    assert not outcome.violations, f"{len(outcome.violations)} violations; see build/chaos.json"


@pytest.mark.long
@pytest.mark.timeout(60 * MINUTES + 900)
def test_the_storm_with_everything_elsewhere(tmp_path: Path, figure: Figure) -> None:
    """Ten connections for half of `MINUTES`, on Firestore and with their sessions in a bucket.

    Both fail as well, and disks are lost (G7, G11).
    """
    whom = parties(10, 3)
    plans = [
        schedule(SEED + number, faults, whom)
        for number, faults in enumerate(
            ((*OUTSIDE, REFUSAL_ELSEWHERE, GREEDY, *SHARED), (DISK, FORGER, *SINGLE))
        )
    ]
    with (
        Outside(tmp_path / "outside") as outside,
        Instance(tmp_path / "instance", {**SETTINGS, **outside.environment}) as instance,
    ):
        pair_all(instance, whom, 180)
        outcome = storm(instance, whom, plans, pause=1.5, seconds=60 * MINUTES / 2, outside=outside)
    report.write(
        outcome, BUILD, "chaos-elsewhere", seed=SEED, minutes=MINUTES / 2, connections=10, chats=3
    )
    print(f"\n{report.text(outcome)}")
    figure(report.summary(outcome))
    assert not outcome.violations, f"{len(outcome.violations)} violations; they are above"
