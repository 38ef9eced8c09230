"""Valkey killed at random moments, away for long, frozen: degraded, nothing lost, healed (G8, G11).

Sends are accepted throughout, connections stay open and go on receiving, nothing is claimed and no
epoch is given.
"""

from __future__ import annotations

import random
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.chaos.conftest import ACCOUNT, CONNECTION
from tests.chaos.harness.faults.outage import (
    delivered,
    frozen,
    health,
    kept_away,
    stored,
    unacknowledged,
    until_delivered_again,
)
from tests.chaos.harness.records import alert, recovery, shown_alerts
from tests.chaos.harness.trial import Trial
from tests.processes.instance import Instance, gone, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tests.chaos.harness.traffic import Traffic
    from tests.run.figures import Figure

pytestmark = pytest.mark.timeout(300)

OTHER, OTHERS_ACCOUNT = "spare", "15550100002"
BOUND = 15.0
"""Seconds until messages are delivered again; on a quiet machine 5."""


@pytest.fixture(autouse=True)
def undisturbed(instance: Instance) -> Iterator[None]:
    """The owner of the connection is the same process under the same epoch, and no socket closed."""
    before = instance.ready(30) and identity(instance)
    yield
    assert identity(instance) == before


@pytest.fixture
def other(instance: Instance) -> None:
    """A second connection, whose actor may die."""
    instance.pair(OTHER, OTHERS_ACCOUNT)


def identity(instance: Instance) -> tuple[Any, ...]:
    connection = instance.connection(CONNECTION)
    return (
        instance.process("connection", CONNECTION).pid,
        *(connection[name] for name in ("state", "epoch", "since")),
    )


def test_killed_at_random_moments(instance: Instance, figure: Figure) -> None:
    seed = random.randrange(10**6)
    chance, took = random.Random(seed), []
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        for last in (False, False, True):
            time.sleep(chance.uniform(0.0, 1.0))
            if last:
                trial.kill(instance.process("valkey"))
            else:
                trial.traffic.surge()
                instance.kill("valkey")
                trial.traffic.calm()
            took.append(until_delivered_again(trial.traffic))
        trial.told = (
            f"Valkey killed {len(took)} times (seed {seed}): delivered again at most "
            f"{max(took):.1f} s after its return"
        )
    assert not trial.traffic.refused
    assert (
        recovery(instance, trial.struck_at, role="valkey", cause="crashed")["action"] == "restarted"
    )
    assert max(took) < BOUND


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("seconds", [8, pytest.param(60, marks=pytest.mark.long)])
def test_away(instance: Instance, seconds: float, figure: Figure) -> None:
    epoch = instance.connection(OTHER)["epoch"]
    owner = instance.process("connection", OTHER)
    begun_at = time.time()
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        with trial.traffic.redis_away(), trial.during(kept_away(instance)):
            owner.kill()
            until("the other connection's actor is dead", partial(gone, owner), 5)
            alert(instance, begun_at, "redis_away", active=True)
            seen = watch_the_outage(trial.traffic, time.time() + seconds)
        took = until_delivered_again(trial.traffic)
        waited = time.monotonic()
        until(
            "the other connection is open",
            lambda: instance.connection(OTHER)["state"] == "open" and not_by(instance, owner.pid),
            30,
        )
        waited = time.monotonic() - waited + took
        trial.traffic.flow()
        trial.told = (
            f"Valkey away for {seconds} s: {seen}; delivered again {took:.1f} s after its return, "
            f"an actor that died meanwhile open after {waited:.1f} s"
        )
    cleared = alert(instance, begun_at, "redis_away", active=False)
    assert set(trial.traffic.refused) == {"503"}, "longer than sends wait"
    assert took < BOUND
    assert instance.connection(OTHER)["epoch"] == epoch + 1
    assert (
        recovery(instance, begun_at, connection=instance.incarnation(OTHER))["action"]
        == "restarted"
    )
    assert cleared["cleared_at"] > cleared["raised_at"] >= begun_at
    until("nothing is wrong", lambda: health(instance)["status"] == "healthy" or None, 20)
    assert "redis_away" not in shown_alerts(instance)


def watch_the_outage(traffic: Traffic, until_: float) -> str:
    """Checks the guarantees while Valkey is away."""
    instance = traffic.instance
    time.sleep(1)  # what was on its way arrives
    sent, received, given = (
        delivered(traffic),
        stored(instance, CONNECTION),
        traffic.given(),
    )
    while time.time() < until_:
        now = health(instance)
        assert now["status"] == "degraded"
        assert "redis_away" in now["reasons"]
        assert not instance.pids("connection") - {instance.process("connection", CONNECTION).pid}
        time.sleep(0.5)
    assert delivered(traffic) == sent, "something was claimed"
    assert traffic.given() > given, "messages are received"
    more = stored(instance, CONNECTION) - received
    assert more > 10, "what arrives is stored meanwhile"
    assert "redis_away" in shown_alerts(instance)
    until(
        "messages are acknowledged to WhatsApp", lambda: unacknowledged(instance, ACCOUNT) < 10, 20
    )
    return f"{more} messages received"


def not_by(instance: Instance, pid: int) -> bool:
    return any(
        one.pid != pid
        for one in instance.entries()
        if (one.role, one.connection) == ("connection", OTHER)
    )


@pytest.mark.long
@pytest.mark.parametrize("seconds", [6, 90], ids=["thawed", "replaced"])
def test_frozen(instance: Instance, seconds: float, figure: Figure) -> None:
    """It answers nobody and refuses nobody; the keeper replaces it after half a minute."""
    process = instance.process("valkey")
    with Trial(instance, CONNECTION, ACCOUNT, figure) as trial:
        with trial.during(frozen(process)):
            begun = time.monotonic()
            while time.monotonic() < begun + seconds and not gone(process):
                time.sleep(0.1)
            lasted = time.monotonic() - begun
            assert gone(process) == (seconds > 30)
        took = until_delivered_again(trial.traffic)
        trial.traffic.flow()
        trial.told = f"Valkey frozen for {lasted:.1f} s: delivered again {took:.1f} s after"
    assert took < BOUND
    if seconds > 30:
        assert recovery(instance, trial.struck_at, role="valkey", cause="hung")["seconds"] < BOUND
