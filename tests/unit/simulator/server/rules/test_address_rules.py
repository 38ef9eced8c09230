"""Direct messages that mix LIDs and numbers are refused, those of LIDs alone are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator.control.api import application
from simulator.server.rules.lid_migrations import Migrations
from simulator.server.rules.properties import Properties
from simulator.wire.protocol_library import JID, LID_SERVER, Node

if TYPE_CHECKING:
    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"
CHAT, OWN = "chat", "own"


async def posted(world: ServerState, path: str, body: dict[str, Any] | None = None) -> Any:
    transport = httpx.ASGITransport(application(world, str))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as http:
        answer = await (http.get(path) if body is None else http.post(path, json=body))
        answer.raise_for_status()
        return answer.json()


async def sent(
    device: Device, world: ServerState, by_lid: set[str], *, destination: str = "", **attrs: Any
) -> Any:
    """The ack of a message with a copy for the own phone; `by_lid` says what is named by LID.

    It is the chat (`to`), its devices (`chat`) and the own devices (`own`).
    """
    friend, owner = world.people.named(FRIEND), world.people.named(NUMBER)
    copy = device.own_copy("hello", FRIEND)
    if destination:
        copy.device_sent_message.destination_jid = destination
    stanza = await device.message(FRIEND, "hello", "M1")
    stanza.get_child("participants").content.append(await device.part(NUMBER, 0, copy))
    theirs, mine = stanza.get_child("participants").get_children("to")
    for named, node, name, person in (
        ("to", stanza, "to", friend),
        (CHAT, theirs, "jid", friend),
        (OWN, mine, "jid", owner),
    ):
        if named in by_lid:
            node.attrs[name] = person.address(LID_SERVER)
    stanza.attrs.update(attrs)
    await device.send(stanza)
    return await device.next("ack")


@pytest.mark.parametrize(
    ("by_lid", "refused"),
    [
        (set(), False),
        ({"to", CHAT, OWN}, False),
        ({"to"}, True),
        ({CHAT}, True),
        ({OWN}, True),
        ({"to", CHAT}, True),
        ({CHAT, OWN}, True),
    ],
)
async def test_lids_and_numbers_are_not_mixed(
    device: Device, world: ServerState, by_lid: set[str], refused: bool
) -> None:
    ack = await sent(device, world, by_lid)
    assert ack.attrs.get("error") == ("400" if refused else None)
    assert [item["text"] for item in world.inbox.received(FRIEND)] == ([] if refused else ["hello"])
    account = await posted(world, f"/accounts/{NUMBER}")
    assert account["refused"] == ({"400": 1} if refused else {})
    counts = {"sent_by_lid": int("to" in by_lid), "sent_by_pn": int("to" not in by_lid)}
    assert {name: account[name] for name in counts} == (
        dict.fromkeys(counts, 0) if refused else counts
    )


async def test_a_number_beside_a_lid_is_no_mixture(device: Device, world: ServerState) -> None:
    more = {"peer_recipient_pn": JID(FRIEND)}
    assert "error" not in (await sent(device, world, {"to", CHAT, OWN}, **more)).attrs


async def test_a_copy_that_is_sent_again_names_its_chat_as_its_device(
    device: Device, world: ServerState
) -> None:
    copy = device.own_copy("hello", FRIEND)
    for server, error in ((LID_SERVER, "400"), ("s.whatsapp.net", None)):
        part = await device.part(NUMBER, 0, copy)
        attrs = {
            "to": JID(NUMBER),
            "id": f"M{server}",
            "recipient": world.people.named(FRIEND).address(server),
            "device_fanout": "false",
        }
        identity = Node("device-identity", {}, device.identity_bytes)
        await device.send(Node("message", attrs, [part.get_child("enc"), identity]))
        assert (await device.next("ack")).attrs.get("error") == error


async def test_messages_between_own_devices_are_free(device: Device, world: ServerState) -> None:
    ack = await sent(device, world, {CHAT}, category="peer")
    assert "error" not in ack.attrs


@pytest.mark.parametrize(
    ("on", "migrated", "named", "refused"),
    [
        (True, False, {"to", CHAT, OWN}, True),
        (True, False, set(), False),
        (True, True, {"to", CHAT, OWN}, False),
        (False, False, {"to", CHAT, OWN}, False),
    ],
)
async def test_lids_of_an_account_that_has_not_migrated(
    device: Device, world: ServerState, *, on: bool, migrated: bool, named: set[str], refused: bool
) -> None:
    assert (await posted(world, f"/accounts/{NUMBER}"))["migrated"]
    answer = await posted(world, f"/accounts/{NUMBER}", {"migrated": migrated})
    assert answer["migrated"] is Migrations(Properties(world.store)).done(NUMBER) is migrated
    await posted(world, f"/accounts/{NUMBER}/rules", {"unmigrated_lid": on})
    ack = await sent(device, world, named)
    assert ack.attrs.get("error") == ("400" if refused else None)


@pytest.mark.parametrize("misnamed", [False, True])
async def test_a_copy_that_names_its_chat_otherwise_is_counted(
    device: Device, world: ServerState, misnamed: bool
) -> None:
    lid = str(world.people.named(FRIEND).address(LID_SERVER))
    destination = "" if misnamed else lid
    assert (
        "error" not in (await sent(device, world, {"to", CHAT, OWN}, destination=destination)).attrs
    )
    await device.query("w:p", "get")
    assert [item["text"] for item in world.inbox.copies(NUMBER)] == ["hello"]
    assert (await posted(world, f"/accounts/{NUMBER}"))["misnamed_copies"] == int(misnamed)
