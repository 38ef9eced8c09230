"""Stanzas about pictures, blocked people and the own text, as whatsmeow (user.go) and Baileys (chats.ts) have them."""

from __future__ import annotations

from typing import Any

import pytest

from actors.connection.engine import SendError
from actors.connection.native.administration.profile_requests import NativeProfileRequests
from actors.connection.protocol.administration.group_administration import Named
from actors.connection.protocol.administration.profile_administration import FoundPicture
from actors.connection.protocol.identities.addresses import SERVER, Address
from actors.connection.protocol.request_errors import RequestFailed
from actors.connection.protocol.wire_format.nodes import Node
from tests.unit.actors.connection.native.administration.test_group_requests import Wire, reply

GROUP = Address.parse("120363000000000001@g.us")
ANA, ANA_LID = Address.parse("15550100002@s.whatsapp.net"), Address.parse("90000000000002@lid")


def asked(*answers: Node) -> tuple[NativeProfileRequests, Wire]:
    wire: Any = Wire(*answers)
    return NativeProfileRequests(wire), wire


def users(*users: Node) -> Node:
    return reply(Node("usync", {}, (Node("list", {}, users),)))


async def test_a_picture_is_asked_for_by_its_address() -> None:
    found = Node("picture", {"id": "7", "url": "https://example.com/p", "type": "image"})
    requests, wire = asked(reply(found))
    assert await requests.picture(ANA) == FoundPicture("7", "https://example.com/p")
    (iq,) = wire.asked
    assert iq.attrs == {
        "to": SERVER,
        "target": str(ANA),
        "type": "get",
        "xmlns": "w:profile:picture",
    }
    assert iq.children() == [Node("picture", {"type": "image", "query": "url"})]


@pytest.mark.parametrize("part", [Node("picture", {"id": "7"}), Node("other")])
async def test_an_answer_without_an_address_is_no_picture(part: Node) -> None:
    requests, _ = asked(reply(part))
    with pytest.raises(RequestFailed) as caught:
        await requests.picture(ANA)
    assert caught.value.code == 404


@pytest.mark.parametrize(("group", "target"), [(GROUP, {"target": str(GROUP)}), (None, {})])
@pytest.mark.parametrize("jpeg", [b"\xff\xd8", None])
async def test_a_picture_is_set_or_removed(
    group: Address | None, target: dict[str, str], jpeg: bytes | None
) -> None:
    requests, wire = asked(reply())
    await requests.set_picture(group, jpeg)
    (iq,) = wire.asked
    assert iq.attrs == {
        "to": SERVER,
        "type": "set",
        "xmlns": "w:profile:picture",
        **target,
    }
    assert iq.children() == ([] if jpeg is None else [Node("picture", {"type": "image"}, jpeg)])


async def test_blocked_people_are_named_by_number_where_the_answer_has_it() -> None:
    items = (
        Node("item", {"jid": str(ANA_LID), "pn_jid": str(ANA)}),
        Node("item", {"jid": "90000000000003@lid"}),
        Node("item", {"jid": str(GROUP)}),
        Node("item"),
    )
    requests, wire = asked(reply(Node("list", {"dhash": "1"}, items)))
    assert await requests.blocked() == [ANA, Address.parse("90000000000003@lid")]
    assert wire.asked[0].attrs["xmlns"] == "blocklist"


@pytest.mark.parametrize(
    ("blocked", "attrs"),
    [(True, {"action": "block", "pn_jid": str(ANA)}), (False, {"action": "unblock"})],
)
async def test_a_person_is_blocked_by_lid_and_number(blocked: bool, attrs: dict[str, str]) -> None:
    item = Node("item", {"jid": str(ANA_LID), **attrs})
    requests, wire = asked(reply())
    assert await requests.block(Named(ANA_LID, ANA), blocked=blocked) is None
    assert [each.children() for each in wire.asked] == [[item]]
    lid = Node("user", {"jid": str(ANA)}, (Node("lid", {"val": str(ANA_LID)}),))
    requests, wire = asked(users(lid), reply())
    assert await requests.block(Named(ANA), blocked=blocked) == ANA_LID
    assert wire.asked[-1].children() == [item]


async def test_nobody_can_be_blocked_who_is_not_on_whatsapp() -> None:
    requests, wire = asked(users())
    with pytest.raises(RequestFailed) as caught:
        await requests.block(Named(ANA), blocked=True)
    assert (caught.value.code, len(wire.asked)) == (404, 1)


async def test_the_own_text_is_read_and_set() -> None:
    user = Node("user", {"jid": str(ANA)}, (Node("status", {"t": "5"}, "At work ☕".encode()),))
    requests, wire = asked(users(user), users(), reply())
    assert await requests.about(ANA) == "At work ☕"
    assert await requests.about(ANA) == ""
    await requests.set_about("Away ☕")
    assert wire.asked[0].attrs["xmlns"] == "usync"
    iq = wire.asked[-1]
    assert (iq.attrs["xmlns"], iq.attrs["type"]) == ("status", "set")
    assert iq.children() == [Node("status", {}, "Away ☕".encode())]


async def test_the_name_is_not_this_engines_to_change() -> None:
    requests, wire = asked()
    with pytest.raises(SendError, match="unsupported_by_engine"):
        await requests.set_name("Shop")
    assert wire.asked == []
