"""G2, G5: kills at each step of receipts that come, and of read marks that leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import until
from tests.integration.whatsmeow.device import chat
from tests.integration.whatsmeow.kills.test_kills import outlived

if TYPE_CHECKING:
    from tests.integration.whatsmeow.conftest import Town
    from tests.integration.whatsmeow.device import Device

pytestmark = pytest.mark.timeout(180)

COUNT, AT = 20, 7

RECEIPTS = (
    ("before_commit Inbox.add_receipt", "self"),
    ("after_commit Inbox.add_receipt", "self"),
    ("after_commit Inbox.add_receipt", "program"),
    ("after_answer receipt", "self"),
    ("after_answer receipt", "program"),
)


def test_each_receipt_is_there_whatever_dies(town: Town) -> None:
    """Each message has been read at the end, though one receipt may be there twice."""
    town.simulator.post(f"/contacts/{town.friend}", delivered_after=0.5, read_after=0.5)
    device = town.linked()
    town.goes_on(device)
    for dies, victim in RECEIPTS:
        ids = {device.send(town.friend, f"{dies} {victim} {number}") for number in range(COUNT)}
        device.arm(dies, victim, AT)
        device = outlived(town, device, victim, waits=True)
        all_read(device, ids)
        town.simulator.settled(town.number)
    town.goes_on(device)


def all_read(device: Device, ids: set[str]) -> None:
    """Waits until the inbox has read receipts for all of these messages."""

    def look() -> bool:
        found = [one for one in device.pending("receipt") if one["status"] == "read"]
        return {id_ for one in found for id_ in one["message_ids"]} >= ids

    until(look, 30)


MARKS = (
    ("before_ask read", "self", 0),
    ("before_ask read", "program", 0),
    ("after_ask read", "self", COUNT),
    ("after_ask read", "program", COUNT),
    ("before_commit UnreadMessages.forget", "self", COUNT),
    ("after_commit UnreadMessages.forget", "self", COUNT),
)
"""Each step, with the number of messages that their author then sees as read."""


def test_marks_leave_before_they_are_forgotten(town: Town) -> None:
    """A mark that was cut off leaves once more when it is asked for again, and no mark is left then."""
    device = town.linked()
    for dies, victim, known in MARKS:
        ids = [town.say(f"text {each}") for each in range(COUNT)]
        device.has_message(ids[-1])
        device.arm(dies, victim)
        mark(device, town)
        device = outlived(town, device, victim)
        shown_as_read(town, ids, known)
        forgotten = dies.startswith("after_commit") or (known and victim == "program")
        assert device.rows("unread") == (0 if forgotten else COUNT), dies
        mark(device, town)
        device.wait("marked")
        shown_as_read(town, ids, COUNT)
        assert device.rows("unread") == 0, dies
    town.goes_on(device)


def mark(device: Device, town: Town) -> None:
    device.process.command(do="mark", chat=chat(town.friend), show_online=True)


def shown_as_read(town: Town, ids: list[str], count: int) -> None:
    """Waits until the friend sees so many of these messages as read, no more and no fewer."""

    def look() -> bool:
        items = town.simulator.http.get(f"/contacts/{town.friend}/said").json()["items"]
        return sum(one["read"] for one in items if one["id"] in ids) == count

    until(look)
