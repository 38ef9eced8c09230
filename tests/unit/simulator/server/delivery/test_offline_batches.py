"""The offline queue in batches: a primer, what is requested, and what came meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.server.delivery.offline_batches import PRIMER, requested
from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"
WAITING = 12
RULE = "offline_batches"


def say(world: ServerState, text: str) -> str:
    with world.store.transaction():
        return world.contact_behaviour.say(FRIEND, NUMBER, text)


@pytest.fixture
async def device(world: ServerState, paired: Callable[[str], Awaitable[Device]]) -> Device:
    """A device that is offline, and for which messages wait."""
    device = await paired(NUMBER)
    await device.close()
    for number in range(WAITING):
        say(world, f"missed {number}")
    return device


async def log_in(device: Device) -> Any:
    """Logs in; the preview of what waits."""
    assert (await device.login()).tag == "success"
    while (stanza := await device.next("ib")).get_child("offline_preview") is None:
        pass
    return stanza.get_child("offline_preview").attrs


async def request(device: Device, count: int | str) -> None:
    await device.send(Node("ib", {}, [Node("offline_batch", {"count": count})]))


async def came(device: Device) -> list[str]:
    """All that came by now: texts, those of the queue in parentheses, and `end` with its count."""
    await device.query("w:p", "get")
    found = []
    for one in device.passed:
        if one.tag == "message":
            text = device.decrypt(one)
            found.append(f"({text})" if "offline" in one.attrs else text)
            await device.send(Node("receipt", {"id": one.attrs["id"], "to": one.attrs["from"]}))
        elif one.tag == "ib":
            found.append(f"end {one.get_child('offline').attrs['count']}")
    return found


def missed(first: int, last: int) -> list[str]:
    return [f"(missed {number})" for number in range(first, last)]


async def test_all_of_it_comes_where_nobody_has_to_ask(device: Device) -> None:
    await log_in(device)
    assert await came(device) == [*missed(0, WAITING), f"end {WAITING}"]
    await request(device, 5)
    assert await came(device) == []


async def test_each_batch_has_to_be_requested(world: ServerState, device: Device) -> None:
    world.switches.turn(NUMBER, RULE, on=True)
    assert (await log_in(device))["count"] == str(WAITING)
    assert await came(device) == missed(0, PRIMER)
    assert await came(device) == []
    await request(device, 3)
    assert await came(device) == missed(PRIMER, PRIMER + 3)
    await request(device, 200)
    assert await came(device) == [*missed(PRIMER + 3, WAITING), f"end {WAITING}"]
    await device.query("w:p", "get")
    assert world.queue.counts((NUMBER, device.device)).get("message") is None


@pytest.mark.parametrize("asked", [0, "-1", "all", ""])
async def test_a_request_for_nothing_brings_nothing(
    world: ServerState, device: Device, asked: int | str
) -> None:
    world.switches.turn(NUMBER, RULE, on=True)
    await log_in(device)
    assert len(await came(device)) == PRIMER
    await request(device, asked)
    await device.send(Node("ib", {}, [Node("unified_session", {"id": "1"})]))
    assert await came(device) == []


async def test_nothing_new_comes_before_the_end(world: ServerState, device: Device) -> None:
    world.switches.turn(NUMBER, RULE, on=True)
    await log_in(device)
    say(world, "live")
    assert await came(device) == missed(0, PRIMER)
    await request(device, WAITING)
    assert await came(device) == [*missed(PRIMER, WAITING), f"end {WAITING}", "live"]
    say(world, "later")
    assert await came(device) == ["later"]


async def test_a_primer_may_be_all(world: ServerState, device: Device) -> None:
    world.switches.turn(NUMBER, RULE, on=True)
    await log_in(device)
    await request(device, WAITING - PRIMER - PRIMER)
    assert len(await came(device)) == WAITING - PRIMER
    await device.query("w:p", "get")  # by now the server has the receipts
    await device.close()
    assert (await log_in(device))["count"] == str(PRIMER)
    assert await came(device) == [*missed(WAITING - PRIMER, WAITING), f"end {PRIMER}"]


async def test_what_nobody_requested_comes_at_the_next_login(
    world: ServerState, device: Device
) -> None:
    world.switches.turn(NUMBER, RULE, on=True)
    await log_in(device)
    assert await came(device) == missed(0, PRIMER)
    say(world, "live")
    await device.query("w:p", "get")
    await device.close()
    world.switches.turn(NUMBER, RULE, on=False)
    await log_in(device)
    left = WAITING - PRIMER + 1
    assert await came(device) == [*missed(PRIMER, WAITING), "(live)", f"end {left}"]


async def test_what_is_settled_meanwhile_is_not_sent(world: ServerState, device: Device) -> None:
    """As the resend of a message whose first copy was answered after all."""
    world.switches.turn(NUMBER, RULE, on=True)
    await log_in(device)
    live = say(world, "live")
    key = (NUMBER, device.device)
    held = str(world.queue.waiting(key)[PRIMER].stanza.attrs["id"])
    with world.store.transaction():
        for message_id in (held, live):
            assert world.queue.receive(key, "", message_id)
    await request(device, WAITING)
    assert await came(device) == [
        *missed(0, PRIMER),
        *missed(PRIMER + 1, WAITING),
        f"end {WAITING}",
    ]


async def test_what_nobody_requested_is_not_owed(world: ServerState, device: Device) -> None:
    world.switches.turn(NUMBER, RULE, on=True)
    await log_in(device)
    await device.query("w:p", "get")
    assert len(world.answer_deadlines.open(NUMBER)) == PRIMER


@pytest.mark.parametrize(
    ("stanza", "count"),
    [
        (Node("ib", {}, [Node("offline_batch", {"count": "200"})]), 200),
        (Node("ib", {}, [Node("offline_batch", {})]), 0),
        (Node("ib", {}, [Node("dirty", {"count": "200"})]), 0),
        (Node("ib", {}), 0),
    ],
)
def test_what_is_requested(stanza: Any, count: int) -> None:
    assert requested(stanza) == count
