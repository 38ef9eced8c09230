"""The choice of the live session: a disk that is lost, a host that comes back, a broken file."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from actors.connection.backup.bucket.port import BucketAway
from actors.connection.backup.quarantine import DAMAGED, move_aside
from actors.connection.backup.restore import OLDER_DIRECTORY, put_in_place
from actors.connection.session.session import Session, StaleEpoch
from tests.integration.engine.simulated import ACCOUNT, CONTACT, until
from tests.integration.vault.conftest import SHOP, Host, World

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_session_that_moved_on_is_not_woken_where_it_was(world: World) -> None:
    """G6: A → B → A. A's file is drained of what it had received, moved aside, and B's served."""
    a, b = Host(world, "a"), Host(world, "b")
    async with a.serves(clean=False) as actor:
        first = await world.pair()
        await world.send(actor, "from a")
        await world.copied(first.epoch)
        world.shelf.away = True
        await world.simulator.say(CONTACT, ACCOUNT, "held by a")
        await until(lambda: _held(a.file))
    world.shelf.away = False
    async with b.serves() as actor:
        await world.opened()
        await world.send(actor, "from b")
        await world.hear("to b")
        assert "held by a" not in world.texts  # A acknowledged it, and A's disk alone has it
    async with a.serves() as actor:
        lease = await world.opened()
        await until(lambda: "held by a" in world.texts)
        await world.send(actor, "from a again")
        await world.hear("to a again")
        (aside,) = await until(lambda: list(a.file.parent.glob("drained/*/session.db")))
        assert lease.epoch == first.epoch + 2
    with closing(sqlite3.connect(aside)) as file, closing(sqlite3.connect(a.file)) as live:
        query = "SELECT count(*) FROM sent WHERE instr(plaintext, CAST('from b' AS BLOB))"
        assert (file.execute(query).fetchone()[0], live.execute(query).fetchone()[0]) == (0, 1)
    assert sorted(world.texts) == ["held by a", "to a again", "to b"]
    texts = [item["text"] for item in await world.simulator.inbox(CONTACT)]
    assert texts == ["from a", "from b", "from a again"]


async def test_an_emptied_redis_locks_nobody_out(world: World) -> None:
    """The new epoch is above the vault's, and the vault's session is live, not the old file."""
    a, b = Host(world, "a"), Host(world, "b")
    async with a.serves() as actor:
        await world.pair()
    for _ in range(3):
        async with b.serves() as actor:
            await world.opened()
            await world.hear(f"to b {len(world.texts)}")
    epoch = (await world.lease()).epoch
    await world.redis.flushdb()
    async with a.serves() as actor:
        assert (await world.opened()).epoch == epoch + 1
        await world.send(actor, "from a")
    assert list(a.file.parent.glob("drained/*/session.db"))


async def test_an_old_session_that_was_woken_unknowingly_is_put_to_rest(
    world: World, tmp_path: Path
) -> None:
    """Redis emptied and the bucket away: nobody can know. Once the bucket is back it ends by itself."""
    a, b = Host(world, "a", session_backup_interval=1000), Host(world, "b")
    async with a.serves():
        await world.pair()
    for number in range(3):
        async with b.serves():
            await world.opened()
            await world.hear(f"to b {number}")
    epoch = (await world.lease()).epoch
    await world.redis.flushdb()
    world.bucket.rename(tmp_path / "away")
    async with a.serves() as actor:
        assert (await world.opened()).epoch < epoch
        (tmp_path / "away").rename(world.bucket)
        assert actor._serving is not None
        ending = await asyncio.wait_for(actor._serving.ended(), 20)
        assert ending.reason == "broke"
    async with a.serves() as actor:
        assert (await world.opened()).epoch > epoch
        await world.send(actor, "from a")
        await world.hear("to a")
    assert list(a.file.parent.glob("drained/*/session.db"))


async def test_a_damaged_file_is_moved_aside_and_restored(world: World) -> None:
    host = Host(world, "a")
    async with host.serves(clean=False):
        first = await world.pair()
        await world.copied(first.epoch)
        await world.hear("one")
    _damage(host.file)
    broken = host.file.read_bytes()
    empty = host.file.parent / "empty" / "session.db"
    for epoch in range(1, 4):
        Session.open(empty, epoch).close()
        move_aside(empty, epoch, now=epoch * 60.0)
    (empty.parent / DAMAGED).rename(host.file.parent / DAMAGED)
    async with host.serves() as actor:
        again = await world.opened()
        assert again.obstacle is None
        await world.send(actor, "two")
        await world.hear("two")
    *former, aside = sorted(host.file.parent.glob("damaged/*/session.db"))
    assert aside.read_bytes() == broken
    assert [each.parent.name[-2:] for each in former] == ["-2", "-3"], "three stay"


async def test_a_broken_copy_is_not_the_end(world: World) -> None:
    """The newest copy cannot be read: the one before it serves, and its keys are not trusted."""
    host = Host(world, "a")
    async with host.serves():
        await world.pair()
        await world.hear("one")
    copies = await world.vault.copies(SHOP)
    assert len(copies) > 1
    newest = world.bucket / copies[-1].name
    changed = bytearray(newest.read_bytes())
    changed[-30] ^= 4
    newest.write_bytes(bytes(changed))
    host.lose_disk()
    async with host.serves() as actor:
        await world.opened()
        await world.send(actor, "two")
        await world.hear("two")


async def test_without_the_disk_nothing_begins_before_the_bucket_is_back(
    world: World, tmp_path: Path
) -> None:
    """G7, G11: a QR would cost a person what the vault has. No epoch is given meanwhile."""
    host = Host(world, "a")
    async with host.serves():
        await world.pair()
    before = await world.lease()
    host.lose_disk()
    world.bucket.rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(BucketAway):
            async with host.serves():
                pass
    assert await world.lease() == before
    (tmp_path / "away").rename(world.bucket)
    async with host.serves():
        assert (await world.opened()).epoch == before.epoch + 1


async def test_with_the_disk_a_bucket_that_is_away_stops_nobody(
    world: World, tmp_path: Path
) -> None:
    """G11: it is behind until the bucket is back, and says since when; then it catches up."""
    host = Host(world, "a", session_backup_interval=1000)
    async with host.serves(clean=False):
        await world.pair()
    world.bucket.rename(tmp_path / "away")
    async with host.serves() as actor:
        lease = await world.opened()
        await world.hear("meanwhile")
        await world.send(actor, "meanwhile")
        await until(partial(_behind, world))
        (tmp_path / "away").rename(world.bucket)
        await world.copied(lease.epoch)
        await until(partial(_not_behind, world))
        await world.hear("after")
    assert (await world.lease()).final
    host.lose_disk()
    async with host.serves() as actor:
        await world.opened()
        await world.send(actor, "and from the copy")


async def test_an_owner_that_was_frozen_replaces_nothing(world: World) -> None:
    """G6: between its lease and its restoring another one came, and serves."""
    host = Host(world, "a")
    async with host.serves():
        await world.pair()
    copy = (await world.vault.copies(SHOP))[-1]
    restoring = host.file.with_name("restoring")
    async with host.serves() as actor:
        serving = await world.opened()
        await world.vault.restore(copy, restoring)
        with pytest.raises(StaleEpoch):
            put_in_place(restoring, host.file, serving.epoch - 1, OLDER_DIRECTORY)
        await world.send(actor, "still served")


async def test_a_crash_in_the_middle_of_restoring_begins_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(world, "a")
    async with host.serves(clean=False):
        first = await world.pair()
        await world.copied(first.epoch)
    host.lose_disk()
    for step in ("_fetch", "_replace"):
        with monkeypatch.context() as patched:
            patched.setattr(f"actors.connection.backup.restore.Restorer.{step}", _crash)
            with pytest.raises(KeyboardInterrupt):
                async with host.serves():
                    pass
    async with host.serves() as actor:
        await world.opened()
        await world.send(actor, "one")


def _crash(*_: object) -> None:
    raise KeyboardInterrupt


def _held(file: Path) -> bool:
    with closing(sqlite3.connect(file)) as live:
        return bool(live.execute("SELECT 1 FROM inbox WHERE kind = 'message'").fetchall())


def _damage(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as live:
        live.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(file.read_bytes())
    content[4096:12288] = bytes(8192)
    file.write_bytes(bytes(content))


async def _behind(world: World) -> bool:
    return (await world.lease()).behind is not None


async def _not_behind(world: World) -> bool:
    return not await _behind(world)
