"""Pairing: every signature is checked, and each way to fail says which."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING

import pytest

from simulator.phones.pairing import QR_PREFIX, ScanError
from simulator.wire.protocol_library import SERVER, Node, bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER = "15550100001"


async def failed(world: ServerState, qr: str) -> ScanError:
    with pytest.raises(ScanError) as raised:
        await world.pairing.scan(NUMBER, qr)
    assert world.companions.of(NUMBER) == ()
    return raised.value


async def test_pairs_and_asks_for_a_restart(
    world: ServerState, new_device: Callable[[], Device]
) -> None:
    device = new_device()
    qr = await device.register()
    companion, _ = await asyncio.gather(world.pairing.scan(NUMBER, qr), device.sign())
    assert world.companions.get(NUMBER, companion.device) == companion
    assert (await device.next("stream:error")).attrs == {"code": "515"}
    await device.closed()
    success = await device.login()
    assert success.tag == "success"
    assert success.attrs["lid"].device == companion.device


async def test_device_ids_are_never_given_twice(
    world: ServerState, new_device: Callable[[], Device]
) -> None:
    ids = []
    for _ in range(2):
        device = new_device()
        await device.pair(NUMBER)
        ids.append(device.device)
        world.fault_injector.strike(world.faults.request({"account": NUMBER, "kind": "logout"}))
    assert ids == [1, 2]


@pytest.mark.parametrize("qr", ["", "2@x", "2@x,y,z", "2@x,AAAA,AAAA,AAAA", "http://example.org/"])
async def test_not_a_qr(world: ServerState, qr: str) -> None:
    error = await failed(world, qr)
    assert (error.status, error.code) == (400, "bad_qr")


@pytest.mark.parametrize("client_type", ["", "12", "1,1", "x"])
async def test_a_qr_without_the_type_of_its_client(
    world: ServerState, new_device: Callable[[], Device], client_type: str
) -> None:
    device = new_device()
    qr = await device.register(client_type=client_type)
    error = await failed(world, qr)
    assert (error.status, error.code) == (400, "bad_qr")


@pytest.mark.parametrize("prefix", ["", QR_PREFIX])
async def test_a_qr_is_read_with_its_prefix_and_without(
    world: ServerState, new_device: Callable[[], Device], prefix: str
) -> None:
    device = new_device()
    qr = await device.register()
    await asyncio.gather(world.pairing.scan(NUMBER, prefix + qr), device.sign())


@pytest.mark.parametrize("prefix", ["", QR_PREFIX])
@pytest.mark.parametrize("rule", ["qr_prefix", "qr_bare"])
async def test_a_phone_that_reads_one_of_both_alone(
    world: ServerState, new_device: Callable[[], Device], rule: str, prefix: str
) -> None:
    """Contested; the client hears nothing, and another account's phone links it."""
    world.switches.turn(NUMBER, rule, on=True)
    device = new_device()
    qr = prefix + await device.register()
    if bool(prefix) == (rule == "qr_prefix"):
        await asyncio.gather(world.pairing.scan(NUMBER, qr), device.sign())
        return
    error = await failed(world, qr)
    assert (error.status, error.code) == (400, "bad_qr")
    await asyncio.gather(world.pairing.scan("15550100002", qr), device.sign())
    assert world.companions.of(NUMBER) == ()


async def test_another_prefix_is_none(world: ServerState, new_device: Callable[[], Device]) -> None:
    qr = await new_device().register()
    assert (await failed(world, f"https://example.org/#{qr}")).code == "bad_qr"


def with_secret(qr: str, secret: bytes) -> str:
    fields = qr.split(",")
    fields[3] = base64.b64encode(secret).decode()
    return ",".join(fields)


async def test_a_phone_that_demands_another_secret(
    world: ServerState, new_device: Callable[[], Device]
) -> None:
    """It links nothing under one that it scanned, however often it scans it."""
    world.scan_demands.change(NUMBER, "refresh")
    device = new_device()
    qr = await device.register()
    for _ in range(2):
        assert (await failed(world, qr)).code == "secret_retired"
        told = await device.next("notification")
        assert told.attrs["type"] == "companion_reg_refresh"
        assert told.get_child("companion_reg_refresh") is not None
    device.secret = bytes(32)
    renewed = with_secret(qr, device.secret)
    await asyncio.gather(world.pairing.scan(NUMBER, renewed), device.sign())


async def test_a_phone_that_demands_a_passkey(
    world: ServerState, new_device: Callable[[], Device]
) -> None:
    world.scan_demands.change(NUMBER, "passkey")
    device = new_device()
    qr = await device.register()
    seen = []
    for _ in range(2):
        assert (await failed(world, qr)).code == "passkey_required"
        told = await device.next("notification")
        assert (told.attrs["type"], str(told.attrs["from"])) == (
            "passkey_prologue_request",
            str(SERVER),
        )
        seen.append(json.loads(bytes_of(told, "passkey_request_options")))
    assert seen[0]["challenge"] != seen[1]["challenge"]
    assert seen[0]["allowCredentials"] == seen[1]["allowCredentials"], "it is of the account"
    assert (seen[0]["rpId"], seen[0]["userVerification"]) == ("web.whatsapp.com", "required")


async def test_a_qr_that_nobody_shows_any_more(
    world: ServerState, new_device: Callable[[], Device]
) -> None:
    device = new_device()
    qr = await device.register()
    await device.close()
    await asyncio.wait_for(device.socket.wait_closed(), 5)
    await asyncio.sleep(0.05)
    assert (await failed(world, qr)).code == "qr_expired"


async def test_keys_of_another_client(world: ServerState, new_device: Callable[[], Device]) -> None:
    one, other = new_device(), new_device()
    ref = (await one.register()).split(",", 1)[0]
    keys = (await other.register()).split(",", 1)[1]
    assert (await failed(world, f"{ref},{keys}")).code == "qr_mismatch"


async def test_a_forged_prekey_signature(
    world: ServerState, new_device: Callable[[], Device]
) -> None:
    device = new_device()
    qr = await device.register()
    (connection,) = set(world.pairing._refs.values())
    signature = bytearray(connection.registration.e_skey_sig)
    signature[5] ^= 1
    connection.registration.e_skey_sig = bytes(signature)
    assert (await failed(world, qr)).code == "bad_prekey_signature"


async def test_a_forged_device_signature(
    world: ServerState, new_device: Callable[[], Device]
) -> None:
    device = new_device()
    qr = await device.register()
    error, _ = await asyncio.gather(failed(world, qr), device.sign(forged=True))
    assert error.code == "bad_device_signature"


async def test_a_client_that_refuses(world: ServerState, new_device: Callable[[], Device]) -> None:
    device = new_device()
    qr = await device.register()

    async def refuse() -> None:
        success = await device.next("iq")
        attrs = {"to": SERVER, "type": "error", "id": success.attrs["id"]}
        await device.send(Node("iq", attrs, [Node("error", {"code": 401})]))

    error, _ = await asyncio.gather(failed(world, qr), refuse())
    assert error.code == "pairing_refused"


async def test_a_client_that_goes_away(
    world: ServerState, new_device: Callable[[], Device]
) -> None:
    device = new_device()
    qr = await device.register()

    async def leave() -> None:
        await device.next("iq")
        await device.close()

    error, _ = await asyncio.gather(failed(world, qr), leave())
    assert error.code == "pairing_interrupted"
