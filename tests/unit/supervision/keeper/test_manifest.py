"""An instance remembers what it consists of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from supervision.keeper.manifest import Plan

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("plan", "roles"),
    [
        (Plan(8090), ("valkey", "ray", "root", "gateway")),
        (Plan(8090, simulate=True), ("valkey", "simulator", "ray", "root", "gateway")),
        (Plan(8090, valkey=False), ("ray", "root", "gateway")),
        (Plan(8090, valkey=False, ray=False), ("root", "gateway")),
    ],
)
def test_roles(plan: Plan, roles: tuple[str, ...]) -> None:
    assert plan.roles == roles


def test_it_is_remembered(tmp_path: Path) -> None:
    assert Plan.load(tmp_path) is None
    plan = replace(Plan(8090, simulate=True), control_port=1, settings_file="a").with_ports(
        {"b": 2}
    )
    plan.save(tmp_path)
    assert Plan.load(tmp_path) == plan
