"""Proper answers as a table: stanza, answer, and the reasons against it."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.server.delivery.answer_validation import reasons_against
from simulator.wire.protocol_library import JID, LID_SERVER, Node

FRIEND = JID("15550100002")
DESK = JID("15550100002", device=3)
OWN = JID("15550100001", device=1)
HIDDEN = JID("100000000000009", LID_SERVER, 3)
GROUP = JID("120363000000000001", "g.us")

MESSAGE = {"from": DESK, "id": "M1", "type": "text"}
IN_GROUP = {"from": GROUP, "participant": HIDDEN, "id": "M1", "type": "text"}
COPY = {"from": OWN, "recipient": FRIEND, "id": "M1", "type": "text"}
RECEIPT = {"from": DESK, "id": "M1", "type": "read"}
COUNT = {"from": JID(""), "id": "7", "type": "encrypt"}


def receipt(kind: str = "", **attrs: Any) -> Any:
    return Node("receipt", {"id": "M1", **({"type": kind} if kind else {}), **attrs})


def ack(kind: str, **attrs: Any) -> Any:
    return Node("ack", {"class": kind, "id": "M1", **attrs})


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        *(
            (receipt(kind, to=DESK), [])
            for kind in ("", "inactive", "sender", "peer_msg", "hist_sync")
        ),
        (receipt("retry", to=DESK), ["retry alone"]),
        (receipt("read", to=DESK), ["read alone"]),
        (receipt(to=FRIEND), ["another to"]),
        (receipt(), ["another to"]),
        (ack("message", to=DESK), []),
        (ack("message", to=DESK, type="text"), []),
        (ack("receipt", to=DESK), ["class receipt"]),
        (ack("", to=DESK), ["class missing"]),
        *((ack("message", to=DESK, error=code), []) for code in (487, 488, 491, 495, 500, 552)),
        (ack("message", to=DESK, error=404), ["error 404"]),
        (ack("message", error="what"), ["error what", "another to"]),
    ],
)
def test_a_message(answer: Any, reasons: list[str]) -> None:
    assert reasons_against(Node("message", MESSAGE), answer) == reasons


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        (receipt(to=GROUP, participant=HIDDEN), []),
        (ack("message", to=GROUP, participant=HIDDEN), []),
        (receipt(to=GROUP), ["no participant"]),
        (receipt(to=GROUP, participant=JID(HIDDEN.user, LID_SERVER)), ["another participant"]),
        (receipt(to=HIDDEN, participant=HIDDEN), ["another to"]),
    ],
)
def test_a_message_in_a_group(answer: Any, reasons: list[str]) -> None:
    assert reasons_against(Node("message", IN_GROUP), answer) == reasons


@pytest.mark.parametrize(
    ("answer", "reasons", "contested"),
    [
        (receipt("sender", to=OWN, recipient=FRIEND), [], []),
        (receipt("sender", to=OWN), ["no recipient"], ["no recipient"]),
        (ack("message", to=OWN, recipient=FRIEND), [], ["no receipt of type sender"]),
    ],
)
def test_a_copy_of_an_own_message(answer: Any, reasons: list[str], contested: list[str]) -> None:
    stanza = Node("message", COPY)
    assert reasons_against(stanza, answer) == reasons
    assert reasons_against(stanza, answer, own_copies=True) == contested


@pytest.mark.parametrize(
    ("attrs", "answer", "reasons"),
    [
        (RECEIPT, ack("receipt", to=DESK, type="read"), []),
        (RECEIPT, ack("receipt", to=DESK), ["type missing"]),
        (RECEIPT, ack("message", to=DESK, type="read"), ["class message"]),
        (RECEIPT, receipt("read", to=DESK), ["a receipt"]),
        (RECEIPT, ack("receipt", to=FRIEND, type="read"), ["another to"]),
        # whatsapp-rust leaves out a participant that is the sender (its `ack_participant`)
        (RECEIPT | {"participant": DESK}, ack("receipt", to=DESK, type="read"), []),
    ],
)
def test_a_receipt(attrs: dict[str, Any], answer: Any, reasons: list[str]) -> None:
    assert reasons_against(Node("receipt", attrs), answer) == reasons


@pytest.mark.parametrize("given", ["", "encrypt"])
def test_an_encrypt_notification_with_and_without_its_type(given: str) -> None:
    answer = ack("notification", to=JID(""), **({"type": given} if given else {}))
    assert reasons_against(Node("notification", COUNT), answer) == []
    other = Node("notification", COUNT | {"type": "devices"})
    assert bool(reasons_against(other, answer))
