"""The keeper before it starts anything."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from actors.config.settings import Settings
from supervision.keeper.keeper import Keeper
from supervision.keeper.manifest import Plan
from supervision.keeper.parts import ports

if TYPE_CHECKING:
    from pathlib import Path


def test_no_part_is_given_a_port_that_was_asked_for_the_api_or_the_simulator(
    tmp_path: Path,
) -> None:
    """With `PORT=0` the API's is the first that the instance may have: Valkey had it, too."""
    first, second = islice(ports.candidates(tmp_path), 2)
    settings = Settings.model_validate({"TEIMOSO_DATA": tmp_path})
    kept = Keeper(tmp_path, settings, Plan(port=first, control_port=second, simulate=True))
    assert len(set(kept.plan.ports.values())) == len(ports.PORT_NAMES)
    assert not {first, second} & set(kept.plan.ports.values())
