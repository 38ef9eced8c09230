"""The memory of a Redis that tells little, as a managed one may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.redis import client
from actors.redis.client import connect, durability, memory
from gateway.redis_memory import RedisMemoryMonitor
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_a_server_on_this_host_has_the_memory_of_its_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One elsewhere has what it reports, whatever the container of this process has."""
    monkeypatch.setattr(client, "container_memory", lambda: 2**28)
    with Valkey(tmp_path / "valkey") as server:
        redis = connect(server.settings())
        found = await memory(redis)
        assert found is not None
        assert found.limit == 2**27
        monkeypatch.setattr(client, "_HERE", ())
        found = await memory(redis)
        assert found is not None
        assert found.limit is not None
        assert found.limit > 2**27
        await redis.aclose()


async def test_a_server_without_info_is_not_known_to_be_full(tmp_path: Path) -> None:
    """As with `durability`: health goes on without it."""
    renamed = tmp_path / "renamed.conf"
    renamed.write_text('rename-command INFO ""\n')
    with Valkey(tmp_path / "valkey", options={"include": str(renamed)}) as server:
        settings = server.settings(max_redis_memory=1)
        redis = connect(settings)
        assert (await durability(redis)).appendfsync == "always"
        assert await memory(redis) is None
        room = RedisMemoryMonitor(redis, settings)
        await room.look()
        assert not room.full
        await redis.aclose()
