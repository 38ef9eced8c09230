"""Stanzas that a client cannot use, and has to answer all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.proto_schema import Message
from simulator.wire.protocol_library import JID, Node

if TYPE_CHECKING:
    import httpx

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"


async def fault(http: httpx.AsyncClient, kind: str, **more: Any) -> int:
    answer = await http.post("/faults", json={"account": NUMBER, "kind": kind, **more})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["reached"])


async def refuse(device: Device, stanza: Any, **more: Any) -> None:
    """Answers by an ack of the stanza's class."""
    repeated = {name: stanza.attrs[name] for name in ("id", "participant") if name in stanza.attrs}
    attrs = {"class": stanza.tag, "to": stanza.attrs["from"], **repeated, **more}
    await device.send(Node("ack", attrs))
    await device.query("w:p", "get")


def waiting(device: Device) -> list[str]:
    queued = device.world.queue.waiting((NUMBER, device.device))
    return [one.stanza.tag for one in queued if one.stanza.tag != "notification"]


async def test_a_status_needs_an_ack_of_its_class(
    device: Device, world: ServerState, http: httpx.AsyncClient
) -> None:
    shown = await http.post(f"/contacts/{FRIEND}/status", json={"to": NUMBER, "text": "at sea"})
    status = await device.next("status")
    assert (status.attrs["from"], status.attrs["id"]) == (
        JID("status", "broadcast"),
        shown.json()["id"],
    )
    assert status.attrs["participant"] == JID(FRIEND)
    enc = status.get_child("enc")
    plain = device.signal.decrypt((FRIEND, 0), enc.attrs["type"], enc.content)
    assert Message.FromString(plain).conversation == "at sea"
    await refuse(device, status, **{"class": "message"})
    (owed,) = world.answer_deadlines.open(NUMBER)
    assert (owed["kind"], owed["wrong"]) == ("status/text", ["class message"])
    await refuse(device, status)
    assert (waiting(device), world.answer_deadlines.open(NUMBER)) == ([], [])


@pytest.mark.parametrize("code", [487, 491, 500])
async def test_a_message_that_cannot_be_parsed_is_refused(
    device: Device, http: httpx.AsyncClient, code: int
) -> None:
    assert await fault(http, "unparsable") == 1
    message = await device.next("message")
    assert message.attrs["from"].server == "g.us"
    assert "participant" not in message.attrs
    await refuse(device, message, error=401)
    assert waiting(device) == ["message"]
    await device.close()
    await device.login()
    await refuse(device, await device.next("message"), error=code)
    assert waiting(device) == []


@pytest.mark.parametrize("contact", [None, FRIEND])
async def test_a_message_that_is_no_protobuf(
    device: Device, world: ServerState, http: httpx.AsyncClient, contact: str | None
) -> None:
    with world.store.transaction():
        world.contact_behaviour.say(FRIEND, NUMBER, "before")
    await device.read()
    await fault(http, "no_protobuf", **({} if contact is None else {"contact": contact}))
    message = await device.next("message")
    with pytest.raises(Exception, match="parsing"):
        device.message_in(message)
    await refuse(device, message, error=491)
    assert waiting(device) == []
    with world.store.transaction():
        world.contact_behaviour.say(FRIEND, NUMBER, "after")
    assert (await device.read())[1] == "after"


@pytest.mark.parametrize(("kind", "parts"), [("unknown_enc", []), ("extra_enc", ["pkmsg"])])
async def test_a_part_that_no_device_reads(
    device: Device, http: httpx.AsyncClient, kind: str, parts: list[str]
) -> None:
    await fault(http, kind, contact=FRIEND)
    message = await device.next("message")
    encs = message.get_children("enc")
    assert [enc.attrs["type"] for enc in encs] == [*parts, "msmsg"]
    for enc in encs[:-1]:
        plain = device.signal.decrypt((FRIEND, 0), enc.attrs["type"], enc.content)
        assert Message.FromString(plain).conversation == "readable"
    await refuse(device, message, error=495)
    assert waiting(device) == []


@pytest.mark.parametrize("owed", [False, True])
async def test_an_unknown_tag_is_owed_an_answer_where_that_is_asked(
    device: Device, http: httpx.AsyncClient, owed: bool
) -> None:
    await http.post("/rules", json={"unknown_tags": owed})
    assert await fault(http, "unknown_tag") == 1
    stanza = await device.next("novelty")
    assert waiting(device) == (["novelty"] if owed else [])
    await refuse(device, stanza, error=488)
    assert waiting(device) == []


async def test_a_device_that_is_not_there_gets_them_at_its_login(
    device: Device, http: httpx.AsyncClient
) -> None:
    await device.close()
    assert await fault(http, "unparsable", device=device.device) == 1
    assert await fault(http, "unparsable", device=device.device + 1) == 0
    await device.login()
    assert (await device.next("message")).attrs["from"].server == "g.us"


async def test_only_an_account_with_a_device_is_shown_a_status(http: httpx.AsyncClient) -> None:
    answer = await http.post(f"/contacts/{FRIEND}/status", json={"to": FRIEND, "text": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_companion")
