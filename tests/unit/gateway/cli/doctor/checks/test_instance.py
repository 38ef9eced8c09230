"""Findings on an instance that starts, and on one whose parts fell."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.cli.doctor.check_result import fail, ok
from gateway.cli.doctor.checks.instance import WAIT, excused, instance
from gateway.cli.instance.instance_state import InstanceState
from supervision.keeper.status_file import PartState
from supervision.reports.process_files import ProcessEntry

PARTS = ("valkey", "simulator", "ray", "root", "gateway")


def seen(missing: list[str], **states: dict[str, Any]) -> InstanceState:
    """An instance whose parts are ready but for `states`, a moment ago where nothing else is said."""
    notes = {
        role: PartState(
            **{"role": role, "state": "ready", "since": time.time(), **states.get(role, {})}
        )
        for role in PARTS
    }
    entries = [
        ProcessEntry(role, 1, "now") for role in ("keeper", "root", "queue", "state", "health")
    ]
    return InstanceState(entries, {}, notes, [], missing)


def test_an_instance_that_starts_is_to_be_waited_for() -> None:
    found = instance(
        seen(["ray does not run"], ray={"state": "starting"}, root={"state": "waiting"})
    )
    assert (found.result, found.do) == ("warn", WAIT)
    assert found.found == "it is starting: ray does not run"


@pytest.mark.parametrize(
    ("role", "log"), [("ray", "ray"), ("root", "ray_task"), ("gateway", "gateway")]
)
@pytest.mark.parametrize(
    "state",
    [
        {"state": "starting", "falls": 1},
        {"state": "fallen", "falls": 1},
        {"state": "starting", "attached": True, "since": time.time() - 60},
        {"state": "starting", "since": 1.0},
    ],
)
def test_a_part_that_was_there_or_does_not_come_is_a_failure(
    role: str, log: str, state: dict[str, Any]
) -> None:
    found = instance(seen([f"{role} does not run"], **{role: state}))
    assert (found.result, found.found) == ("fail", f"{role} does not run")
    assert f"`logs/{log}.log`" in str(found.do)


def test_a_part_that_ran_before_its_keeper_is_looked_at_first() -> None:
    assert instance(seen(["?"], ray={"state": "starting", "attached": True})).do == WAIT


def test_only_what_fell_is_said_to_be_restarted() -> None:
    slow = instance(seen(["?"], valkey={"state": "starting", "since": 1.0}))
    fell = instance(seen(["?"], valkey={"state": "fallen", "falls": 1}))
    assert slow.do == "`logs/valkey.log` may say why it does not run"
    assert fell.do == f"the keeper restarts it; {slow.do}"


def test_a_part_that_waits_for_one_that_fell_does_not_start() -> None:
    found = instance(
        seen(["?"], simulator={"state": "fallen", "falls": 1}, gateway={"state": "waiting"})
    )
    assert found.result == "fail"
    assert "logs/simulator.log" in str(found.do)
    assert "gateway" not in str(found.do)


def test_a_connection_that_is_not_open_is_no_failure() -> None:
    assert instance(seen(["connection shop is connecting"])).result == "warn"
    assert instance(seen([])) == ok("instance", "ready")


@pytest.mark.parametrize(("check", "part"), [("ray", "ray"), ("redis", "valkey")])
def test_a_failure_is_excused_while_its_part_is_in_its_first_start(check: str, part: str) -> None:
    failure = fail(check, "no answer", "mend it")
    [found] = excused([failure], seen([], **{part: {"state": "starting"}}))
    assert (found.check, found.result, found.do) == (check, "warn", WAIT)
    assert found.found == f"no answer: {part} is starting"
    for state in ({"state": "starting", "falls": 1}, {"state": "starting", "since": 1.0}, {}):
        assert excused([failure], seen([], **{part: state})) == [failure]


def test_a_failure_of_something_else_is_not_excused() -> None:
    findings = [fail("state store", "no answer", "mend it"), ok("redis", "it answers")]
    states = {part: {"state": "starting"} for part in PARTS}
    assert excused(findings, seen([], **states)) == findings
    without_keeper = InstanceState([], {}, {}, [], [])
    assert excused(findings[:1], without_keeper) == findings[:1]
