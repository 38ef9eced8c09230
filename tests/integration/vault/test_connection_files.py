"""Files in the hands of a connection's actor, where its host has no gateway."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from actors.media import upkeep
from tests.integration.engine.simulated import until
from tests.integration.vault.conftest import Host, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest


async def test_a_connection_copies_what_is_kept_on_a_host_without_a_gateway(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "SELDOM", 0.1)
    host = Host(world, "a", ray_address="127.0.0.1:1")

    async def chunks() -> AsyncIterator[bytes]:
        yield b"tea"

    async def copied() -> bool:
        return any(world.bucket.glob("media/*/index"))

    async with host.serves() as actor:
        sha256, _ = await actor._media.of("shop").add(chunks(), limit=10)
        await until(copied)
    assert actor._tidying is not None
    assert actor._tidying.done()
    shutil.rmtree(host.settings.media)
    alone = Host(world, "b")
    async with alone.serves() as actor:
        found = await actor._media.find(sha256)
        assert found is not None
        assert found.read_bytes() == b"tea"
        assert actor._tidying is None, "on a single host the gateway does it"
