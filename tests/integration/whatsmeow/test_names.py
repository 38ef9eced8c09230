"""G4: a chat that gets another name while a message of it waits; the message leaves at its place in that one's lane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.messages.content import Text, pack
from tests.conformance.processes import until
from tests.integration.whatsmeow.device import chat, minted

if TYPE_CHECKING:
    from tests.integration.whatsmeow.conftest import Town
    from tests.integration.whatsmeow.device import Device

pytestmark = pytest.mark.timeout(180)

WITHHELD = 6000
"""Milliseconds after which a message counts as not acknowledged."""


def begin(device: Device, to: str, text: str) -> str:
    id_ = minted()
    device.process.command(do="send", id=id_, chat=to, content=pack(Text(text)))
    return id_


def test_a_message_whose_chat_is_renamed_has_not_left(town: Town) -> None:
    """It waits for the ack of the one before it when the LID's number becomes known."""
    device = town.linked(whatsapp_ack_timeout=WITHHELD)
    concealed = town.simulator.fault(town.number, "conceal")
    town.simulator.say(town.friend, town.number, "hidden", addressing="lid")
    lid = device.until_pending("message", lambda one: bool(one["text"] == "hidden"))["chat"]
    assert lid.endswith("@lid")
    assert town.simulator.struck(concealed)
    town.simulator.http.delete(f"/faults?account={town.number}").raise_for_status()
    withheld = town.simulator.fault(town.number, "withhold_acks", count=1)
    first = begin(device, lid, "withheld")
    until(lambda: town.simulator.struck(withheld) > 0)
    second = begin(device, lid, "renamed meanwhile")
    town.simulator.say(town.friend, town.number, "known", addressing="lid")
    known = device.until_pending("message", lambda one: bool(one["text"] == "known"))
    assert known["chat"] == chat(town.friend)
    outcomes = [device.wait("failed") for _ in range(2)]
    assert [one["code"] for one in outcomes] == ["ack_timeout", "not_connected"]
    assert "renamed meanwhile" not in town.simulator.texts(town.friend)
    town.sent_again(device, "renamed meanwhile", second)
    found = [one["id"] for one in town.simulator.inbox(town.friend)]
    assert found == [first, second]
    town.goes_on(device)
