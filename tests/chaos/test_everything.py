"""`kill -9` of everything under load, with many connections: when each is open again (G7, G8)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.chaos.harness.judge import judge
from tests.chaos.harness.report import quantile
from tests.chaos.harness.scene import SETTINGS, Scene, pair_all, parties
from tests.chaos.harness.traffic import Load
from tests.processes.instance import Instance

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run.figures import Figure

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

BOUNDS = {20: 45.0, 50: 90.0}
"""Seconds until all are open again, by how many there are."""


@pytest.mark.parametrize("count", BOUNDS)
def test_all_come_back(tmp_path: Path, count: int, figure: Figure) -> None:
    whom = parties(count, 1)
    with Instance(tmp_path, SETTINGS) as instance:
        pair_all(instance, whom, 300)
        load = Load(instance, whom, pause=count / 20)
        scene = Scene(instance, load)
        with load:
            before = scene.served()
            load.surge(seconds=5)
            with scene.crowded():
                killed = instance.kill_everything()
            killed_at = instance.killed_at
            instance.up()
            with ThreadPoolExecutor(1) as pool:
                awaited = pool.submit(scene.flowing, whom, killed_at, 2 * BOUNDS[50])
                opened = opening(
                    scene, killed_at, {name: one.epoch for name, one in before.items()}
                )
                flowing = awaited.result()
        verdict = judge(load, killed_at)
        for party in whom:
            assert instance.qr(party.connection) is None
    spread = [
        f"{quantile(list(of.values()), 0.5):.1f}/{max(of.values()):.1f}" for of in (opened, flowing)
    ]
    figure(
        f"everything killed: {len(killed)} processes; of {count} connections p50/max until open"
        f" {spread[0]} s, until the first message {spread[1]} s; {verdict}"
    )
    verdict.require_clean()
    assert verdict.in_flight > 0
    assert len(flowing) == count
    assert max(opened.values()) < BOUNDS[count]


def opening(scene: Scene, since: float, epochs: dict[str, int]) -> dict[str, float]:
    """By connection the seconds until it was open under a new epoch; waits for all of them."""
    found: dict[str, float] = {}
    end = time.monotonic() + 2 * BOUNDS[50]
    while len(found) < len(epochs):
        assert time.monotonic() < end, f"not open: {set(epochs) - set(found)}"
        answer = scene.instance.api.get("/api/connections", params={"limit": "500"})
        now = time.time() - since
        for item in answer.json()["items"] if answer.is_success else ():
            if item["state"] == "open" and item["epoch"] > epochs[item["id"]]:
                found.setdefault(item["id"], now)
        time.sleep(0.1)
    return found
