"""The certificate chain, checked the way a client checks it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.certificates import issue, new_private_key, public_key
from simulator.wire.proto_schema import CertChain, CertificateDetails
from simulator.wire.protocol_library import xeddsa_verify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.server_state import ServerState
    from simulator.wire.static_key import Certificate
    from tests.unit.simulator.device import Device


def parsed(chain_bytes: bytes) -> tuple[Any, Any, Any]:
    chain = CertChain.FromString(chain_bytes)
    return (
        chain,
        CertificateDetails.FromString(chain.intermediate.details),
        CertificateDetails.FromString(chain.leaf.details),
    )


def test_links_from_root_to_static_key() -> None:
    root, static = new_private_key(), new_private_key()
    identity = issue(root, static, now=1_000_000.0)
    chain, intermediate, leaf = parsed(identity.chain)
    assert xeddsa_verify(public_key(root), chain.intermediate.details, chain.intermediate.signature)
    assert xeddsa_verify(intermediate.key, chain.leaf.details, chain.leaf.signature)
    assert intermediate.issuer_serial == 0
    assert leaf.issuer_serial == intermediate.serial
    assert leaf.key == identity.static_public == public_key(static)
    for details in (intermediate, leaf):
        assert details.not_before < 1_000_000 < details.not_after


def test_another_root_does_not_verify() -> None:
    chain, _, _ = parsed(issue(new_private_key(), new_private_key()).chain)
    assert not xeddsa_verify(
        public_key(new_private_key()), chain.intermediate.details, chain.intermediate.signature
    )


@pytest.mark.parametrize(
    ("certificate", "genuine", "current"),
    [("valid", True, True), ("expired", True, False), ("forged", False, True)],
)
async def test_what_a_client_is_shown_after_a_rotation(
    world: ServerState,
    paired: Callable[[str], Awaitable[Device]],
    *,
    certificate: Certificate,
    genuine: bool,
    current: bool,
) -> None:
    device = await paired("15550100001")
    world.static_key.rotate(certificate)
    await device.login()
    chain, intermediate, leaf = parsed(device.chain)
    verified = xeddsa_verify(
        world.static_key.root_key, chain.intermediate.details, chain.intermediate.signature
    )
    assert verified is genuine
    assert (leaf.not_before < time.time() < leaf.not_after) is current
    assert leaf.key == device.server_static
    assert xeddsa_verify(intermediate.key, chain.leaf.details, chain.leaf.signature)
    world.static_key.rotate()
    await device.login()
    chain, _, _ = parsed(device.chain)
    assert xeddsa_verify(
        world.static_key.root_key, chain.intermediate.details, chain.intermediate.signature
    )
