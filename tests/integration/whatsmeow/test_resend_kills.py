"""G2: kills at each step of a retry receipt: who cannot read a message gets it again, whatever dies."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import until
from tests.integration.whatsmeow.test_kills import outlived

if TYPE_CHECKING:
    from tests.integration.whatsmeow.conftest import Town

pytestmark = pytest.mark.timeout(180)

RESENDS = (
    ("before_call PairedAccount.sent", "self", True),
    ("before_call PairedAccount.sent", "program", True),
    ("after_reply found", "self", False),
    ("after_reply found", "program", False),
)
"""Each step, and whether the receipt has to wait at WhatsApp then; else that is up to the program."""


def test_who_cannot_read_a_message_gets_it_whatever_dies(town: Town) -> None:
    device = town.linked()
    town.goes_on(device)
    for dies, victim, waits in RESENDS:
        text = f"{dies} {victim}"
        town.simulator.post(f"/contacts/{town.friend}/forget", account=town.number)
        device.arm(dies, victim)
        device.begin(town.friend, text)
        device = outlived(town, device, victim, waits=waits)
        until(partial(reads, town, text), 30)
        town.simulator.settled(town.number)
    town.goes_on(device)


def reads(town: Town, text: str) -> bool:
    return town.simulator.texts(town.friend).count(text) == 1
