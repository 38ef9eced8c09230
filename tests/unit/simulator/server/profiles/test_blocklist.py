"""Block lists, and what no longer comes from those who are on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.protocol_library import JID, LID_SERVER, PN_SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"


@pytest.fixture
def both(world: ServerState) -> tuple[Any, Any]:
    """A friend's LID and number."""
    person = world.people.named(FRIEND)
    return person.address(LID_SERVER), person.address(PN_SERVER)


async def change(device: Device, action: str, jid: Any, **more: Any) -> Any:
    """The list in the answer, or the code of a refusal."""
    item = Node("item", {"action": action, "jid": jid, **more})
    answer = await device.query("blocklist", "set", item)
    refused = answer.get_child("error")
    return answer.get_child("list") if refused is None else refused.attrs["code"]


def listed(found: Any) -> list[Any]:
    return [item.attrs["jid"] for item in found.get_children("item")]


async def test_a_client_blocks_and_unblocks(device: Device, both: tuple[Any, Any]) -> None:
    lid, number = both
    first = (await device.query("blocklist", "get")).get_child("list")
    assert listed(first) == []
    blocked = await change(device, "block", lid, pn_jid=number)
    assert (listed(blocked), blocked.attrs["matched"]) == ([lid], "false")
    whole = (await device.query("blocklist", "get")).get_child("list")
    assert (listed(whole), whole.attrs["dhash"]) == ([lid], blocked.attrs["dhash"])
    stale = await change(device, "unblock", lid, dhash=first.attrs["dhash"])
    assert (listed(stale), stale.attrs["matched"]) == ([], "false")
    again = await change(device, "block", lid, pn_jid=number, dhash=stale.attrs["dhash"])
    assert (listed(again), again.attrs["matched"]) == ([], "true")
    assert int(again.attrs["dhash"]) > int(stale.attrs["dhash"]) > int(blocked.attrs["dhash"])


async def test_a_block_names_lid_and_number(
    world: ServerState, device: Device, both: tuple[Any, Any]
) -> None:
    lid, number = both
    assert await change(device, "block", number) == "400"
    assert await change(device, "block", lid) == "400"
    assert await change(device, "block", lid, pn_jid=JID(NUMBER, PN_SERVER)) == "400"
    assert await change(device, "hide", lid, pn_jid=number) == "400"
    assert await change(device, "block", JID("100000000000001", LID_SERVER)) == "404"
    world.migrations.change(NUMBER, done=False)
    assert listed(await change(device, "block", number)) == [number]


async def test_other_devices_hear_of_a_change(
    device: Device, paired: Callable[[str], Awaitable[Device]], both: tuple[Any, Any]
) -> None:
    other = await paired(NUMBER)
    lid, number = both
    dhash = (await change(device, "block", lid, pn_jid=number)).attrs["dhash"]
    while (stanza := await other.next("notification")).get_child("blocklist") is None:
        pass
    changed = stanza.get_child("blocklist")
    (item,) = changed.get_children("item")
    assert (stanza.attrs["type"], changed.attrs["dhash"]) == ("account_sync", dhash)
    assert (item.attrs["jid"], item.attrs["action"]) == (lid, "block")
    assert [one for one in device.passed if one.get_child("blocklist") is not None] == []


async def test_nothing_comes_of_who_is_blocked(
    world: ServerState, device: Device, http: httpx.AsyncClient
) -> None:
    async def act(text: str) -> str:
        said = (
            await http.post(f"/contacts/{FRIEND}/say", json={"to": NUMBER, "text": text})
        ).json()
        await http.post(f"/contacts/{FRIEND}/typing", json={"to": NUMBER})
        await http.post(f"/contacts/{FRIEND}/call", json={"to": NUMBER})
        return str(said["id"])

    with world.store.transaction():
        group = world.groups.make("Us", FRIEND, [NUMBER], LID_SERVER)
    await http.post(f"/contacts/{NUMBER}/block", json={"contact": FRIEND})
    assert (await device.next()).get_child("blocklist") is not None
    unread = await act("blocked")
    await http.post(f"/contacts/{FRIEND}/say", json={"to": group.chat, "text": "to all"})
    assert (await device.next()).attrs["from"] == group.address, "in groups messages come"
    await http.post(f"/contacts/{NUMBER}/block", json={"contact": FRIEND, "blocked": False})
    assert (await device.next()).get_child("blocklist") is not None
    await act("free")
    assert [(await device.next()).tag for _ in range(3)] == ["message", "chatstate", "call"]
    said = (await http.get(f"/contacts/{FRIEND}/said")).json()["items"]
    assert next(one["id"] for one in said if not one["received"]) == unread


async def test_a_contact_who_blocked_the_account_gets_nothing(
    world: ServerState, device: Device, http: httpx.AsyncClient
) -> None:
    blocked = {"contact": NUMBER}
    assert (await http.post(f"/contacts/{FRIEND}/block", json=blocked)).json() == {
        "blocked": [NUMBER]
    }
    await device.send(await device.message(FRIEND, "hello?", "M1"))
    assert "error" not in (await device.next("ack")).attrs
    assert world.inbox.received(FRIEND) == []
    await http.post(f"/phones/{NUMBER}/say", json={"to": FRIEND, "text": "from the phone"})
    assert world.inbox.received(FRIEND) == []
