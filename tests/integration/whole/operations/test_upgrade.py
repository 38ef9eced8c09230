"""`teimoso upgrade` under traffic: all of it is made anew, one connection at a time, and nothing is lost."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.whole.shop import SHOP, becomes, fault, start, struck
from tests.integration.whole.traffic import OTHER, SECOND, Traffic, owners
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes.instance import Instance

pytestmark = [pytest.mark.usefixtures("is_open"), pytest.mark.timeout(300)]
RENEWED = ("keeper", "root", "queue", "state", "health", "standby", "gateway")
KEPT = ("valkey", "simulator", "ray")


@pytest.fixture
def second(instance: Instance) -> Iterator[str]:
    instance.pair(SECOND, OTHER)
    yield SECOND
    instance.answered()
    instance.api.delete(f"/api/connections/{SECOND}").raise_for_status()
    until("it is gone", lambda: not owners(instance).get(SECOND), 30)


def pids(instance: Instance, roles: tuple[str, ...]) -> dict[str, set[int]]:
    """Also of what Ray's head started, which no file names."""
    found = instance.status()["processes"]
    return {role: {one["pid"] for one in found if one["role"] == role} for role in roles}


def test_all_of_it_is_made_anew_and_nothing_is_lost(instance: Instance, second: str) -> None:
    until("a standby waits", lambda: instance.pids("standby") or None, 30)
    before, kept, served = pids(instance, RENEWED), pids(instance, KEPT), owners(instance)
    assert set(served) == {SHOP, second}
    traffic = Traffic(instance)
    traffic.start()
    try:
        until("messages flow", lambda: len(traffic.sent) > 4, 20)
        begun = time.time()
        done = instance.teimoso("upgrade", "--json", "--pause", "0.5", timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        in_flight = len(traffic.sent)
    finally:
        traffic.stop()
    told: dict[str, Any] = json.loads(done.stdout)
    assert told == {
        "done": [
            "keeper",
            "root",
            "standbys, queue, state, health",
            f"connection {second}",
            f"connection {SHOP}",
            "gateway",
        ],
        "complete": True,
        "reason": None,
    }
    until("a standby waits", lambda: instance.pids("standby") or None, 30)
    for role, now in pids(instance, RENEWED).items():
        assert now, role
        assert not now & before[role], f"{role} was not made anew"
    now_served = owners(instance)
    assert all(now_served[each] != served[each] for each in (SHOP, second))
    assert pids(instance, KEPT) == kept
    assert not (instance.data / "run" / "upgrade").exists()

    traffic.judge()
    assert traffic.looks > 5
    assert traffic.away_together == 0, "one connection at a time"
    assert in_flight > 10, f"too little flowed in {time.time() - begun:.0f} s"


@pytest.mark.long
def test_it_stops_at_a_connection_that_is_not_back_and_goes_on_from_there(
    instance: Instance,
) -> None:
    number = fault(instance, "reject_login", reason=403)
    before = pids(instance, ("keeper", "root", "gateway"))
    done = instance.teimoso("upgrade", "--json", "--within", "5", timeout=240)
    told = json.loads(done.stdout)
    assert struck(instance, number) == 1
    assert (done.returncode, told["complete"]) == (1, False)
    assert told["done"] == ["keeper", "root", "standbys, queue, state, health"]
    assert told["reason"].startswith("shop was open and is failed after 5 s")
    now = pids(instance, ("keeper", "root", "gateway"))
    assert now["gateway"] == before["gateway"], "it comes last"
    assert not now["keeper"] & before["keeper"]

    instance.simulator.delete("/faults")
    start(instance)
    becomes(instance, "open", None)
    owner = owners(instance)
    done = instance.teimoso("upgrade", "--json", timeout=240)
    told = json.loads(done.stdout)
    assert (done.returncode, told["done"]) == (0, ["standbys, queue, state, health", "gateway"])
    assert pids(instance, ("keeper", "root")) == {each: now[each] for each in ("keeper", "root")}
    assert owners(instance) == owner, "it runs the new code already"
