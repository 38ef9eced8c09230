"""G2: kills before a retry receipt is answered: who cannot read a message gets it again, whatever dies."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import until
from tests.integration.whatsmeow.test_kills import outlived

if TYPE_CHECKING:
    from tests.integration.whatsmeow.conftest import Town

pytestmark = pytest.mark.timeout(180)

DIES = "before_call PairedAccount.sent"
"""The step at which the receipt is asked for and not answered: it has to wait at WhatsApp then."""


def test_who_cannot_read_a_message_gets_it_whatever_dies(town: Town) -> None:
    device = town.linked()
    town.goes_on(device)
    for victim in ("self", "program"):
        text = f"{DIES} {victim}"
        town.simulator.post(f"/contacts/{town.friend}/forget", account=town.number)
        device.arm(DIES, victim)
        device.begin(town.friend, text)
        device = outlived(town, device, victim, waits=True)
        until(partial(reads, town, text), 30)
        town.simulator.settled(town.number)
    town.goes_on(device)


def reads(town: Town, text: str) -> bool:
    return town.simulator.texts(town.friend).count(text) == 1
