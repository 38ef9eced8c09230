"""Limits on new chats: refused messages, counts and notifications."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from simulator.wire.protocol_library import JID, Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND, OTHER = "15550100001", "15550100002", "15550100003"
FAR = 4_000_000_000
PATH = f"/accounts/{NUMBER}"


async def send(device: Device, to: str, message_id: str) -> str | None:
    """The error with which a message is acknowledged; None where it was accepted."""
    await device.send(await device.message(to, "hello", message_id))
    while (ack := await device.next("ack")).attrs["id"] != message_id:
        pass
    error = ack.attrs.get("error")
    return None if error is None else str(error)


async def notification(device: Device) -> tuple[str, dict[str, Any]]:
    """The next notification of a limit: its operation and its data."""
    while (stanza := await device.next("notification")).attrs["type"] != "mex":
        pass
    update = stanza.get_child("update")
    ((_, data),) = json.loads(update.content)["data"].items()
    return str(update.attrs["op_name"]), data


async def asked(device: Device, query_id: str) -> dict[str, Any]:
    answer = await device.query("w:mex", "get", Node("query", {"query_id": query_id}, b"{}"))
    ((_, data),) = json.loads(answer.get_child("result").content)["data"].items()
    found: dict[str, Any] = data
    return found


async def test_a_locked_account_begins_no_chat(
    device: Device, world: ServerState, http: httpx.AsyncClient
) -> None:
    assert await send(device, FRIEND, "M1") is None
    described = (await http.post(PATH, json={"limited_until": FAR})).json()
    assert (described["limited_until"], described["refused"]) == (FAR, {})
    with world.store.transaction():
        world.contact_behaviour.say(OTHER, NUMBER, "a stranger who wrote first")
    assert await send(device, FRIEND, "M2") is None
    assert await send(device, OTHER, "M3") is None
    for attempt in (1, 2):
        assert await send(device, "15550100004", f"N{attempt}") == "463"
        assert (await http.get(PATH)).json()["refused"] == {"463": attempt}
    assert world.inbox.received("15550100004") == []
    await http.post(PATH, json={"limited_until": None})
    assert await send(device, "15550100004", "N3") is None


async def test_a_chat_that_the_phone_began_goes_on(device: Device, world: ServerState) -> None:
    with world.store.transaction():
        world.contact_behaviour.say(NUMBER, OTHER, "from my pocket")
    world.properties.change(NUMBER, {"limited_until": FAR})
    assert await send(device, OTHER, "M1") is None


async def test_a_chat_that_another_account_began_goes_on(
    device: Device, world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    other = await paired(OTHER)
    assert await send(other, NUMBER, "O1") is None
    world.properties.change(NUMBER, {"limited_until": FAR})
    assert await send(device, OTHER, "M1") is None


async def test_a_lock_ends_by_itself(device: Device, world: ServerState) -> None:
    world.properties.change(NUMBER, {"limited_until": time.time() - 1})
    assert await send(device, FRIEND, "M1") is None


async def test_an_attempt_prolongs_the_lock(
    device: Device, world: ServerState, http: httpx.AsyncClient
) -> None:
    lock = {"limited_until": FAR, "lock_prolonged_by": 60, "limit_type": "WEB_COMPANION_ONLY"}
    await http.post(PATH, json=lock)
    shown = {"is_active": True, "enforcement_type": "WEB_COMPANION_ONLY"}
    operation = "NotificationUserReachoutTimelockUpdate"
    assert await notification(device) == (operation, shown | {"time_enforcement_ends": str(FAR)})
    # the notification comes before the ack
    await device.send(await device.message(FRIEND, "hello", "M1"))
    assert await notification(device) == (
        operation,
        shown | {"time_enforcement_ends": str(FAR + 60)},
    )
    assert (await http.get(PATH)).json()["limited_until"] == FAR + 60
    await http.post(PATH, json={"limited_until": None})
    off = {"is_active": False, "enforcement_type": "DEFAULT", "time_enforcement_ends": "0"}
    assert await notification(device) == (operation, off)


async def test_a_cap_ends_new_chats(device: Device, http: httpx.AsyncClient) -> None:
    assert await send(device, FRIEND, "M1") is None
    await http.post(PATH, json={"chat_cap": 1, "cap_ends": FAR})
    operation, first = await notification(device)
    assert operation == "MessageCappingInfoNotification"
    assert (first["total_quota"], first["used_quota"]) == (1, 0)
    assert (first["capping_status"], first["cycle_end_timestamp"]) == ("NONE", str(FAR))
    await device.send(await device.message(OTHER, "hello", "M2"))
    _, used = await notification(device)
    assert (used["used_quota"], used["capping_status"]) == (1, "CAPPED")
    assert "error" not in (await device.next("ack")).attrs
    assert (await asked(device, "24503548349331633"))["capping_status"] == "CAPPED"
    assert await send(device, OTHER, "M3") is None
    assert await send(device, "15550100004", "M4") == "475"
    described = (await http.get(PATH)).json()
    assert (described["chats_begun"], described["refused"]) == (1, {"475": 1})
    described = (await http.post(PATH, json={"chat_cap": 2})).json()
    assert described["chats_begun"] == 0
    assert await send(device, "15550100004", "M5") is None


async def test_a_client_asks_for_its_limits(device: Device, world: ServerState) -> None:
    free = {"is_active": False, "enforcement_type": "DEFAULT", "time_enforcement_ends": "0"}
    assert await asked(device, "23983697327930364") == free
    world.properties.change(NUMBER, {"limited_until": FAR})
    assert (await asked(device, "23983697327930364"))["is_active"] is True
    for query_id in ("24503548349331633", "27910975521856601"):
        assert (await asked(device, query_id))["capping_status"] == "NONE"
    answer = await device.query("w:mex", "get", Node("query", {"query_id": "1"}, b"{}"))
    assert answer.get_child("error").attrs["code"] == "501"


async def test_a_note_to_oneself_is_no_attempt(device: Device, world: ServerState) -> None:
    world.properties.change(NUMBER, {"limited_until": FAR})
    assert await send(device, NUMBER, "M1") is None
    assert world.reach_out.refused(NUMBER) == {}


async def test_a_message_for_own_devices_alone_is_no_attempt(
    device: Device, world: ServerState
) -> None:
    world.properties.change(NUMBER, {"limited_until": FAR})
    copy = await device.part(NUMBER, 0, device.own_copy("again", FRIEND))
    parts = [Node("participants", {}, [copy]), Node("device-identity", {}, device.identity_bytes)]
    attrs = {"to": JID(NUMBER), "recipient": JID(FRIEND), "id": "M1"}
    await device.send(Node("message", attrs, parts))
    assert "error" not in (await device.next("ack")).attrs
    assert world.reach_out.refused(NUMBER) == {}


async def test_a_stanza_for_no_device_is_counted(device: Device, world: ServerState) -> None:
    await device.send(
        Node("message", {"to": JID(FRIEND), "id": "M1"}, [Node("participants", {}, [])])
    )
    assert (await device.next("ack")).attrs["error"] == "479"
    assert world.reach_out.refused(NUMBER) == {"479": 1}
