"""G14: an owner counts as alive only while that is known."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from actors.redis.leases.leases import Lease, Owner
from actors.runtime import host_identity
from actors.runtime.owner_liveness import Liveness
from actors.runtime.processes import start_of

STARTED = start_of(os.getpid()) or ""
HERE = Owner("connection:a", os.getpid(), host_identity.here(), STARTED)
FAR = Owner("connection:b", 1, "elsewhere", "1:2")
LEASE = Lease(
    connection="shop",
    epoch=3,
    owner=HERE,
    state="open",
    cause=None,
    since=200.0,
    beat=300.0,
    restarts=0,
    account=None,
)


def test_the_very_process_that_took_the_lease_has_to_live() -> None:
    assert Liveness().of("shop", LEASE)
    later = replace(HERE, started="0:0")
    assert not Liveness().of("shop", replace(LEASE, owner=later)), "its pid is another's by now"
    older = replace(HERE, started="")
    assert Liveness().of("shop", replace(LEASE, owner=older)), "its start is not known"


def test_one_that_ended_is_not() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    owner = Owner("connection:a", ended.pid, host_identity.here())
    ended.wait()
    assert not Liveness().of("shop", replace(LEASE, owner=owner))


def test_nobody_serves_what_was_released_or_never_seen() -> None:
    liveness = Liveness()
    assert not liveness.of("shop", None)
    assert liveness.of("shop", LEASE)
    assert not liveness.of("shop", replace(LEASE, owner=None))
    assert not liveness.of("shop", None)


def test_while_redis_is_away_the_owner_that_was_known_last_is_looked_at() -> None:
    liveness = Liveness()
    assert liveness.of("shop", LEASE)
    assert liveness.of("shop", None)
    assert not liveness.of("kiosk", None)


@pytest.mark.parametrize("beats", [None, 30.0])
def test_one_of_another_host_has_to_beat_and_without_other_hosts_is_gone(
    beats: float | None,
) -> None:
    now = 1000.0
    liveness = Liveness(beats, clock=lambda: now)
    lease = replace(LEASE, owner=FAR)
    assert not liveness.of("shop", lease), "its last beat may predate its death"
    now += 10
    assert liveness.of("shop", replace(lease, beat=310.0)) is (beats is not None)
    now += 29
    assert liveness.of("shop", None) is (beats is not None)
    now += 2
    assert not liveness.of("shop", replace(lease, beat=310.0))
    assert not liveness.of("shop", replace(lease, owner=replace(FAR, pid=2), beat=320.0))
