"""Switches of rules: an account's own counts, then that of all; they survive a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simulator.server.rules.properties import EVERYONE, Properties
from simulator.server.rules.switches import SWITCHES, Switches, UnknownRuleError
from simulator.store import Store

if TYPE_CHECKING:
    from pathlib import Path

ONE, OTHER = "15550100001", "15550100002"
RULE = SWITCHES[0]


@pytest.mark.parametrize(
    ("own", "all_of_them", "on"),
    [
        (None, None, False),
        (None, True, True),
        (None, False, False),
        (True, None, True),
        (True, False, True),
        (False, True, False),
    ],
)
def test_the_own_switch_counts_first(
    tmp_path: Path, own: bool | None, all_of_them: bool | None, on: bool
) -> None:
    store = Store(tmp_path / "simulator.db")
    switches = Switches(Properties(store))
    switches.turn(ONE, RULE, own)
    switches.turn(EVERYONE, RULE, all_of_them)
    assert switches.on(RULE, ONE) is on
    assert switches.on(RULE, OTHER) is bool(all_of_them)
    assert switches.described(ONE)[RULE] is on
    store.close()
    store = Store(tmp_path / "simulator.db")
    assert Switches(Properties(store)).on(RULE, ONE) is on
    store.close()


def test_a_switch_of_a_failed_transaction_is_none(tmp_path: Path) -> None:
    store = Store(tmp_path / "simulator.db")
    switches = Switches(Properties(store))

    def fail() -> None:
        with store.transaction():
            switches.turn(ONE, RULE, on=True)
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        fail()
    assert not switches.on(RULE, ONE)
    store.close()


def test_a_rule_that_is_not_there(tmp_path: Path) -> None:
    store = Store(tmp_path / "simulator.db")
    with pytest.raises(UnknownRuleError, match=RULE):
        Switches(Properties(store)).turn(ONE, "smell", on=True)
    store.close()
