from __future__ import annotations

import pytest

from actors.connection.native.identities import usync
from actors.connection.native.identities.usync import Listed
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.wire_format.nodes import Node

PERSON = Address.parse("15550100002@s.whatsapp.net")
OTHER = Address.parse("15550100003@s.whatsapp.net")
LID = "90000000000002@lid"
IN = Node("contact", {"type": "in"})


def reply(*users: Node) -> Node:
    return Node("iq", {"type": "result"}, (Node("usync", {}, (Node("list", {}, users),)),))


def user(*parts: Node, jid: str = str(PERSON)) -> Node:
    return Node("user", {"jid": jid}, parts)


def devices(*numbers: str) -> Node:
    listed = tuple(Node("device", {"id": number}) for number in numbers)
    return Node("devices", {}, (Node("device-list", {}, listed),))


def hosted() -> Node:
    said = Node("device", {"id": "98", "is_hosted": "true", "key-index": "7"})
    listed = (Node("device", {"id": "0"}), said, Node("device", {"id": "99"}))
    return Node("devices", {}, (Node("device-list", {}, listed),))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(
            reply(user(devices("0", "3"), Node("lid", {"val": "90000000000002@lid"}))),
            {PERSON: Listed((0, 3), Address.parse("90000000000002@lid"))},
            id="two devices and a LID",
        ),
        pytest.param(
            reply(user(devices("0"), jid="15550100002:0@s.whatsapp.net")),
            {PERSON: Listed((0,), None)},
            id="named with a device part",
        ),
        pytest.param(reply(user()), {PERSON: Listed((), None)}, id="not known"),
        pytest.param(reply(user(devices("x", "²"))), {PERSON: Listed((), None)}, id="no numbers"),
        pytest.param(reply(user(devices("0"), jid="?")), {}, id="nobody"),
        pytest.param(
            reply(user(devices("3", "256", "100000", "9" * 5000, "3"))),
            {PERSON: Listed((3,), None)},
            id="numbers that no device has",
        ),
        pytest.param(Node("iq"), {}, id="empty"),
        pytest.param(
            reply(
                user(
                    Node(
                        "devices",
                        {},
                        (
                            Node(
                                "device-list",
                                {},
                                (
                                    Node("device", {"id": "0"}),
                                    Node("device", {"id": "3", "key-index": "7"}),
                                ),
                            ),
                            Node("key-index-list", {"ts": "1"}, b"signed"),
                        ),
                    )
                )
            ),
            {PERSON: Listed((0, 3), None, {3: 7}, b"signed")},
            id="with the phone's signature",
        ),
        pytest.param(
            reply(user(hosted())),
            {PERSON: Listed((0,), None, hosted=(98, 99))},
            id="hosted by Meta, as said or by its number",
        ),
    ],
)
def test_device_lists(answer: Node, expected: dict[Address, Listed]) -> None:
    assert usync.devices_answer(answer) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(reply(user(IN)), PERSON, id="the number"),
        pytest.param(reply(user(IN, jid="15550100003@s.whatsapp.net")), OTHER, id="another one"),
        pytest.param(
            reply(Node("user", {"jid": LID, "pn_jid": "15550100003@s.whatsapp.net"}, (IN,))),
            OTHER,
            id="beside a LID",
        ),
        pytest.param(reply(Node("user", {"pn_jid": str(OTHER)}, (IN,))), OTHER, id="alone"),
        pytest.param(reply(user(IN, jid=LID)), PERSON, id="a LID alone"),
        pytest.param(reply(Node("user", {}, (IN,))), PERSON, id="unnamed"),
        pytest.param(reply(user(Node("contact", {"type": "out"}))), None, id="nobody"),
        pytest.param(reply(), None, id="empty"),
    ],
)
def test_contacts(answer: Node, expected: Address | None) -> None:
    assert usync.contact_answer(answer, PERSON) == expected


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (reply(user(IN)), True),
        (reply(Node("user", {"jid": LID, "pn_jid": str(OTHER)}, (IN,))), True),
        (reply(user(IN, jid=LID)), False),
        (reply(Node("user", {}, (IN,))), False),
    ],
)
def test_whether_an_answer_names_a_number(answer: Node, *, named: bool) -> None:
    """Else a number that was learnt to be another's stays that."""
    assert usync.names_number(answer) is named


def test_queries_name_who_is_asked_about() -> None:
    asked = usync.devices_query([Address.parse("15550100002:7@s.whatsapp.net")])
    assert asked.attrs == {"to": "@s.whatsapp.net", "type": "get", "xmlns": "usync"}
    (part,) = asked.children()
    listing = part.child("list")
    assert listing is not None
    assert [one.attrs for one in listing.children()] == [{"jid": str(PERSON)}]
    (part,) = usync.contacts_query(PERSON).children()
    listing = part.child("list")
    assert listing is not None
    assert listing.children()[0].bytes_of("contact") == b"+15550100002"


def test_two_lists_of_one_person_are_one() -> None:
    first = Listed((0,), None, {}, b"", (99,))
    second = Listed((0, 3), Address.parse("90000000000002@lid"), {3: 7}, b"signed")
    joined = Listed((0, 3), second.lid, {3: 7}, b"signed", (99,))
    assert first.joined(second) == joined == second.joined(first)
