"""G2, G10: a member whom a group's message missed at first gets it, and may ask for it again, whatever dies between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.processes import until
from tests.integration.whatsmeow.kills.test_kills import outlived

if TYPE_CHECKING:
    from tests.integration.whatsmeow.conftest import Town

pytestmark = pytest.mark.timeout(180)

NOTED = [
    ("self", "before_commit Groups.expect_receipts", 2),
    *(
        (victim, dies, at)
        for victim in ("self", "program")
        for dies, at in (
            ("after_commit Groups.expect_receipts", 2),
            ("before_answer recipients", 1),
            ("after_answer recipients", 1),
            ("after_ack send", 1),
        )
    ),
]
"""The first note of a message's recipients is of those whom the session knows, the second of those it missed."""


@pytest.mark.parametrize(("victim", "dies", "at"), NOTED)
def test_who_was_missed_at_first_gets_it_and_may_ask_again(
    town: Town, victim: str, dies: str, at: int
) -> None:
    device, late = town.linked(), f"{town.friend}7"
    people = {"creator": town.friend, "participants": [town.number]}
    group = town.simulator.post("/groups", subject="Us", **people)["id"]
    device.said(town.friend, {"text": "hello"}, group)
    before = device.send(group, "before")
    town.simulator.settled(town.number)
    town.simulator.post(f"/groups/{group}/participants", add=[late], notify=False)
    device.arm(dies, victim, at)
    missed = device.begin(group, "welcome")
    device = outlived(town, device, victim)
    town.sent_again(device, "welcome", missed, group)
    until(lambda: came(town, late) == {missed: "welcome"})
    town.simulator.settled(town.number)
    times = deliveries(town, late)
    for wanted in (before, missed):
        asked = {"by": late, "account": town.number, "message_id": wanted}
        town.simulator.post(f"/groups/{group}/retry", **asked)
    until(lambda: deliveries(town, late) == times + 1)
    town.simulator.settled(town.number)
    assert came(town, late) == {missed: "welcome"}


def came(town: Town, who: str) -> dict[str, Any]:
    """Returns what came to somebody: the texts by their ids."""
    return {one["id"]: one["text"] for one in town.simulator.inbox(who)}


def deliveries(town: Town, who: str) -> int:
    return sum(one["deliveries"] for one in town.simulator.inbox(who))
