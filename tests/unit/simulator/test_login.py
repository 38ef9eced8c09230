"""Logging in: who is refused, who replaces whom, and what an offline device finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from simulator.control.api import application
from simulator.server.rules.login_failures import Standings
from simulator.server.rules.properties import Properties
from simulator.server_state import ServerState
from simulator.wire.protocol_library import JID, ClientPayload, Node
from tests.unit.simulator.device import announce

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"


def say(world: ServerState, text: str, **more: Any) -> str:
    with world.store.transaction():
        return world.contact_behaviour.say(FRIEND, NUMBER, text, **more)


async def test_another_noise_key_is_refused(
    paired: Callable[[str], Awaitable[Device]],
) -> None:
    device = await paired(NUMBER)
    await device.close()
    device.noise = X25519PrivateKey.generate()
    refused = await device.login()
    assert (refused.tag, refused.attrs["reason"]) == ("failure", "401")
    await device.closed()


@pytest.mark.parametrize(("standing", "reason"), [("locked", "403"), ("banned", "406")])
async def test_an_account_that_is_not_in_good_standing(
    world: ServerState, paired: Callable[[str], Awaitable[Device]], standing: str, reason: str
) -> None:
    """Its logins are refused, after a restart as well; then its devices are what they were."""
    device = await paired(NUMBER)
    transport = httpx.ASGITransport(application(world, str))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as http:
        path = f"/accounts/{NUMBER}"
        assert (await http.post(path, json={"standing": standing})).is_success
        await device.closed()
        refused = await device.login()
        assert (refused.tag, refused.attrs["reason"]) == ("failure", reason)
        texts = {"logout_message_header", "logout_message_subtext"}
        assert texts & refused.attrs.keys() == (texts if standing == "locked" else set())
        assert (await http.get(path)).json()["standing"] == standing
    assert Standings(Properties(world.store)).of(NUMBER) == standing
    world.properties.change(NUMBER, {"standing": "good"})
    assert (await device.login()).tag == "success"


async def test_a_refused_login_counts_as_none(
    world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    device = await paired(NUMBER)
    await device.close()
    world.faults.request({"account": NUMBER, "kind": "reject_login", "count": 1})
    assert (await device.login()).tag == "failure"
    assert world.store.counted(NUMBER, "logins_xx") == 1


async def test_nothing_of_a_replaced_socket_is_accepted(
    world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    """G6: after the successor's login the server accepts no stanza of the old owner."""
    device = await paired(NUMBER)
    late = await device.message(FRIEND, "too late", "LATE")
    old_socket, old_frames = device.socket, device.frames
    old_keys = device._send, device._receive, device._sent, device._received

    assert (await device.login()).tag == "success"
    new_socket, device.socket, device.frames = device.socket, old_socket, old_frames
    device._send, device._receive, device._sent, device._received = old_keys
    await device.send(late)
    conflict = (await device.next("stream:error")).get_child("conflict")
    assert conflict.attrs == {"type": "replaced"}
    await device.closed()
    assert world.inbox.received(FRIEND) == []
    await new_socket.close()


async def test_what_came_before_a_login_is_handled_before_it(
    world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    device = await paired(NUMBER)
    key = (NUMBER, device.device)
    connection = world.switchboard.live(key)
    assert connection is not None
    ack = {"class": "message", "id": say(world, "hello"), "to": JID(FRIEND)}
    acknowledged = Node("ack", ack)
    world.dispatcher.handle(connection, acknowledged)
    assert world.queue.counts(key) == {"message": 1}, "stanzas wait for the turn's end"
    payload = ClientPayload(username=int(NUMBER), device=device.device)
    announce(payload, device.version)
    world.dispatcher.entered(connection, payload)
    assert world.queue.counts(key) == {}


async def test_survives_a_restart_of_the_simulator(
    world: ServerState, paired: Callable[[str], Awaitable[Device]], tmp_path: Path
) -> None:
    device = await paired(NUMBER)
    await device.close()
    say(world, "kept")
    # a second world on the same directory, as after a kill: nothing was written at an orderly end
    again = ServerState(tmp_path / "world")
    try:
        assert again.static_key.root_key == world.static_key.root_key
        assert again.static_key.identity.static_public == world.static_key.identity.static_public
        key = (NUMBER, device.device)
        assert again.queue.counts(key) == {"message": 1}
        assert again.companions.get(*key) == world.companions.get(*key)
        assert again.endpoints.phone(FRIEND).has_session(key)
    finally:
        again.close()
