"""Pairing: every signature is checked, and each way to fail says which."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import pytest

from simulator.phones.pairing import QR_PREFIX, ScanError

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
