"""Everything killed at once: until the last connection is open again, beside Ray with as many empty actors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from tests.benchmarks.figures import Figure, Figures, median, turns
from tests.processes.instance import Instance, until

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
CONNECTIONS = int(os.environ.get("CONNECTIONS", "90"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
NAMES = [f"c{number}" for number in range(CONNECTIONS)]
LOOK = 0.5
"""Seconds between two looks at all connections: each costs what the recovery needs itself."""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with Instance(tmp_path_factory.mktemp("i") / "data") as running:
        for number, name in enumerate(NAMES):
            running.pair(name, f"155501120{number:02d}")
        until("all are open", lambda: len(opened(running)) == CONNECTIONS or None, 300)
        yield running


def opened(instance: Instance) -> dict[str, int]:
    """The epochs of connections that are open, by id; empty while nothing answers."""
    answer = instance.api.get("/api/connections", params={"limit": "500"})
    items = answer.json()["items"] if answer.is_success else ()
    return {item["id"]: item["epoch"] for item in items if item["state"] == "open"}


def recovered(instance: Instance) -> tuple[dict[str, float], dict[str, float]]:
    """Kills everything; seconds until all were dead, `up` had returned, and the first, half and all were open.

    And the seconds of a processor that each role has taken by then.
    """
    before = opened(instance)
    instance.kill_everything()
    times = {"dead": time.time() - instance.killed_at}
    instance.up()
    times["up"] = time.time() - instance.killed_at
    counts = {"first": 1, "half": len(before) // 2, "all": len(before)}
    while "all" not in times:
        assert time.time() - instance.killed_at < 600, times
        with suppress(httpx.TransportError):
            new = [name for name, epoch in opened(instance).items() if epoch > before[name]]
            for mark, count in counts.items():
                if len(new) >= count:
                    times.setdefault(mark, time.time() - instance.killed_at)
        time.sleep(LOOK)
    return times, spent(instance)


def spent(instance: Instance) -> dict[str, float]:
    """Seconds of a processor by role; `ray` is its head with all that it started but actors."""
    roles = {entry.pid: entry.role for entry in instance.entries()}
    found: dict[str, float] = defaultdict(float)
    for process in instance.family():
        with suppress(psutil.Error):
            if process.pid in roles or not helps_the_test(process):
                used = process.cpu_times()
                found[roles.get(process.pid, "ray")] += used.user + used.system
    return dict(found)


def helps_the_test(process: psutil.Process) -> bool:
    """Whether it is no part of the service."""
    return any("tests.processes" in word for word in process.cmdline())


def alone(directory: Path) -> dict[str, float]:
    directory.mkdir()
    done = subprocess.run(
        [sys.executable, str(HERE / "bare" / "bare_ray.py"), str(CONNECTIONS), str(directory)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    times: dict[str, float] = json.loads((directory / "times.json").read_text())
    return times


@pytest.mark.timeout(3600)
def test_everything_killed(figures: Figures, instance: Instance, tmp_path: Path) -> None:
    ours, theirs, spents = [], [], []
    for turn in range(ROUNDS):
        for side in turns(turn, "alone", "ours"):
            if side == "ours":
                times, by_role = recovered(instance)
                ours.append(times)
                spents.append(by_role)
                continue
            # Both had the machine to themselves, and nothing of the other's in memory.
            assert instance.teimoso("down", timeout=120).returncode == 0
            theirs.append(alone(tmp_path / f"ray-{turn}"))
            if turn + 1 < ROUNDS or not ours:
                instance.up()
                until("all are open", lambda: len(opened(instance)) == CONNECTIONS or None, 600)
    figures.add(
        Figure(
            f"everything killed, until the last of {CONNECTIONS} is open",
            median([each["all"] for each in ours]),
            "s",
            against=median([each["all"] for each in theirs]),
            at_most=0.6,
            remarks={
                **{
                    f"until {mark}": f"{median([each[mark] for each in ours]):.1f} s"
                    for mark in ("dead", "up", "first", "half")
                },
                "Ray's head": f"{median([each['head'] for each in theirs]):.1f} s",
                "an actor of Ray alone": f"{median([each['actors'] for each in theirs]):.2f} s of a processor",
                **{
                    role: f"{median([each.get(role, 0.0) for each in spents]):.1f} s of a processor"
                    for role in sorted({role for each in spents for role in each})
                },
            },
        )
    )
