"""Presence and typing: to whom it goes, and what a person saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.protocol_library import LID_SERVER, SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND, OTHER = "15550100001", "15550100002", "15550100003"
PRESENCE, TYPING = f"/contacts/{FRIEND}/presence", f"/contacts/{FRIEND}/typing"


async def show(device: Device, kind: str, **attrs: Any) -> None:
    await device.send(Node("presence", {"type": kind, **attrs}))
    await device.query("w:p", "get")


@pytest.mark.parametrize("server", ["s.whatsapp.net", LID_SERVER])
async def test_a_subscriber_is_notified(
    device: Device, http: httpx.AsyncClient, server: str
) -> None:
    address = device.world.people.named(FRIEND).address(server)
    await device.send(Node("presence", {"type": "available", "name": "Me"}))
    await device.send(Node("presence", {"type": "subscribe", "to": address}))
    first = await device.next("presence")
    assert first.attrs == {"from": address, "type": "unavailable", "last": "deny"}
    assert (await http.post(PRESENCE, json={"available": True})).json()["subscribers"] == [NUMBER]
    assert (await device.next("presence")).attrs == {"from": address}
    await http.post(PRESENCE, json={"available": False})
    gone = await device.next("presence")
    assert gone.attrs["type"] == "unavailable"
    assert int(gone.attrs["last"]) > 1_700_000_000
    await show(device, "unsubscribe", to=address)
    assert (await http.get(PRESENCE)).json()["subscribers"] == []


async def test_offline_devices_are_not_notified(device: Device, http: httpx.AsyncClient) -> None:
    async def notified() -> list[Any]:
        """The presences that came by now."""
        attrs = {"to": SERVER, "xmlns": "w:p", "type": "get", "id": "now"}
        await device.send(Node("iq", attrs))
        came = []
        while (stanza := await device.next()).attrs.get("id") != "now":
            came.append(stanza)
        return [one.attrs.get("type") for one in came if one.tag == "presence"]

    address = device.world.people.named(FRIEND).address("lid")
    await device.send(Node("presence", {"type": "subscribe", "to": address}))
    assert await notified() == []
    await http.post(PRESENCE, json={"available": True})
    assert await notified() == []
    await device.send(Node("presence", {"type": "available"}))
    assert await notified() == []
    await http.post(PRESENCE, json={"available": False})
    await http.post(PRESENCE, json={"available": True})
    assert await notified() == ["unavailable", None]


async def test_an_account_is_online_while_one_of_its_devices_is(
    device: Device, http: httpx.AsyncClient, paired: Callable[[str], Awaitable[Device]]
) -> None:
    async def available() -> bool:
        return bool((await http.get(f"/accounts/{NUMBER}")).json()["available"])

    other, friend = await paired(NUMBER), await paired(FRIEND)
    account = device.world.people.named(NUMBER).address("lid")
    await show(friend, "available")
    await friend.send(Node("presence", {"type": "subscribe", "to": account}))
    assert (await friend.next("presence")).attrs["type"] == "unavailable"
    assert not await available()
    await show(device, "available")
    await show(other, "available")
    assert "type" not in (await friend.next("presence")).attrs
    await show(device, "unavailable")
    assert await available()
    await other.close()
    assert (await friend.next("presence")).attrs["type"] == "unavailable"
    assert not await available()


@pytest.mark.parametrize(
    ("state", "tag", "attrs"),
    [
        ("composing", "composing", {}),
        ("recording", "composing", {"media": "audio"}),
        ("paused", "paused", {}),
    ],
)
async def test_typing_both_ways(
    device: Device, http: httpx.AsyncClient, state: str, tag: str, attrs: dict[str, str]
) -> None:
    friend = device.world.people.named(FRIEND)
    await http.post(TYPING, json={"to": NUMBER, "state": state})
    heard = await device.next("chatstate")
    assert heard.attrs == {"from": friend.address("s.whatsapp.net")}
    (child,) = heard.get_children()
    assert (child.tag, child.attrs) == (tag, attrs)
    await device.send(
        Node("chatstate", {"to": friend.address("s.whatsapp.net")}, [Node(tag, attrs)])
    )
    await device.query("w:p", "get")
    (seen,) = (await http.get(PRESENCE)).json()["seen"]
    assert (seen["from"], seen["to"], seen["state"]) == (NUMBER, FRIEND, state)
    assert seen["at"] > 0


async def test_typing_in_a_group(device: Device, http: httpx.AsyncClient) -> None:
    world = device.world
    with world.store.transaction():
        group = world.groups.make("Us", FRIEND, [NUMBER, OTHER], "lid")
    await http.post(TYPING, json={"to": group.chat})
    heard = await device.next("chatstate")
    assert heard.attrs == {
        "from": group.address,
        "participant": world.people.named(FRIEND).address("lid"),
    }
    await device.send(Node("chatstate", {"to": group.address}, [Node("composing")]))
    await device.query("w:p", "get")
    for number in (FRIEND, OTHER):
        seen = (await http.get(f"/contacts/{number}/presence")).json()["seen"]
        assert (seen[-1]["from"], seen[-1]["to"]) == (NUMBER, group.chat)
    outside = await http.post("/contacts/15550100009/typing", json={"to": group.chat})
    assert (outside.status_code, outside.json()["code"]) == (404, "no_such_group")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (PRESENCE, {}, 400, "missing_field"),
        (PRESENCE, {"available": "yes"}, 400, "wrong_type"),
        (TYPING, {}, 400, "missing_field"),
        (TYPING, {"to": NUMBER, "state": "thinking"}, 400, "bad_state"),
        (TYPING, {"to": "1@g.us"}, 404, "no_such_group"),
    ],
)
async def test_no_such_state(
    http: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await http.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_nonsense_is_passed_over(device: Device, world: ServerState) -> None:
    person = world.people.named(FRIEND).address("lid")
    await device.send(Node("chatstate", {"to": person}, [Node("dreaming")]))
    await device.send(Node("chatstate", {}, [Node("composing")]))
    await show(device, "subscribe")
    await show(device, "probe", to=person)
    assert world.presence.described(FRIEND)["seen"] == []
    assert world.presence.described(FRIEND)["subscribers"] == []


async def test_strangers_see_the_name_of_a_presence_alone(
    device: Device,
    world: ServerState,
    http: httpx.AsyncClient,
    paired: Callable[[str], Awaitable[Device]],
) -> None:
    """Kept for the device: also after another login, and when a presence says none."""
    other = await paired(OTHER)

    async def seen(number: int) -> list[str]:
        await device.send(await device.message(FRIEND, "hello", f"M{number}"))
        await device.send(await device.message(OTHER, "hello", f"N{number}", devices=(1,)))
        notify = str((await other.next("message")).attrs["notify"])
        items = (await http.get(f"/contacts/{FRIEND}/inbox")).json()["items"]
        return [items[-1]["name"], notify]

    assert await seen(1) == ["-", "-"]
    await show(device, "unavailable", name="Me")
    assert await seen(2) == ["Me", "Me"]
    await show(device, "available")
    await device.close()
    await device.login()
    assert await seen(3) == ["Me", "Me"]
