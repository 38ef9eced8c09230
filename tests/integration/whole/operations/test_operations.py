"""The commands of `docs/operations.md`: the guide's three scenarios and its checklist, as they stand there."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.whole.operations.pages import DOCS, commands, run
from tests.integration.whole.shop import (
    ACCOUNT,
    CONTACT,
    SHOP,
    arrived,
    becomes,
    send,
    start,
)
from tests.waits import until

if TYPE_CHECKING:
    from tests.processes.instance import Instance

pytestmark = [pytest.mark.usefixtures("is_open"), pytest.mark.timeout(240)]
PAGE = "operations.md"


@pytest.mark.long
def test_scenario_1_graceful_shutdown(instance: Instance) -> None:
    down, up, listed = commands(PAGE, "Scenario 1")
    run(instance, down)
    assert not instance.status()["processes"]
    run(instance, up)
    becomes(instance, "open", None, 60)
    assert instance.qr(SHOP) is None
    assert SHOP in run(instance, listed)


@pytest.mark.long
def test_a_copy_of_redis_is_put_back(instance: Instance) -> None:
    """Messages that waited when the copy was made wait again."""
    instance.api.post(f"/api/connections/{SHOP}/stop").raise_for_status()
    becomes(instance, "stopped", None)
    waiting = send(instance, "in the copy")
    run(instance, "teimoso jobs run backup-redis")
    copy = max((instance.data / "backups").iterdir(), key=lambda file: file.stat().st_mtime)
    instance.api.delete(f"/api/messages/{waiting}").raise_for_status()
    assert instance.message(waiting)["status"] == "cancelled"
    text = (DOCS / PAGE).read_text()
    ((before, name, after),) = re.findall(
        r"```sh\n(teimoso down .*?)(redis-\S+)(.*?)```", text, re.DOTALL
    )
    run(instance, before + copy.name + after)
    start(instance)
    becomes(instance, "open", None, 60)
    until("it is sent", lambda: arrived(instance, "in the copy") or None, 30)
    assert name != copy.name


def test_scenario_2_crash(instance: Instance) -> None:
    before = {role: instance.process(role).pid for role in ("connection", "root")}
    begun = time.time()
    *rest, recoveries = commands(PAGE, "Scenario 2")
    for command in rest:
        run(instance, command)

    def renewed() -> bool:
        return all(
            instance.pids(role) - {pid} and pid not in instance.pids(role)
            for role, pid in before.items()
        )

    until("both are back", renewed, 60)
    becomes(instance, "open", None, 60)
    shown = until("it is listed", lambda: _listed(run(instance, recoveries)), 30)
    assert SHOP in shown
    instance.say(CONTACT, ACCOUNT, f"after the crash {begun}")
    until("it goes on", lambda: _received(instance, f"after the crash {begun}"), 20)


def _listed(shown: str) -> str | None:
    return shown if SHOP in shown else None


def _received(instance: Instance, text: str) -> bool:
    return any(one["text"] == text for one in instance.messages(connection=SHOP, direction="in"))


def test_scenario_3_redis_fails(instance: Instance) -> None:
    stop, pause, away, go_on, send, wait, back = commands(PAGE, "Scenario 3")
    (valkey,) = instance.pids("valkey")
    try:
        run(instance, stop)
        until("it is stopped", lambda: _state(valkey) == "T", 5)
        run(instance, pause)
        assert json.loads(run(instance, away))["status"] != "healthy"
        assert instance.api.get("/health").json()["redis"]["up"] is False
        run(instance, go_on)
        assert _state(valkey) == "T", "it is back before the send begins"
        accepted = json.loads(run(instance, send))
        until("it goes on", lambda: _state(valkey) != "T", 5)
    finally:
        # The next test needs it, also after a failure. The keeper may have ended it meanwhile.
        with suppress(ProcessLookupError):
            os.kill(valkey, signal.SIGCONT)
    assert instance.pids("valkey") == {valkey}
    run(instance, wait)
    until("it arrived", lambda: arrived(instance, "while Redis is away") or None, 30)
    assert accepted["id"].startswith(f"{instance.incarnation(SHOP)}.")
    until("it answers", lambda: instance.api.get("/health").json()["redis"]["up"], 20)
    assert json.loads(run(instance, back))["connections"]["active"] == 1
    becomes(instance, "open", None)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("when", ["Daily", "Weekly", "Monthly"])
def test_the_maintenance_checklist(instance: Instance, when: str) -> None:
    for command in commands(PAGE, when):
        if command == "teimoso doctor" and instance.data.is_relative_to("/dev/shm"):
            # Files of tests lie in memory here, which is the one thing that is wrong with this instance.
            wrong = [
                each
                for each in run(instance, "teimoso doctor || true").splitlines()
                if each.startswith("fail")
            ]
            assert [each.split()[1:3] for each in wrong] == [["data", "directory"]]
        else:
            run(instance, command)
