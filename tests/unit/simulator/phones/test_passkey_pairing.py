"""Pairing by a passkey: what has to be proved, in which order, and how each step can fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.phones.pairing import ScanError
from tests.unit.simulator.passkey_client import PasskeyClient
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, OTHER = "15550100001", "15550100002"


@pytest.fixture
async def client(world: ServerState, new_device: Callable[[], Device]) -> PasskeyClient:
    """A client whose QR the phone has scanned."""
    world.scan_demands.change(NUMBER, "passkey")
    device = new_device()
    with pytest.raises(ScanError):
        await world.pairing.scan(NUMBER, await device.register())
    return PasskeyClient(device)


def code(answer: Any) -> str | None:
    """Returns the error of a query; None for a result."""
    error = answer.get_child("error")
    return None if error is None else str(error.attrs["code"])


def signed(world: ServerState, options: dict[str, Any], number: str = NUMBER) -> dict[str, Any]:
    return world.passkey_pairing.assertion(number, options["challenge"])


def step(world: ServerState) -> str:
    return str(world.passkey_pairing.described(NUMBER)["step"])


@pytest.mark.parametrize("handed_over", [True, False])
async def test_pairs_by_a_passkey(
    world: ServerState, client: PasskeyClient, handed_over: bool
) -> None:
    handoff = client.shown if handed_over else None
    assert code(await client.prove(signed(world, await client.options()), handoff=handoff)) is None
    assert step(world) == "proved"
    assert code(await client.compare()) is None
    assert world.passkey_pairing.described(NUMBER) == {
        "step": "compared",
        "code": client.code,
        "handed_over": handed_over,
    }
    assert code(await client.confirm()) is None
    await client.device.sign()
    assert (await client.device.next("stream:error")).attrs["code"] == "515"
    await eventually("it is linked", lambda: step(world) == "linked", 5)
    await client.device.close()
    assert (await client.device.login()).tag == "success"


async def test_the_options_are_given_again(world: ServerState, client: PasskeyClient) -> None:
    """The newest challenge counts."""
    first, second = await client.options(), await client.asked()
    assert first["challenge"] != second["challenge"]
    assert code(await client.prove(signed(world, first))) == "403"
    assert code(await client.prove(signed(world, second))) is None


async def test_a_passkey_of_another_account(world: ServerState, client: PasskeyClient) -> None:
    options = await client.options()
    assert code(await client.prove(signed(world, options, OTHER))) == "403"
    forged = signed(world, options) | {"response": signed(world, options, OTHER)["response"]}
    assert code(await client.prove(forged)) == "403"
    assert step(world) == "asked"


async def test_a_handoff_by_a_client_that_showed_another_qr(
    world: ServerState, client: PasskeyClient
) -> None:
    assertion = signed(world, await client.options())
    assert code(await client.prove(assertion, handoff=bytes(32))) == "403"


async def test_an_ephemeral_key_for_another_ref(world: ServerState, client: PasskeyClient) -> None:
    assertion = signed(world, await client.options())
    assert code(await client.prove(assertion, ref="another")) == "400"


async def test_a_nonce_that_was_not_committed_to(world: ServerState, client: PasskeyClient) -> None:
    await client.prove(signed(world, await client.options()))
    client.nonce = bytes(32)
    assert code(await client.compare()) == "400"
    assert world.passkey_pairing.described(NUMBER)["code"] is None


async def test_keys_that_are_not_the_clients(world: ServerState, client: PasskeyClient) -> None:
    await client.prove(signed(world, await client.options()))
    await client.compare()
    assert code(await client.confirm(noise=bytes(32))) == "400"
    client.ref = "another"
    assert code(await client.confirm()) == "400", "sealed under another key"
    assert world.companions.of(NUMBER) == ()
