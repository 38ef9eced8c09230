"""The keeper killed, two keepers at once, services and gateway that hang, processes that grow.

Messages flow both ways meanwhile and nothing of them may be lost, doubled or reordered (G2, G4, G5,
G8).
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.chaos.conftest import ACCOUNT, CONNECTION, MEMORY
from tests.chaos.harness.faults.outage import frozen, stopped
from tests.chaos.harness.records import recovery
from tests.chaos.harness.trial import Trial
from tests.processes.instance import Instance, gone, until
from tests.waits import NOISE

if TYPE_CHECKING:
    import psutil

    from tests.run.figures import Figure

pytestmark = pytest.mark.timeout(240)

SERVICES = ("queue", "state", "health")


def pids(instance: Instance) -> dict[tuple[str, str | None], int]:
    """Returns all processes but the keeper; of several standbys, one."""
    return {
        (one.role, one.connection): one.pid for one in instance.entries() if one.role != "keeper"
    }


def settled(instance: Instance) -> dict[tuple[str, str | None], int]:
    """Returns all processes once the standby is ready, so that none is under construction."""
    until("a standby waits", lambda: instance.pids("standby"), 60)
    return pids(instance)


@pytest.mark.long
def test_a_killed_keeper_stops_nothing(instance: Instance, figure: Figure) -> None:
    before = settled(instance)
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        trial.kill(instance.process("keeper"))
        trial.traffic.flow()
        assert not instance.pids("keeper")
        assert pids(instance) == before
        seconds = instance.up()
        instance.ready(30)
        trial.traffic.flow()
        trial.told = f"keeper killed: nothing stopped; attached in {seconds:.1f} s"
    assert pids(instance) == before


@pytest.mark.long
def test_of_two_keepers_one_is_refused(instance: Instance, figure: Figure) -> None:
    """Also when both begin in the same instant, and also right after one was killed."""
    before = settled(instance)
    rounds = 3
    instance.kill("keeper")
    for _ in range(rounds):
        both = [keeper(instance), keeper(instance)]
        try:
            until("one has left", partial(one_left, both), 30)
            [refused], [winner] = filter(ended, both), itertools.filterfalse(ended, both)
            assert refused.returncode == 1
            assert refused.communicate(timeout=10)[1].splitlines() == [
                f"Another keeper has the data directory {instance.data}."
            ]
            until("the other keeps", partial(keeps, instance, winner), 20)
            instance.ready(30)
        finally:
            for one in both:
                one.kill()
                one.communicate(timeout=10)
    instance.up()
    instance.ready(30)
    assert pids(instance) == before
    figure(f"two keepers at once: one refused with one sentence in {rounds} of {rounds} races")


def keeper(instance: Instance) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "supervision.keeper", "--data", str(instance.data)],
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(one: subprocess.Popen[str]) -> bool:
    return one.poll() is not None


def one_left(both: list[subprocess.Popen[str]]) -> bool:
    return any(map(ended, both))


def keeps(instance: Instance, one: subprocess.Popen[str]) -> bool:
    return instance.pids("keeper") == {one.pid}


def test_services_that_hang_are_replaced(instance: Instance, figure: Figure) -> None:
    """All three at once. Messages go on meanwhile, and the connection notices nothing."""
    connection = instance.connection(CONNECTION)
    served_by = instance.process("connection", CONNECTION).pid
    took: dict[str, float] = {}
    hung = {role: instance.process(role) for role in SERVICES}
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        with trial.during(frozen(*hung.values())):
            begun = time.monotonic()
            trial.traffic.flow()
            assert all(map(stopped, hung.values()))
            for role, process in hung.items():
                until(f"another {role}", partial(_another, instance, role, process), 90)
                took[role] = time.monotonic() - begun
        trial.traffic.flow()
        told = ", ".join(f"{role} {seconds:.1f} s" for role, seconds in took.items())
        trial.told = f"queue, state and health hung: replaced after {told}"
    for role in SERVICES:
        assert recovery(instance, trial.struck_at, role=role, cause="hung")["action"] == "restarted"
    assert instance.connection(CONNECTION)["epoch"] == connection["epoch"]
    assert instance.process("connection", CONNECTION).pid == served_by
    assert max(took.values()) < 15 * NOISE, "the bound is 15 s on a quiet machine"


def test_processes_that_outgrow_their_memory_are_drained_and_restarted(
    instance: Instance, figure: Figure
) -> None:
    """The connection by the root, the gateway by the keeper."""
    before = instance.connection(CONNECTION)
    grown = [instance.process("connection", CONNECTION), instance.process("gateway")]
    took = {}
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        with trial.struck():
            for process in grown:
                swell(instance, process)
            until("it has grown", lambda: grown[0].memory_info().rss > MEMORY << 20, 20)
            begun = time.monotonic()
            for process in grown:
                until(f"{process.pid} was replaced", partial(gone, process), 60)
                took[process.pid] = time.monotonic() - begun
        until(
            "the connection is open",
            lambda: instance.connection(CONNECTION)["state"] == "open",
            30,
        )
        until("a gateway", lambda: instance.pids("gateway") - {grown[1].pid}, 30)
        trial.traffic.flow()
        action = recovery(instance, trial.struck_at, role="connection", cause="memory")
        trial.told = (
            f"over MAX_MEMORY_RESTART: connection drained after {took[grown[0].pid]:.1f} s and "
            f"served again {action['seconds']:.1f} s later, gateway restarted after "
            f"{took[grown[1].pid]:.1f} s"
        )
    assert (
        recovery(instance, trial.struck_at, role="gateway", cause="memory")["action"] == "restarted"
    )
    assert action["action"] == "restarted"
    assert action["connection"] == instance.incarnation(CONNECTION)
    after = instance.connection(CONNECTION)
    assert after["epoch"] == before["epoch"] + 1
    assert after["restarts"] == before["restarts"], "it let go by itself, nobody took it away"
    assert instance.qr(CONNECTION) is None


@pytest.mark.long
def test_a_gateway_that_hangs_is_replaced(instance: Instance, figure: Figure) -> None:
    before, hung = settled(instance), instance.process("gateway")
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        with trial.during(frozen(hung)):
            begun = time.monotonic()
            until("another gateway", partial(_another, instance, "gateway", hung), 60)
        until("it answers", lambda: instance.api.get("/health/live").is_success, 30)
        seconds = time.monotonic() - begun
        trial.traffic.flow()
        trial.told = f"gateway hung: answers after {seconds:.1f} s"
    action = recovery(instance, trial.struck_at, role="gateway", cause="hung")
    assert action["action"] == "restarted"
    assert {**pids(instance), ("gateway", None): 0} == {**before, ("gateway", None): 0}


@pytest.mark.long
def test_a_root_that_outgrows_its_memory_is_replaced(instance: Instance, figure: Figure) -> None:
    before, root = pids(instance), instance.process("root")
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        with trial.struck():
            swell(instance, root)
            begun = time.monotonic()
            until("the root was ended", partial(gone, root), 60)
        until("another root", partial(_another, instance, "root", root), 60)
        seconds = time.monotonic() - begun
        trial.traffic.flow()
        trial.told = f"root over MAX_MEMORY_RESTART: another after {seconds:.1f} s"
    action = recovery(instance, trial.struck_at, role="root", cause="memory")
    assert action["action"] == "restarted"
    alike: dict[tuple[str, str | None], int] = {("root", None): 0, ("standby", None): 0}
    assert {**pids(instance), **alike} == {**before, **alike}


def _another(instance: Instance, role: str, than: psutil.Process) -> bool:
    return gone(than) and bool(instance.pids(role) - {than.pid})


def swell(instance: Instance, process: psutil.Process) -> None:
    """Let it hold more than it may."""
    asked = Path(instance.environment["TEST_SWELLING"]) / str(process.pid)
    draft = asked.with_suffix(".draft")
    draft.write_text(str(MEMORY))
    draft.rename(asked)  # the process may look at any moment, and shall not find it empty
