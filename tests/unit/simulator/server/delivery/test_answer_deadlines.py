"""A stanza that an open socket did not answer in time: reported, the stream closed, sent again."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from simulator.server.delivery import answer_deadlines
from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    import httpx

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"


def say(world: ServerState, text: str) -> str:
    with world.store.transaction():
        return world.contact_behaviour.say(FRIEND, NUMBER, text)


def receipt(stanza: Any, **attrs: Any) -> Any:
    return Node("receipt", {"id": stanza.attrs["id"], "to": stanza.attrs["from"], **attrs})


async def report(http: httpx.AsyncClient, **query: Any) -> dict[str, list[dict[str, Any]]]:
    answer = await http.get("/unanswered", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, list[dict[str, Any]]] = answer.json()
    return found


async def test_late_reported_closed_and_sent_again(
    device: Device, world: ServerState, http: httpx.AsyncClient
) -> None:
    await http.post("/answers", json={"seconds": 0.3})
    message_id = say(world, "hello")
    stanza = await device.next("message")
    (owed,) = (await report(http))["open"]
    assert (owed["account"], owed["kind"], owed["id"]) == (NUMBER, "message/text", message_id)
    error = await device.next("stream:error")
    (ack,) = error.get_children()
    assert (ack.tag, dict(ack.attrs)) == (
        "ack",
        {"class": "message", "type": "text", "id": message_id},
    )
    assert (await device.next()).tag == "xmlstreamend"
    await device.closed()
    (late,) = (await report(http))["late"]
    assert round(late["seconds"], 3) >= 0.3, (
        "a difference of two clocks' floats may lack a rounding"
    )
    assert time.time() - 5 < late["at"] <= time.time()
    assert (late["times"], late["wrong"], late["device"]) == (1, [], device.device)
    await http.post("/answers", json={"seconds": 60})
    assert (await device.login()).tag == "success"
    again = await device.next("message")
    assert again.attrs["id"] == message_id
    assert device.decrypt(stanza) == "hello"
    await device.send(receipt(again))
    assert (await report(http, wait=10))["open"] == []
    assert (await report(http, account=FRIEND))["late"] == []
    assert len((await report(http, account=NUMBER))["late"]) == 1, "it was late all the same"
    assert (await http.delete("/unanswered")).json() == {"forgotten": 1}
    assert (await report(http))["late"] == []


async def test_answers_that_are_none(
    device: Device, world: ServerState, http: httpx.AsyncClient
) -> None:
    say(world, "hello")
    stanza = await device.next("message")
    await device.send(Node("ack", {"class": "message", "id": stanza.attrs["id"]}))
    await device.query("w:p", "get")
    owed = (await report(http))["open"]
    waiting = world.queue.counts((NUMBER, device.device)).get("message", 0)
    assert ([one["wrong"] for one in owed], waiting) == ([["another to"]], 1)
    await device.send(receipt(stanza))
    await device.query("w:p", "get")
    assert (await report(http))["open"] == []
    assert "message" not in world.queue.counts((NUMBER, device.device))


async def test_what_did_not_arrive_is_not_owed(
    device: Device, world: ServerState, http: httpx.AsyncClient
) -> None:
    """A second copy, a lost frame, and whatever a socket had that closed."""
    world.faults.request({"account": NUMBER, "kind": "duplicate", "count": 1})
    say(world, "twice")
    for _ in range(2):
        stanza = await device.next("message")
    assert len((await report(http))["open"]) == 1
    await device.send(receipt(stanza))
    await device.query("w:p", "get")
    assert not any(pending.by_id for pending in world.answer_deadlines._by_connection.values())
    say(world, "never")
    await device.next("message")
    fault = world.faults.request({"account": NUMBER, "kind": "lose"})
    say(world, "lost")
    await asyncio.sleep(0.1)
    assert fault.struck == 1
    assert len((await report(http))["open"]) == 1
    await device.close()
    assert await report(http, wait=5) == {"late": [], "open": []}


async def test_a_frozen_socket_has_time(
    device: Device, world: ServerState, http: httpx.AsyncClient
) -> None:
    await http.post("/answers", json={"seconds": 0.4})
    say(world, "hello")
    stanza = await device.next("message")
    await http.post("/faults", json={"account": NUMBER, "kind": "freeze"})
    assert (await report(http))["open"] == []
    await asyncio.sleep(1)
    await http.delete("/faults")
    (owed,) = (await report(http))["open"]
    assert owed["seconds"] < 0.3
    await device.send(receipt(stanza))
    assert await report(http, wait=5) == {"late": [], "open": []}


async def test_a_simulator_that_stood_still_gives_time(
    device: Device, world: ServerState, http: httpx.AsyncClient
) -> None:
    await http.post("/answers", json={"seconds": 0.5})
    say(world, "hello")
    stanza = await device.next("message")
    await device.send(receipt(stanza))
    time.sleep(0.5 + 2 * answer_deadlines._LATE_LOOP)  # noqa: ASYNC251 - as a process that was stopped
    assert await report(http, wait=5) == {"late": [], "open": []}
