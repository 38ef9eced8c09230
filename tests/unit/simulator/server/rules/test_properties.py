"""Properties of numbers: kept, cached, and gone with a transaction that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from simulator.server_state import ServerState

NUMBER = "15550100001"


def test_a_failed_transaction_changes_none(world: ServerState) -> None:
    world.properties.change(NUMBER, {"chat_cap": 3})

    def fail() -> None:
        with world.store.transaction():
            world.properties.change(NUMBER, {"chat_cap": 9, "migrated": False})
            assert world.properties.value(NUMBER, "chat_cap") == 9
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert world.properties.value(NUMBER, "chat_cap") == 3
    assert world.properties.value(NUMBER, "migrated") is True
