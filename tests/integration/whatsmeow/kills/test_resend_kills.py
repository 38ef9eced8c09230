"""G2: kills at each step of a retry receipt: who cannot read a message gets it again, whatever dies."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import until
from tests.integration.whatsmeow.kills.test_kills import outlived

if TYPE_CHECKING:
    from tests.integration.whatsmeow.conftest import Town

pytestmark = pytest.mark.timeout(180)

RESENDS = (
    ("before_call PairedAccount.sent", "self", 1, True),
    ("before_call PairedAccount.sent", "program", 1, True),
    ("after_reply found", "self", 1, False),
    ("after_reply found", "program", 1, False),
    ("before_call PairedAccount.sent", "self", 2, True),
    ("before_call PairedAccount.sent", "program", 2, True),
)
"""Each step, at which request for the message it is reached, and whether a receipt has to wait at WhatsApp then.

Else that is up to the program. The second request comes because the first one is answered on the session that the
contact lost; the kill is then one after the ack of the first.
"""


def test_who_cannot_read_a_message_gets_it_whatever_dies(town: Town) -> None:
    device = town.linked()
    town.goes_on(device)
    for dies, victim, at, waits in RESENDS:
        text = f"{dies} {victim} {at}"
        town.simulator.post(f"/contacts/{town.friend}/forget", account=town.number)
        device.arm(dies, victim, at)
        device.begin(town.friend, text)
        device = outlived(town, device, victim, waits=waits)
        until(partial(reads, town, text), 30)
        town.simulator.settled(town.number)
    town.goes_on(device)


def reads(town: Town, text: str) -> bool:
    return town.simulator.texts(town.friend).count(text) == 1
