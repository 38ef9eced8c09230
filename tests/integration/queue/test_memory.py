"""The memory of a Redis that tells little, as a managed one may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.redis.client import connect, durability, memory
from gateway.redis_room import RedisRoom
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_server_without_info_is_not_known_to_be_full(tmp_path: Path) -> None:
    """As with `durability`: health goes on without it."""
    renamed = tmp_path / "renamed.conf"
    renamed.write_text('rename-command INFO ""\n')
    with Valkey(tmp_path / "valkey", options={"include": str(renamed)}) as server:
        settings = server.settings(max_redis_memory=1)
        redis = connect(settings)
        assert (await durability(redis)).appendfsync == "always"
        assert await memory(redis) is None
        room = RedisRoom(redis, settings.redis_limit, 4)
        await room.look()
        assert not room.full
        await redis.aclose()
