"""Calls: each device of the account rings, one declines for all, and the caller hangs up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.protocol_library import JID, LID_SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

ACCOUNT, CALLER = "15550100001", "15550100002"
CALL = f"/contacts/{CALLER}/call"


async def rings(http: httpx.AsyncClient, **more: Any) -> str:
    answer = await http.post(CALL, json={"to": ACCOUNT, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def state(http: httpx.AsyncClient) -> list[tuple[str, str, int | None]]:
    items = (await http.get(CALL)).json()["items"]
    return [(one["id"], one["state"], one["by"]) for one in items]


def ack(call: Any) -> Node:
    return Node("ack", {"class": "call", "id": call.attrs["id"], "to": call.attrs["from"]})


def reject(call: Any) -> Node:
    offer = call.get_child("offer")
    attrs = {name: offer.attrs[name] for name in ("call-id", "call-creator")} | {"count": "0"}
    return Node("call", {"to": call.attrs["from"], "id": "R1"}, [Node("reject", attrs)])


async def test_an_offer_rings_each_device_until_the_caller_hangs_up(
    world: ServerState, http: httpx.AsyncClient, paired: Callable[[str], Awaitable[Device]]
) -> None:
    devices = [await paired(ACCOUNT), await paired(ACCOUNT)]
    id_ = await rings(http)
    for device in devices:
        call = await device.next("call")
        offer = call.get_child("offer")
        assert offer.attrs["call-id"] == id_
        assert call.attrs["from"] == offer.attrs["call-creator"] == JID(CALLER)
        assert offer.attrs["caller_lid"].server == LID_SERVER
        assert offer.get_child("video") is None
        await device.send(ack(call))
    assert await state(http) == [(id_, "ringing", None)]
    assert (await http.delete(CALL)).json() == {"ended": [id_]}
    for device in devices:
        call = await device.next("call")
        assert call.get_child("terminate").attrs["reason"] == "timeout"
        assert call.get_child("terminate").attrs["call-id"] == id_
        await device.send(ack(call))
        await device.query("w:p", "get")
    assert world.queue.counts((ACCOUNT, devices[0].device)).get("call") is None
    assert await state(http) == [(id_, "ended", None)]
    assert (await http.delete(CALL)).json() == {"ended": []}


async def test_a_device_declines_for_all(
    http: httpx.AsyncClient, paired: Callable[[str], Awaitable[Device]]
) -> None:
    first, second = await paired(ACCOUNT), await paired(ACCOUNT)
    id_ = await rings(http, video=True, addressing="lid")
    offered = await first.next("call")
    offer = offered.get_child("offer")
    assert offered.attrs["from"].server == LID_SERVER
    assert offer.attrs["caller_pn"] == JID(CALLER)
    assert offer.get_child("video") is not None
    await second.next("call")
    await first.send(reject(offered))
    answer = await first.next("ack")
    assert (answer.attrs["class"], answer.attrs["type"]) == ("call", "reject")
    assert (answer.attrs["id"], answer.attrs["from"]) == ("R1", offered.attrs["from"])
    end = (await second.next("call")).get_child("terminate")
    assert (end.attrs["reason"], end.attrs["call-id"]) == ("rejected_elsewhere", id_)
    assert await state(http) == [(id_, "rejected", first.device)]
    await second.send(reject(offered))
    await second.next("ack")
    assert await state(http) == [(id_, "rejected", first.device)]


async def test_a_stanza_that_declines_nothing(
    http: httpx.AsyncClient, paired: Callable[[str], Awaitable[Device]]
) -> None:
    device, other = await paired(ACCOUNT), await paired("15550100003")
    id_ = await rings(http)
    offered = await device.next("call")
    await other.send(reject(offered))
    await other.next("ack")
    unknown = Node("call", {"to": JID(CALLER), "id": "R2"}, [Node("reject", {"call-id": "x"})])
    await device.send(unknown)
    await device.next("ack")
    declined = reject(offered).get_child("reject").attrs
    for to, changed in (
        (ACCOUNT, {}),
        (CALLER, {"call-creator": JID(ACCOUNT)}),
        (CALLER, {"call-creator": ""}),
        (CALLER, {"call-id": ""}),
    ):
        part = Node("reject", {**declined, **changed})
        await device.send(Node("call", {"to": JID(to), "id": "R4"}, [part]))
        await device.next("ack")
    await device.send(Node("call", {"id": "R3"}))
    assert (await device.next("ack")).attrs["id"] == "R3"
    assert await state(http) == [(id_, "ringing", None)]


async def test_an_offer_waits_until_it_is_answered(
    world: ServerState, http: httpx.AsyncClient, paired: Callable[[str], Awaitable[Device]]
) -> None:
    device = await paired(ACCOUNT)
    await device.close()
    await rings(http)
    for _ in range(2):
        await device.login()
        call = await device.next("call")
        assert "offline" in call.attrs
        await device.close()
    await device.login()
    await device.send(ack(await device.next("call")))
    await device.query("w:p", "get")
    assert world.queue.counts((ACCOUNT, device.device)).get("call") is None


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "missing_field"),
        ({"to": "12"}, 400, "bad_number"),
        ({"to": ACCOUNT, "video": 1}, 400, "wrong_type"),
        ({"to": ACCOUNT, "addressing": "x"}, 400, "bad_addressing"),
        ({"to": ACCOUNT}, 409, "no_companion"),
    ],
)
async def test_a_call_that_cannot_be(
    http: httpx.AsyncClient, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await http.post(CALL, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
