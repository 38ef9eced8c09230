"""A connection that is killed whenever it serves, while another one carries its load (G8, G9).

Each kill meets messages in flight. After ten short lives it is given up, with an alert, and nobody
else is any the worse for it; a person who asks has it back at once, and nothing is lost.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.chaos.harness.judge import judge, settled, verdict
from tests.chaos.harness.traffic import Traffic
from tests.integration.tree.head import kill
from tests.processes.instance import Instance, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.run.figures import Figure

pytestmark = [pytest.mark.timeout(240), pytest.mark.long]

LOOPING, LOOPING_ACCOUNT = "looping", "15550100001"
BUSY, ACCOUNT = "busy", "15550100011"
LIMIT = 10
"""The default of MAX_RESTARTS."""

DENSE = 0.02
"""Seconds between two messages of a chat: short, so that each kill meets messages in flight."""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    data: Path = tmp_path_factory.mktemp("loop")
    environment = {
        "RESTART_BACKOFF_BASE": "100",
        "RESTART_BACKOFF_CAP": "300",
        "HEALTH_CHECK_INTERVAL": "1000",
    }
    with Instance(data, environment) as running:
        running.pair(LOOPING, LOOPING_ACCOUNT)
        running.pair(BUSY, ACCOUNT)
        yield running


def owner(instance: Instance) -> int | None:
    for entry in instance.entries():
        if entry.connection == LOOPING:
            return entry.pid
    return None


def alerts(instance: Instance) -> set[tuple[str, str | None]]:
    found = instance.api.get("/health").json()["alerts"]
    return {(one["name"], one["connection"]) for one in found}


def test_ten_short_lives_are_enough_and_nobody_else_notices(
    instance: Instance, figure: Figure
) -> None:
    before = {name: instance.connection(name) for name in (LOOPING, BUSY)}
    killed: list[int] = []
    killed_at: list[float] = []
    with (
        Traffic(instance, BUSY, ACCOUNT) as traffic,
        Traffic(instance, LOOPING, LOOPING_ACCOUNT, pause=DENSE) as looping,
    ):
        traffic.flow()
        looping.flow()
        begun_at = time.time()
        while instance.connection(LOOPING)["state"] != "failed":
            assert len(killed) <= LIMIT + 1, "it is never given up"
            pid = owner(instance)
            if pid is not None and pid not in killed:
                os.kill(pid, signal.SIGSTOP)  # a fast owner has moments with nothing on its way
                time.sleep(3 * DENSE)
                killed_at.append(time.time())
                kill(pid)
                killed.append(pid)
            time.sleep(0.05)
            assert time.time() < begun_at + 120
        seconds = time.time() - begun_at
        given_up = instance.connection(LOOPING)
        assert given_up["cause"] == "crash_loop"
        until(
            "it is an alert",
            lambda: ("connection_failed", LOOPING) in alerts(instance) or None,
            15,
        )
        asked = time.monotonic()
        recovered = instance.api.post("/api/connections/recover", json={"connection": LOOPING})
        assert recovered.json()["items"] == [LOOPING]
        until("it is open", lambda: instance.connection(LOOPING)["state"] == "open" or None, 10)
        again = time.monotonic() - asked
        until(
            "the alert is over",
            lambda: ("connection_failed", LOOPING) not in alerts(instance) or None,
            15,
        )
    beside = judge(traffic, begun_at)
    fates = settled(looping)
    verdicts = [verdict(fates, at) for at in killed_at]
    least = min(verdicts, key=lambda one: one.in_flight)
    figure(
        f"{len(killed)} short lives in {seconds:.1f} s: given up; asked for: open after "
        f"{again:.1f} s; {least}; beside it {beside}"
    )
    beside.require_clean()
    least.require_clean()
    assert least.in_flight > 0, "a kill with nothing on its way proves nothing"
    assert len(killed) == LIMIT + 1, "ten may be answered with a restart, the next one may not"
    after = instance.connection(BUSY)
    assert (after["state"], after["epoch"]) == ("open", before[BUSY]["epoch"])
    assert instance.connection(LOOPING)["epoch"] == before[LOOPING]["epoch"] + LIMIT + 1
