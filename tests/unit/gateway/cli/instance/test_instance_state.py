"""When an instance is ready: all parts run, and what should be open is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.config.sources import resolve_settings
from actors.redis.leases.leases import Lease, Owner
from actors.state.connections import Connection
from gateway.cli.instance.instance_state import ConnectionStatus, addresses, lines_of, missing
from supervision.keeper.manifest import Plan
from supervision.keeper.parts import ray_head
from supervision.keeper.status_file import PartState
from supervision.reports.process_files import ProcessEntry

if TYPE_CHECKING:
    from pathlib import Path

PLAN = Plan(8090)
ROLES = ("keeper", "gateway", "valkey", "ray", "root", "queue", "state", "health")


def entries(*roles: str) -> list[ProcessEntry]:
    return [ProcessEntry(role, number, "now") for number, role in enumerate(roles, 1)]


def connection(desired: str = "running") -> Connection:
    return Connection("shop", "whatsmeow", None, desired, 0, 0, 0.0, False, None)  # type: ignore[arg-type]


def lease(state: str, pid: int | None) -> Lease:
    owner = None if pid is None else Owner("connection:a", pid, "here")
    return Lease("shop", 1, owner, state, None, 0.0, 0.0, 0, None)


def test_all_that_should_run_runs() -> None:
    assert missing(PLAN, entries(*ROLES), {}, []) == []


@pytest.mark.parametrize("role", ROLES)
def test_a_part_that_does_not_run_is_named(role: str) -> None:
    there = entries(*(other for other in ROLES if other != role))
    assert missing(PLAN, there, {}, []) == [f"{role} does not run"]


def test_of_what_was_stopped_no_part_is_named() -> None:
    assert missing(PLAN, [], {}, None) == ["nothing runs: `teimoso up` starts it"]


def test_a_part_that_is_not_ready_is_named() -> None:
    notes = {"gateway": PartState("gateway", "starting", 0.0)}
    assert missing(PLAN, entries(*ROLES), notes, []) == ["gateway is starting"]


def test_what_nobody_can_say_is_not_ready() -> None:
    assert missing(None, [], {}, []) == ["it was never started"]
    assert missing(PLAN, entries(*ROLES), {}, None) == ["the connections cannot be read"]


def test_addresses_are_those_of_what_runs(tmp_path: Path) -> None:
    plan = Plan(8090, ports={"ray_dashboard": 8265})
    assert addresses(tmp_path, plan, entries("gateway")) == {}, "it was never started"
    resolve_settings(data=tmp_path, port=9000).save()
    console, dashboard = "http://127.0.0.1:9000/", "http://127.0.0.1:8265"
    assert addresses(tmp_path, plan, entries("gateway", "ray")) == {
        "console": console,
        "dashboard": dashboard,
    }
    assert addresses(tmp_path, plan, entries("gateway")) == {"console": console}
    assert addresses(tmp_path, None, entries("ray")) == {}
    elsewhere = replace(plan, ray=False)
    assert addresses(tmp_path, elsewhere, entries("ray")) == {}
    (session := ray_head.temporary(tmp_path) / "session_latest").mkdir(parents=True)
    (session / "dashboard_agent.waiting").touch()
    assert addresses(tmp_path, plan, entries("ray")) == {}


@pytest.mark.parametrize(
    ("desired", "state", "owner_lives", "well", "why"),
    [
        ("running", "open", True, True, "as it should be"),
        ("running", "open", False, False, "a lease outlives its owner"),
        ("running", "pairing", True, True, "it waits for a person"),
        ("running", "connecting", True, False, "not yet"),
        ("running", "reconnecting", True, False, "not now"),
        ("running", "failed", False, False, "given up"),
        ("running", "logged_out", False, True, "only a person can go on"),
        ("stopped", "stopped", False, True, "nobody wants it"),
    ],
)
def test_a_connection(desired: str, state: str, owner_lives: bool, well: bool, why: str) -> None:
    tree = [ProcessEntry("connection", 7, "now", "shop")] if owner_lives else []
    [line] = lines_of([connection(desired)], {"shop": lease(state, 7)}, tree)
    assert line.well is well, why
    assert (missing(PLAN, entries(*ROLES), {}, [line]) == []) is well, why


def test_a_connection_that_nobody_serves_yet() -> None:
    [line] = lines_of([connection()], {}, [])
    assert line == ConnectionStatus("shop", "running", None, None)
    assert missing(PLAN, entries(*ROLES), {}, [line]) == ["connection shop has no process"]


def test_a_process_that_serves_another_connection_is_no_owner() -> None:
    tree = [ProcessEntry("connection", 7, "now", "kiosk")]
    [line] = lines_of([connection()], {"shop": lease("open", 7)}, tree)
    assert line.pid is None
