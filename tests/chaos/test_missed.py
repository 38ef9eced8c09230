"""What arrives while the service is down is there after the start: all, once, in order (G5)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.instance import Instance
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.figures import Figure

pytestmark = pytest.mark.timeout(240)

CONNECTION, ACCOUNT = "shop", "15550100001"
CONTACTS = [f"1555017000{number}" for number in range(10)]
MISSED = 1000


def test_a_thousand_messages_that_came_while_all_was_dead(tmp_path: Path, figure: Figure) -> None:
    """Everything but WhatsApp is killed; people go on writing."""
    with Instance(tmp_path) as instance:
        instance.pair(CONNECTION, ACCOUNT)
        instance.say(CONTACTS[0], ACCOUNT, "before")
        until(
            "it is stored",
            lambda: instance.messages(connection=CONNECTION, direction="in") or None,
            15,
        )
        dead = instance.kill_everything(spare=[instance.process("simulator").pid])
        assert len(dead) > 5
        for number in range(MISSED):
            instance.say(CONTACTS[number % len(CONTACTS)], ACCOUNT, f"missed {number}")
        took = instance.up()
        begun = time.monotonic()
        until(
            "all are stored",
            lambda: len(stored(instance)) >= MISSED + 1 or None,
            60,
        )
        took += time.monotonic() - begun
        found = stored(instance)
        account = instance.simulator.get(f"/accounts/{ACCOUNT}").raise_for_status().json()
    figure(f"{MISSED} messages while everything was dead: all stored {took:.1f} s after `up`")
    for place, contact in enumerate(CONTACTS):
        texts = [item["text"] for item in found if item["chat"].startswith(contact)]
        expected = [f"missed {number}" for number in range(place, MISSED, len(CONTACTS))]
        assert texts == ["before", *expected] if place == 0 else texts == expected
    assert len(found) == MISSED + 1
    assert account["unacknowledged"] == 0


def stored(instance: Instance) -> list[dict[str, str]]:
    return instance.messages(connection=CONNECTION, direction="in", order="oldest", limit="500")
