"""Copies of Redis: each loads, and the newest alone stay."""

from __future__ import annotations

import asyncio
import secrets
import stat
from typing import TYPE_CHECKING, Any

from actors.redis.client import connect
from supervision.jobs import backup_redis
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from redis.asyncio import Redis

    from actors.state.documents import Documents
    from tests.integration.jobs.place import Place


def test_redis_is_copied_and_the_copy_loads(
    place: Place, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> None:
    noise = secrets.token_hex(10_000)  # nothing that the copy holds in fewer bytes

    async def fill(redis: Redis, _: Documents) -> None:
        for number in range(400):
            await redis.hset(f"h{number}", mapping={"field": noise + str(number)})
        await redis.zadd("z", {"a": 1.5, "b": 2})
        await redis.set("short", "lived", ex=3600)

    place.do(fill)
    assert place.result("backup-redis", "--dry-run")["file"] is None
    assert not (place.data / "backups").exists()
    told = place.run("backup-redis")
    assert told[0]["bytes"] >= backup_redis.STEP, "it says how far it is"
    done = told[-1]["result"]
    (file,) = (place.data / "backups").iterdir()
    assert done == {"bytes": file.stat().st_size, "file": str(file), "removed": 0}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes().startswith((b"REDIS", b"VALKEY"))

    # As docs/operations.md tells: the log begins with the copy.
    restored = tmp_path_factory.mktemp("restored")
    log = restored / "appendonlydir"
    log.mkdir()
    (log / "appendonly.aof.1.base.rdb").write_bytes(file.read_bytes())
    manifest = "file appendonly.aof.1.base.rdb seq 1 type b\n"
    (log / "appendonly.aof.manifest").write_text(manifest)
    with Valkey(restored) as second:

        async def look(redis: Redis) -> tuple[Any, ...]:
            return (
                len(await redis.keys()),
                await redis.zrange("z", 0, -1),
                await redis.hget("h7", "field"),
                3000 < await redis.ttl("short") <= 3600,
            )

        async def reach() -> tuple[Any, ...]:
            redis = connect(second.settings())
            try:
                return await look(redis)
            finally:
                await redis.aclose()

        assert asyncio.run(reach()) == (402, ["a", "b"], noise + "7", True)


def test_only_the_newest_copies_of_redis_stay(place: Place) -> None:
    directory = place.data / "elsewhere"
    directory.mkdir()
    place.result("backup-redis")
    mark = (place.data / "backups.mark").read_text()
    for day in range(1, 6):
        (directory / f"redis-{mark}-2026010{day}T000000Z.rdb").touch()
    others = {
        "redis.conf",
        "redis-20260101T000000Z.rdb",
        "redis-0a0a0a0a-20260101T000000Z.rdb",
        f"redis-{mark}-before-the-move.rdb",
        f".redis-{mark}-notes.rdb.1",
    }
    for name in others:
        (directory / name).touch()
    (directory / f".redis-{mark}-20260101T000000Z.rdb.1").touch()  # a killed one left it
    done = place.result("backup-redis", "--to", str(directory), "--keep", "3")
    assert done["removed"] == 3
    left = {file.name for file in directory.iterdir()}
    assert left >= others
    own = {f"redis-{mark}-2026010{day}T000000Z.rdb" for day in (4, 5)}
    assert left - others == own | {done["file"].rpartition("/")[2]}
    place.refused("too_few", "backup-redis", "--keep", "0")


def test_a_redis_that_gives_no_snapshot_is_said_so(place: Place) -> None:
    def acl(rule: str) -> None:
        async def set_rule(redis: Redis, _: Documents) -> None:
            await redis.acl_setuser("default", enabled=True, commands=[rule], reset=False)

        place.do(set_rule)

    acl("-sync")
    try:
        said = place.refused("no_snapshot", "backup-redis")
    finally:
        acl("+sync")
    assert "SYNC is forbidden" in said
    assert list((place.data / "backups").iterdir()) == []


def test_a_redis_that_is_away_is_said_so(place: Place, tmp_path: Path) -> None:
    away = Valkey(tmp_path / "none")
    away.settings().model_copy(update={"data": place.data}).save()
    for words in (("backup-redis",), ("redrive",), ("recover-connection",)):
        assert place.refused("redis_away", *words)
