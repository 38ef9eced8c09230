"""Retention of files of messages, on disk and in a bucket, and the ledger of them."""

# ruff: noqa: ASYNC240
# Nothing else runs beside these steps.

from __future__ import annotations

import asyncio
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.protocol.media.download import FileDownloader
from actors.connection.protocol.media.http_client import HttpClient
from actors.connection.protocol.media.media_servers import MediaServers
from actors.connection.session.files.pending_downloads import Transfer
from actors.media.ledger import MARK_SECONDS
from tests.integration.vault.filed import DAY, RETENTION, Host

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def test_files_go_once_nobody_needs_them(tmp_path: Path, bucket: Path) -> None:
    host = Host(tmp_path / "a", bucket)
    arrived, sent, waits = [await host.keep(name) for name in (b"arrived", b"sent", b"waits")]
    assert await host.files.use(sent, "shop.1")
    assert await host.files.use(waits, "shop.2")
    host.waiting = {"shop.1", "shop.2"}
    await host.later(RETENTION - 1)
    assert host.here == {arrived, sent, waits}
    await host.later(2)
    host.waiting = {"shop.2"}
    await host.later(MARK_SECONDS)
    assert host.here == {sent, waits}
    assert len(await host.bucket.list("media/")) == 4
    await host.later(RETENTION + 1)
    assert host.here == {waits}, "thirty days after it last waited"
    host.waiting = set()
    await host.later(2 * RETENTION)
    assert host.here == set()
    assert await host.bucket.list("media/") == []


@pytest.mark.parametrize("comes", ["a message", "the file again"])
async def test_what_comes_while_it_is_tidied_has_its_file(
    tmp_path: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch, comes: str
) -> None:
    """Between the look at what nobody needs and its removal somebody does need it.

    A file that comes again is in the ledger before it replaces the one that lies there.
    """
    host = Host(tmp_path / "a", bucket)
    sha256 = await host.keep(b"tea")
    host.now += RETENTION + MARK_SECONDS + 1
    copies, came = host.upkeep._copies, []
    assert copies is not None
    real: Callable[..., Any] = copies.forget

    async def interrupted(*arguments: Any) -> bool:
        if comes == "a message":
            assert await host.files.use(sha256, "shop.1")
            host.waiting = {"shop.1"}
        else:
            await host.files._ledger.note(sha256, 3)
        came.append(comes)
        return bool(await real(*arguments))

    monkeypatch.setattr(copies, "forget", interrupted)
    # It comes by the clock of everybody, which is not this test's.
    monkeypatch.setattr(time, "time", lambda: host.now)
    await host.upkeep.tidy()
    assert came == [comes]
    assert host.here == {sha256}
    assert await host.files._ledger.find(sha256)
    await host.upkeep.copy()
    host.lose_disk()
    assert await host.files.find(sha256), "it is copied again"


async def test_what_is_kept_again_while_it_is_tidied_stays_known(
    tmp_path: Path, bucket: Path
) -> None:
    """It is in the ledger before it appears: its file is an old one still."""
    host = Host(tmp_path / "a", bucket)
    sha256 = await host.keep(b"tea")
    host.now += RETENTION + MARK_SECONDS + 1
    await host.files._ledger.note(sha256, 3, host.now)
    await host.upkeep.tidy()
    assert host.here == {sha256}
    assert await host.files._ledger.find(sha256)


async def test_what_arrives_again_is_kept_as_what_arrives(
    tmp_path: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not fetched, for it is there; its message needs it for as long as any other."""
    host = Host(tmp_path / "a", bucket)
    sha256 = bytes.fromhex(await host.keep(b"tea"))
    await host.upkeep.copy()
    host.now += RETENTION
    monkeypatch.setattr(time, "time", lambda: host.now)
    chat = "15550100002@s.whatsapp.net"
    transfer = Transfer(chat, chat, "A", False, "image", bytes(32), "/", sha256, bytes(32), 3)
    assert (
        await FileDownloader(host.files.of("shop"), HttpClient(), MediaServers(), limit=9).fetch(
            transfer
        )
        is None
    )
    await host.later(2 * MARK_SECONDS)
    assert host.here == {sha256.hex()}
    host.lose_disk()
    await host.later(RETENTION - 3 * MARK_SECONDS)
    assert await host.files.of("shop").need(sha256.hex()), "the bucket's copy was renewed, too"
    host.lose_disk()
    shutil.rmtree(bucket / "media")
    assert not await host.files.of("shop").need(sha256.hex())


async def test_a_file_that_was_lost_while_its_message_waits(tmp_path: Path, bucket: Path) -> None:
    """It is the bucket's to give, for as long as the message waits, and nothing stands still."""
    host = Host(tmp_path / "a", bucket)
    sha256 = await host.keep(b"tea")
    await host.upkeep.copy()
    assert await host.files.use(sha256, "shop.1")
    host.waiting = {"shop.1"}
    host.lose_disk()
    async with asyncio.timeout(30):
        await host.later(RETENTION + 1)
        await host.later(2 * MARK_SECONDS)
    assert await host.files.find(sha256)
    host.lose_disk()
    host.waiting = set()
    for _ in range(2):
        await host.later(RETENTION + MARK_SECONDS + 1)
    assert await host.bucket.list("media/") == []


async def test_a_file_that_is_gone_is_not_accepted(tmp_path: Path, bucket: Path) -> None:
    host = Host(tmp_path / "a", bucket)
    sha256 = await host.keep(b"tea")
    host.lose_disk()
    assert not await host.files.use(sha256, "shop.1")


async def test_hosts_that_share_a_directory_keep_what_either_needs(
    tmp_path: Path, bucket: Path
) -> None:
    more = {"ray_address": "127.0.0.1:1"}
    one = Host(tmp_path / "a", bucket, **more)
    sha256 = await one.keep(b"tea")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("platform.node", lambda: "other")
        other = Host(tmp_path / "a", bucket, **more)
    await one.upkeep.copy()
    other.waiting = {"shop.1"}
    assert await other.files.use(sha256, "shop.1")
    other.now = one.now
    for _ in range(70):
        await one.later(DAY)
        await other.later(DAY)
        assert one.here == {sha256}
    other.waiting = set()
    for _ in range(70):
        await one.later(DAY)
        await other.later(DAY)
    assert one.here == set()
    assert await one.bucket.list("media/") == []


async def test_what_another_host_needs_stays_in_the_bucket(tmp_path: Path, bucket: Path) -> None:
    one, other = Host(tmp_path / "a", bucket), Host(tmp_path / "b", bucket)
    sha256 = await one.keep(b"tea")
    await one.upkeep.copy()
    assert await other.files.find(sha256)
    other.now += RETENTION
    other.waiting = {"shop.1"}
    await other.files.use(sha256, "shop.1")
    await other.later(1)
    await other.upkeep.copy()
    await one.later(RETENTION + MARK_SECONDS + 1)
    assert one.here == set()
    assert await one.files.find(sha256), "the other renewed the copy"


async def test_a_ledger_that_was_lost_is_written_anew(tmp_path: Path, bucket: Path) -> None:
    host = Host(tmp_path / "a", bucket)
    sha256 = await host.keep(b"tea")
    await host.files.close()
    for left in host.data.glob("media.db*"):
        left.unlink()
    again = Host(tmp_path / "a", bucket)
    await again.upkeep.round()
    assert await again.bucket.list("media/")
    await again.later(RETENTION + MARK_SECONDS + 1)
    assert sha256 not in again.here


@pytest.mark.parametrize("how", ["overwritten", "a page"])
async def test_a_ledger_that_is_damaged_is_written_anew(
    tmp_path: Path, bucket: Path, how: str
) -> None:
    """While two processes have it open: neither refuses a file, and what is there goes in its time."""
    host, other = Host(tmp_path / "a", bucket), Host(tmp_path / "a", bucket)
    names = [f"{number}".encode() for number in range(50)]
    sha256s = {await host.keep(name) for name in names}
    assert await other.files.use(min(sha256s), "shop.1")
    await host.files.close()
    await other.files.close()
    database = host.data / "media.db"
    with database.open("r+b") as stream:
        if how == "overwritten":
            stream.write(b"no database" * 100)
        else:
            stream.seek(4096)
            stream.write(b"x" * (database.stat().st_size - 4096))
    host, other = Host(tmp_path / "a", bucket), Host(tmp_path / "a", bucket)
    more = await asyncio.gather(host.keep(b"tea"), other.keep(b"coffee"))
    # Beside it may lie the log of who had it open still.
    assert len(list(host.data.glob("media.db.damaged-*[0-9]"))) == 1
    assert host.here == sha256s | set(more)
    await host.upkeep.round()
    assert len(list(bucket.glob("media/*/index"))) == 52
    await host.later(RETENTION + MARK_SECONDS + 1)
    assert host.here == set()
