"""A number that another one answers for: a lookup finds the other, and nothing is under the asked one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator.control.api import application
from simulator.server.rules.number_redirects import NumberRedirects
from simulator.server.rules.properties import Properties
from simulator.wire.protocol_library import JID, Node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND, ASKED = "15550100001", "15550100002", "155501000029"


@pytest.fixture
async def http(world: ServerState) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(world, str))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
        made = await client.post(f"/contacts/{ASKED}", json={"answered_by": f"+{FRIEND}"})
        assert (made.json()["answered_by"], made.json()["registered"]) == (FRIEND, False)
        yield client


async def found(device: Device, user: Node, *protocols: Node) -> Any:
    attrs = {"sid": "1", "mode": "query", "last": "true", "index": "0", "context": "interactive"}
    content = [Node("query", {}, list(protocols)), Node("list", {}, [user])]
    answer = await device.query("usync", "get", Node("usync", attrs, content))
    return answer.get_child("usync").get_child("list").get_child("user")


def contact(number: str) -> Node:
    return Node("user", {}, [Node("contact", {}, f"+{number}".encode())])


@pytest.mark.parametrize("by_lid", [False, True])
async def test_a_lookup_finds_the_number_that_answers(
    device: Device, world: ServerState, http: httpx.AsyncClient, by_lid: bool
) -> None:
    """Asked for by LID, as whatsmeow does, the number is beside it (user.go `IsOnWhatsApp`)."""
    friend = world.people.named(FRIEND)
    mode = {"addressing_mode": "lid"} if by_lid else {}
    user = await found(device, contact(ASKED), Node("contact", mode), Node("lid"))
    assert user.attrs["jid"] == (JID(friend.lid, "lid") if by_lid else JID(FRIEND))
    assert user.attrs.get("pn_jid") == (JID(FRIEND) if by_lid else None)
    assert user.get_child("lid").attrs["val"] == JID(friend.lid, "lid")
    answered = user.get_child("contact")
    assert (answered.attrs["type"], answered.content) == ("in", f"+{ASKED}".encode())
    assert world.answering_numbers.of(FRIEND) is None
    assert NumberRedirects(Properties(world.store)).of(ASKED) == FRIEND


async def test_nothing_is_under_the_asked_number(
    device: Device, world: ServerState, http: httpx.AsyncClient
) -> None:
    user = await found(
        device, Node("user", {"jid": JID(ASKED)}), Node("devices", {"version": "2"}), Node("lid")
    )
    assert (user.get_child("devices"), user.get_child("lid")) == (None, None)
    query = Node("key", {}, [Node("user", {"jid": JID(ASKED)})])
    user = (await device.query("encrypt", "get", query)).get_child("list").get_child("user")
    assert user.get_child("error").attrs["code"] == "404"
    stanza = await device.message(FRIEND, "hello", "M1")
    stanza.attrs["to"] = JID(ASKED)
    await device.send(stanza)
    assert (await device.next("ack")).attrs["error"] == "404"


async def test_a_number_that_answers_for_itself_again(
    device: Device, http: httpx.AsyncClient
) -> None:
    made = await http.post(f"/contacts/{ASKED}", json={"answered_by": None})
    assert (made.json()["answered_by"], made.json()["registered"]) == (None, True)
    user = await found(device, contact(ASKED), Node("contact"))
    assert user.attrs["jid"] == JID(ASKED)


async def test_no_number_answers_for_itself_by_another_name(http: httpx.AsyncClient) -> None:
    answer = await http.post(f"/contacts/{ASKED}", json={"answered_by": ASKED})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_answered_by")
    assert (await http.get(f"/contacts/{ASKED}")).json()["answered_by"] == FRIEND
