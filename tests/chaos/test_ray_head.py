"""Ray's own processes killed under load: the head comes back with its state, and so does all else.

Its storage survives, so the new head knows the root and makes it again; the actors of the old one
are ended first, for they would go on beside the new ones (G2, G4, G5, G6, G7, G8). The last test ends the instance.
"""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import psutil
import pytest

from tests.chaos.harness.trial import Trial
from tests.processes.instance import Instance, gone, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.run.figures import Figure

pytestmark = [pytest.mark.timeout(240), pytest.mark.long]

CONNECTION, ACCOUNT = "shop", "15550100001"
WAITING: Final = {"sh"}
AGENTS: Final = {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}
"""Names of the raylet's agents, before and after the dashboard is opened."""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    data: Path = tmp_path_factory.mktemp("head")
    with Instance(data) as running:
        running.pair(CONNECTION, ACCOUNT)
        running.pair("idle", "15550100011")
        yield running


def named(instance: Instance, name: str) -> psutil.Process:
    """The process of Ray's with that program name."""
    for process in instance.family():
        with suppress(psutil.Error):
            if process.name() == name and not gone(process):
                return process
    raise AssertionError(f"no {name}")


@pytest.mark.parametrize("parts", [("gcs_server",), ("raylet",), ("gcs_server", "raylet")])
def test_a_head_that_lost_a_part_comes_back_with_its_state(
    instance: Instance, parts: tuple[str, ...], figure: Figure
) -> None:
    instance.ready(60)
    before = instance.connection(CONNECTION)
    owner = instance.process("connection", CONNECTION)
    root = instance.process("root").pid
    processes = [named(instance, part) for part in parts]
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        trial.kill(*processes)
        begun = time.monotonic()
        until("the old owner is gone", lambda: gone(owner) or None, 30)

        def open_again() -> bool | None:
            now = instance.connection(CONNECTION)
            return (now["epoch"] > before["epoch"] and now["state"] == "open") or None

        until("the connection is open again", open_again, 40)
        seconds = time.monotonic() - begun
        trial.traffic.flow()
        trial.told = f"{' and '.join(parts)} killed: open again after {seconds:.1f} s"
    instance.ready(60)
    assert seconds <= 30
    assert instance.process("root").pid != root
    for connection in (CONNECTION, "idle"):
        assert instance.qr(connection) is None
        assert instance.connection(connection)["state"] == "open"


@contextmanager
def orphans(instance: Instance, names: set[str]) -> Iterator[list[psutil.Process]]:
    """Stops the agents of the raylet, which is killed: its death and SIGTERM reach them no more."""
    raylet = named(instance, "raylet")
    agents = [each for each in raylet.children() if each.name() in names]
    assert {each.name() for each in agents} == names
    try:
        for each in agents:
            each.send_signal(signal.SIGSTOP)
        raylet.kill()
        until("the raylet is dead", lambda: gone(raylet), 5)
        yield agents
        assert [each for each in agents if not gone(each)] == []
    finally:
        for each in agents:
            with suppress(psutil.NoSuchProcess):
                each.kill()


def test_agents_of_a_killed_raylet_end_before_the_next_head(instance: Instance) -> None:
    instance.ready(60)
    head = instance.process("ray").pid
    with orphans(instance, WAITING):
        until("there is another head", lambda: instance.pids("ray") - {head}, 60)
    instance.ready(60)


def test_down_ends_the_agents_of_a_killed_raylet(instance: Instance) -> None:
    instance.ready(60)
    opened = instance.teimoso("dashboard", "--print")
    assert opened.returncode == 0, opened.stderr
    with orphans(instance, AGENTS):
        done = instance.teimoso("down")
        assert done.returncode == 0, done.stderr
