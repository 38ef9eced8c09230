"""A Redis that has no memory left: sends are refused, an owner is replaced, and all that was accepted leaves (G2, G8, G13)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis
from redis.exceptions import OutOfMemoryError

from actors.config.settings import Settings
from tests.chaos.harness.faults.faults import REACH, Fault, Struck, holder, killed
from tests.chaos.harness.faults.outage import health
from tests.waits import until

if TYPE_CHECKING:
    from tests.chaos.harness.scene import Scene
    from tests.chaos.harness.traffic import Party

PROBE = "tests:probe"
REFUSED = 20
"""Sends that are refused before there is room again."""


def _fill(scene: Scene, party: Party) -> Struck:
    """`maxmemory` is half of what Redis has in use, until another owner took the lease and the queue is empty."""
    instance, refused = scene.instance, scene.load.refused
    address = Settings.load(instance.data).redis_address
    with Redis.from_url(address, decode_responses=True) as redis:
        scene.burst(party)
        told: Any = redis.info("memory")
        at, before = time.time(), refused["503"]
        redis.config_set("maxmemory", told["used_memory"] // 2)
        try:
            with pytest.raises(OutOfMemoryError):
                redis.set(PROBE, "it reached")
            until("sends are refused", lambda: refused["503"] - before > REFUSED or None, REACH)
            owner = holder(scene, "connection", party.connection)
            killed(owner)
            until("another owner serves", lambda: _serves(scene, party, owner.pid) or None, REACH)
            until("the alert is raised", lambda: "redis_full" in _reasons(scene) or None, REACH)
            # Claims, outcomes and leases go on: what was accepted leaves.
            until("the queue is empty", lambda: _open(scene) == 0 or None, REACH)
        finally:
            redis.config_set("maxmemory", 0)
    return Struck(at, over=time.time(), met=True)  # more than `REFUSED` sends were refused


def _serves(scene: Scene, party: Party, old: int) -> bool:
    """Whether another process than `old` has the lease and an open socket."""
    if not scene.replaced("connection", old, party.connection):
        return False
    answer = scene.instance.api.get(f"/api/connections/{party.connection}")
    return answer.is_success and answer.json()["state"] == "open"


def _reasons(scene: Scene) -> set[str]:
    """The active alerts that `/health` shows."""
    return {each["name"] for each in health(scene.instance)["alerts"]}


def _open(scene: Scene) -> int:
    """Messages in the queue."""
    queue = health(scene.instance)["queue"]
    return int(queue["waiting"] + queue["active"])


FULL = Fault("redis at maxmemory", 5, _fill, alert="redis_full", alone=True)
