"""Stanzas about groups, as whatsmeow (group.go) and Baileys (groups.ts) have them, and what their answers say."""

from __future__ import annotations

from typing import Any

import pytest

from actors.connection.abilities.administration import InvitedGroup, JoinedGroup
from actors.connection.native.administration.group_requests import (
    NativeGroupRequests,
    setting_node,
)
from actors.connection.protocol.administration.group_administration import Answered, Named
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.request_errors import RequestFailed
from actors.connection.protocol.wire_format.nodes import Node

GROUP = Address.parse("120363000000000001@g.us")
ANA, ANA_LID = Address.parse("15550100002@s.whatsapp.net"), Address.parse("90000000000002@lid")
BEN = Address.parse("15550100003@s.whatsapp.net")


class Wire:
    def __init__(self, *answers: Node) -> None:
        self.asked: list[Node] = []
        self.answers = list(answers)

    async def request(self, node: Node) -> Node:
        self.asked.append(node)
        return self.answers.pop(0)


def asked(*answers: Node) -> tuple[NativeGroupRequests, Wire]:
    wire: Any = Wire(*answers)
    return NativeGroupRequests(wire), wire


def reply(*parts: Node) -> Node:
    return Node("iq", {"type": "result"}, parts)


async def test_creates_a_group() -> None:
    group = Node(
        "group",
        {"id": GROUP.user, "subject": "Chess"},
        (
            Node("participant", {"jid": str(ANA_LID), "phone_number": str(ANA)}),
            Node("participant", {"jid": str(BEN), "error": "403"}),
            Node("participant", {"jid": "nobody"}),
        ),
    )
    requests, wire = asked(reply(group))
    made = await requests.create("Chess", [Named(ANA_LID, ANA), Named(BEN)])
    assert made == (
        GROUP,
        "Chess",
        [Answered((ANA_LID, ANA)), Answered((BEN,), 403), Answered(())],
    )
    (iq,) = wire.asked
    assert iq.attrs == {"to": "@g.us", "type": "set", "xmlns": "w:g2"}
    assert iq.children() == [
        Node(
            "create",
            {"subject": "Chess"},
            (
                Node("participant", {"jid": str(ANA_LID), "phone_number": str(ANA)}),
                Node("participant", {"jid": str(BEN)}),
            ),
        )
    ]


@pytest.mark.parametrize(
    ("setting", "value", "node"),
    [
        ("subject", "Us ☕", Node("subject", {}, "Us ☕".encode())),
        ("announce", True, Node("announcement")),
        ("announce", False, Node("not_announcement")),
        ("locked", True, Node("locked")),
        ("locked", False, Node("unlocked")),
        ("ephemeral", 86400, Node("ephemeral", {"expiration": "86400"})),
        ("ephemeral", 0, Node("not_ephemeral")),
        ("member_add_mode", "all", Node("member_add_mode", {}, b"all_member_add")),
        ("member_add_mode", "admins", Node("member_add_mode", {}, b"admin_add")),
        (
            "approval",
            True,
            Node("membership_approval_mode", {}, (Node("group_join", {"state": "on"}),)),
        ),
        (
            "approval",
            False,
            Node("membership_approval_mode", {}, (Node("group_join", {"state": "off"}),)),
        ),
    ],
)
async def test_each_setting_has_its_stanza(setting: str, value: Any, node: Node) -> None:
    assert setting_node(setting, value) == node
    requests, wire = asked(reply())
    await requests.set(GROUP, setting, value)
    (iq,) = wire.asked
    assert (iq.attrs["to"], iq.attrs["type"], iq.children()) == (str(GROUP), "set", [node])


@pytest.mark.parametrize(
    ("before", "text", "attrs", "parts"),
    [
        ({}, "Now", {}, (Node("body", {}, b"Now"),)),
        ({"id": "OLD"}, "Now", {"prev": "OLD"}, (Node("body", {}, b"Now"),)),
        ({"id": "OLD"}, "", {"prev": "OLD", "delete": "true"}, ()),
    ],
)
async def test_a_description_names_the_one_before_it(
    before: dict[str, str], text: str, attrs: dict[str, str], parts: tuple[Node, ...]
) -> None:
    known = (Node("description", before, (Node("body", {}, b"Then"),)),) if before else ()
    requests, wire = asked(reply(Node("group", {"id": GROUP.user}, known)), reply())
    await requests.set(GROUP, "description", text)
    get, iq = wire.asked
    assert get.attrs["type"] == "get"
    (found,) = iq.children()
    number = found.attrs.pop("id")
    assert number.startswith("3EB0")
    assert (found.tag, found.attrs, tuple(found.children())) == ("description", attrs, parts)


@pytest.mark.parametrize("action", ["add", "remove", "promote", "demote"])
async def test_changes_members(action: Any) -> None:
    answer = Node(action, {}, (Node("participant", {"jid": str(BEN), "error": "409"}),))
    requests, wire = asked(reply(answer))
    assert await requests.change_members(GROUP, action, [Named(BEN)]) == [Answered((BEN,), 409)]
    (iq,) = wire.asked
    assert iq.attrs["to"] == str(GROUP)
    assert iq.children() == [Node(action, {}, (Node("participant", {"jid": str(BEN)}),))]


@pytest.mark.parametrize(("revoke", "kind"), [(False, "get"), (True, "set")])
async def test_an_invitation_is_asked_for_or_made_anew(revoke: bool, kind: str) -> None:
    requests, wire = asked(reply(Node("invite", {"code": "CODE"})))
    assert await requests.invite_code(GROUP, revoke=revoke) == "CODE"
    assert (wire.asked[0].attrs["type"], wire.asked[0].attrs["to"]) == (kind, str(GROUP))


async def test_shows_the_group_of_an_invitation() -> None:
    description = Node("description", {"id": "A"}, (Node("body", {}, b"Every Tuesday"),))
    group = Node("group", {"id": GROUP.user, "subject": "Us", "size": "3"}, (description,))
    requests, wire = asked(reply(group))
    assert await requests.invited("CODE") == InvitedGroup(str(GROUP), "Us", "Every Tuesday", 3)
    (iq,) = wire.asked
    assert (iq.attrs["to"], iq.attrs["type"]) == ("@g.us", "get")
    assert iq.children() == [Node("invite", {"code": "CODE"})]


@pytest.mark.parametrize(
    ("part", "pending"), [("group", False), ("membership_approval_request", True)]
)
async def test_joins_the_group_of_an_invitation(part: str, pending: bool) -> None:
    requests, wire = asked(reply(Node(part, {"jid": str(GROUP)})))
    assert await requests.join("CODE") == JoinedGroup(str(GROUP), pending=pending)
    (iq,) = wire.asked
    assert (iq.attrs["to"], iq.attrs["type"]) == ("@g.us", "set")
    assert iq.children() == [Node("invite", {"code": "CODE"})]


async def test_leaves_a_group() -> None:
    requests, wire = asked(reply(Node("leave")))
    await requests.leave(GROUP)
    (iq,) = wire.asked
    assert iq.attrs["to"] == "@g.us"
    assert iq.children() == [Node("leave", {}, (Node("group", {"id": str(GROUP)}),))]


async def test_an_answer_without_its_part_is_a_failure() -> None:
    """It may have been done."""
    for answer in (reply(), reply(Node("group", {"id": str(BEN)})), reply(Node("group"))):
        requests, _ = asked(answer)
        with pytest.raises(RequestFailed) as caught:
            await requests.create("Chess", [Named(BEN)])
        assert caught.value.code == 0
