from __future__ import annotations

import pytest

from actors.connection.protocol.receive import receipts
from actors.connection.protocol.receive.receipts import Receipt
from actors.connection.protocol.wire_format.nodes import Node

CONTACT = "15550100002:3@s.whatsapp.net"
MESSAGE = Node("message", {"id": "3EB0AA", "from": CONTACT, "type": "text", "t": "1700000000"})


@pytest.mark.parametrize(
    ("stanza", "attrs"),
    [
        pytest.param(MESSAGE, {"class": "message", "id": "3EB0AA", "to": CONTACT}, id="message"),
        pytest.param(
            Node("receipt", {"id": "1", "from": CONTACT, "type": "read", "recipient": "x@lid"}),
            {"class": "receipt", "id": "1", "to": CONTACT, "type": "read", "recipient": "x@lid"},
            id="receipt keeps its type",
        ),
        pytest.param(
            Node("message", {"id": "1", "from": "1@g.us", "participant": CONTACT, "type": "text"}),
            {"class": "message", "id": "1", "to": "1@g.us", "participant": CONTACT},
            id="group",
        ),
    ],
)
def test_ack(stanza: Node, attrs: dict[str, str]) -> None:
    assert receipts.ack(stanza) == Node("ack", attrs)


def test_a_nack_is_the_ack_with_an_error() -> None:
    stanza = Node("receipt", {"id": "1", "from": CONTACT, "type": "read", "recipient": "x@lid"})
    nack = receipts.nack(stanza, 487)
    assert nack.attrs == {**receipts.ack(stanza).attrs, "error": "487"}


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"t": "5"}, Receipt(("A",), "delivered", 5)),
        ({"t": "5", "type": "inactive"}, Receipt(("A",), None, 5)),
        ({"t": "5", "type": "read"}, Receipt(("A",), "read", 5)),
        ({"t": "5", "type": "played"}, Receipt(("A",), "read", 5)),
        ({"t": "5", "type": "retry"}, Receipt(("A",), "retry", 5)),
        ({"t": "5", "type": "sender"}, Receipt(("A",), None, 5)),
        ({"t": "5", "type": "read-self"}, Receipt(("A",), None, 5)),
        ({"t": "soon"}, Receipt(("A",), "delivered", 0)),
        ({}, Receipt(("A",), "delivered", 0)),
    ],
)
def test_read(attrs: dict[str, str], expected: Receipt) -> None:
    assert receipts.read(Node("receipt", {"id": "A", **attrs})) == expected


def test_read_a_list_of_ids() -> None:
    items = (Node("item", {"id": "B"}), Node("item", {"id": "C"}), Node("item"))
    stanza = Node("receipt", {"id": "A", "type": "read", "t": "5"}, (Node("list", {}, items),))
    assert receipts.read(stanza).message_ids == ("A", "B", "C")


def test_members_in_one_receipt_have_their_own_type_and_time() -> None:
    """A member or a message without one of its own has the stanza's."""
    ann, ben = "15550100003@s.whatsapp.net", "15550100004@lid"
    by_type = Node(
        "participants",
        {"key": "A"},
        [Node("user", {"jid": ann, "t": "8"}), Node("user", {"jid": ben})],
    )
    by_message = Node(
        "participants",
        {"message_id": "B", "key": "not this"},
        [
            Node("user", {"jid": ann, "t": "9", "type": "delivery"}),
            Node("user", {"jid": ben, "t": "10", "type": "played"}),
            Node("user", {"jid": ben, "type": "inactive"}),
            Node("user", {"type": "read"}),
        ],
    )
    bare = Node("participants", {}, [Node("user", {"jid": ann})])
    attrs = {"id": "C", "from": "1@g.us", "type": "read", "t": "7"}
    assert receipts.of_members(Node("receipt", attrs, (by_type, by_message, bare))) == [
        (ann, Receipt(("A",), "read", 8)),
        (ben, Receipt(("A",), "read", 7)),
        (ann, Receipt(("B",), "delivered", 9)),
        (ben, Receipt(("B",), "read", 10)),
        (ben, Receipt(("B",), None, 7)),
        (ann, Receipt(("C",), "read", 7)),
    ]
