"""Faults: what is asked for makes sense or is refused, and what was asked for arrives."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.exceptions import InvalidTag
from websockets.exceptions import ConnectionClosed

from simulator.faults import RULES, SERVER_WIDE, TIMING, FaultError, Faults, requested

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"
OF_ACCOUNTS = [kind for kind in RULES if kind not in SERVER_WIDE]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param([], id="no object"),
        pytest.param({"kind": "drop"}, id="no account"),
        pytest.param({"account": NUMBER}, id="no kind"),
        pytest.param({"account": NUMBER, "kind": "explode"}, id="unknown kind"),
        pytest.param({"account": NUMBER, "kind": "drop", "who": 1}, id="unknown field"),
        pytest.param({"account": 1, "kind": "drop"}, id="account is no string"),
        pytest.param({"account": NUMBER, "kind": "lose", "count": True}, id="count is no number"),
        pytest.param({"account": NUMBER, "kind": "lose", "count": 0}, id="count below one"),
        pytest.param({"account": NUMBER, "kind": "freeze", "seconds": -1}, id="negative time"),
        pytest.param({"account": NUMBER, "kind": "reorder", "count": 1}, id="order of one"),
    ],
)
def test_refused(body: Any) -> None:
    with pytest.raises(FaultError):
        requested(body, 1)


def test_a_rule_strikes_as_often_as_it_says() -> None:
    faults = Faults()
    faults.request({"account": NUMBER, "kind": "swallow", "count": 2})
    assert faults.strike("15550100009", "swallow") is None
    assert [faults.strike(NUMBER, "swallow") is not None for _ in range(3)] == [True, True, False]
    (described,) = faults.everything()
    assert (described["struck"], described["active"]) == (2, False)


def test_clearing() -> None:
    faults = Faults()
    one = faults.request({"account": NUMBER, "kind": "swallow"})
    two = faults.request({"account": FRIEND, "kind": "swallow"})
    three = faults.request({"account": FRIEND, "kind": "withhold_acks"})
    assert faults.clear(FRIEND, three.id) == [three]
    assert faults.clear(NUMBER) == [one]
    assert faults.clear() == [two]
    assert faults.strike(FRIEND, "swallow") is None


async def test_every_rule_whose_seconds_are_its_own_ends_after_them(world: ServerState) -> None:
    """For many accounts at once, each by its own clock, and however often it had struck."""
    accounts = [f"1555010002{number}" for number in range(3)]
    bodies = [
        {"account": account, "kind": kind, "seconds": 0.2 if account == accounts[0] else 60}
        for account in accounts
        for kind in OF_ACCOUNTS
    ]
    for body in bodies:
        world.fault_injector.strike(world.faults.request(body))
    assert all(fault["active"] for fault in world.faults.everything())
    assert world.faults.strike(accounts[0], "swallow") is not None
    await asyncio.sleep(0.4)
    left = {
        (fault["account"], fault["kind"]) for fault in world.faults.everything() if fault["active"]
    }
    asked = {(body["account"], body["kind"]) for body in bodies}
    ended = {(accounts[0], kind) for kind in OF_ACCOUNTS if kind not in TIMING}
    assert left == asked - ended
    assert world.faults.strike(accounts[0], "swallow") is None
    assert world.faults.strike(accounts[1], "swallow") is not None


def inject(world: ServerState, kind: str, **more: Any) -> int:
    return world.fault_injector.strike(
        world.faults.request({"account": NUMBER, "kind": kind, **more})
    )


def say(world: ServerState, text: str) -> str:
    with world.store.transaction():
        return world.contact_behaviour.say(FRIEND, NUMBER, text)


def struck(world: ServerState) -> int:
    return sum(fault["struck"] for fault in world.faults.everything())


@pytest.mark.parametrize("kind", ["drop", "abort"])
async def test_the_socket_closes(device: Device, world: ServerState, kind: str) -> None:
    assert inject(world, kind) == 1
    await device.closed()
    code = device.socket.close_code
    # 1006: the connection broke without a close frame
    assert code == (1000 if kind == "drop" else 1006)
    assert (await device.login()).tag == "success"


async def test_withheld_and_delayed_acks(device: Device, world: ServerState) -> None:
    world.people.change(FRIEND, {"receipts": "none"})
    inject(world, "withhold_acks", count=1)
    await device.send(await device.message(FRIEND, "one", "M1"))
    with pytest.raises(TimeoutError):
        await device.next("ack", 0.3)
    assert len(world.inbox.received(FRIEND)) == 1
    inject(world, "delay_acks", seconds=0.3, count=1)
    start = time.monotonic()
    await device.send(await device.message(FRIEND, "two", "M2"))
    assert (await device.next("ack")).attrs["id"] == "M2"
    assert time.monotonic() - start >= 0.3
    assert struck(world) == 2


async def test_refused_and_swallowed_messages(device: Device, world: ServerState) -> None:
    inject(world, "error_acks", code=463, count=1)
    await device.send(await device.message(FRIEND, "one", "M1"))
    assert (await device.next("ack")).attrs["error"] == "463"
    inject(world, "swallow", count=1)
    await device.send(await device.message(FRIEND, "two", "M2"))
    with pytest.raises(TimeoutError):
        await device.next("ack", 0.3)
    assert world.inbox.received(FRIEND) == []
    assert struck(world) == 2


async def test_duplicate_and_garbled_deliveries(device: Device, world: ServerState) -> None:
    inject(world, "duplicate", count=1)
    message_id = say(world, "twice")
    assert [(await device.next("message")).attrs["id"] for _ in range(2)] == [message_id] * 2
    inject(world, "garble")
    say(world, "garbled")
    with pytest.raises(Exception, match="bad-mac"):
        device.decrypt(await device.next("message"))
    assert struck(world) == 2


async def next_read(device: Device, count: int) -> list[str]:
    return [(await device.read())[1] for _ in range(count)]


async def test_messages_that_arrive_newest_first(device: Device, world: ServerState) -> None:
    """Over two sessions: the contact forgot the first one between the second text and the third."""
    inject(world, "reorder", count=3)
    say(world, "one")
    with world.store.transaction():
        world.contact_behaviour.say(NUMBER, FRIEND, "from my phone")
    say(world, "two")
    assert (await device.read())[1] == "from my phone"
    with pytest.raises(TimeoutError):
        await device.next("message", 0.3)
    assert struck(world) == 0
    with world.store.transaction():
        assert world.device_changes.forget(FRIEND, NUMBER) == 1
    for text in ("three", "four"):
        say(world, text)
    assert await next_read(device, 4) == ["three", "two", "one", "four"]
    assert struck(world) == 3
    assert not world.faults.everything()[0]["active"]


@pytest.mark.parametrize("end", ["cleared", "disconnected", "replaced"])
async def test_what_was_kept_back_arrives_in_its_order(
    device: Device, world: ServerState, end: str
) -> None:
    inject(world, "reorder", count=3)
    for text in ("one", "two"):
        say(world, text)
    with pytest.raises(TimeoutError):
        await device.next("message", 0.3)
    if end == "cleared":
        assert world.fault_injector.clear(NUMBER) == 1
    elif end == "disconnected":
        await device.close()
        await device.login()
    else:
        await device.login()
    assert await next_read(device, 2) == ["one", "two"]
    if end == "cleared":
        say(world, "three")
        assert await next_read(device, 1) == ["three"]
    else:
        # The rule waits on, for three messages that the device has not had.
        for text in ("three", "four", "five"):
            say(world, text)
        assert await next_read(device, 3) == ["five", "four", "three"]


async def test_what_was_kept_back_arrives_when_the_time_is_over(
    device: Device, world: ServerState
) -> None:
    inject(world, "reorder", count=3, seconds=0.3)
    for text in ("one", "two"):
        say(world, text)
    assert await next_read(device, 2) == ["one", "two"]
    assert (struck(world), world.faults.everything()[0]["active"]) == (0, False)


@pytest.mark.parametrize("kind", ["lose", "corrupt"])
async def test_spoiled_frames_do_not_authenticate(
    device: Device, world: ServerState, kind: str
) -> None:
    inject(world, kind)
    say(world, "spoiled")
    say(world, "after it")
    with pytest.raises(InvalidTag):
        await device.next("message")
    assert struck(world) == 1
    await device.login()
    assert [(await device.read())[1] for _ in range(2)] == ["spoiled", "after it"]


async def test_an_ack_that_comes_twice(device: Device, world: ServerState) -> None:
    inject(world, "duplicate_acks", count=1)
    world.people.change(FRIEND, {"receipts": "none"})
    for message_id in ("M1", "M2"):
        await device.send(await device.message(FRIEND, "hello", message_id))
    acks = [(await device.next("ack")).attrs["id"] for _ in range(3)]
    assert acks == ["M1", "M1", "M2"]
    assert struck(world) == 1


async def test_a_fault_of_one_device_leaves_the_other_alone(
    device: Device, world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    other = await paired(NUMBER)
    assert inject(world, "drop", device=other.device) == 1
    await other.closed()
    assert (await device.query("w:p", "get")).attrs["type"] == "result"
    inject(world, "withhold_acks", device=other.device)
    await device.send(await device.message(FRIEND, "hello", "M1"))
    assert (await device.next("ack")).attrs["id"] == "M1"


async def test_a_frozen_socket_moves_nothing_until_it_thaws(
    device: Device, world: ServerState
) -> None:
    assert inject(world, "freeze") == 1
    message_id = say(world, "stuck")
    with pytest.raises(TimeoutError):
        await device.next("message", 0.3)
    assert world.fault_injector.clear(NUMBER) == 1
    assert await device.read() == (message_id, "stuck")


async def test_a_freeze_outlasts_a_new_login_and_ends_by_itself(
    device: Device, world: ServerState
) -> None:
    inject(world, "freeze", seconds=0.6)
    await device.close()
    with pytest.raises((TimeoutError, ConnectionClosed)):
        await device.next(seconds=0.2)
    assert (await device.login()).tag == "success"
    assert struck(world) == 2
