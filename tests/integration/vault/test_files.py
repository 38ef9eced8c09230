"""Copies of files in a bucket: whole, encrypted, made by themselves, and gone in their time."""

# ruff: noqa: ASYNC221, ASYNC240
# Nothing else runs beside these steps.

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.native.media.fetch import Fetcher
from actors.connection.native.media.hosts import Hosts
from actors.connection.native.media.web import Web
from actors.connection.transfers import Transfer
from actors.connection.vault.bucket import BucketAway
from actors.connection.vault.opening import open_bucket
from actors.media import copies, upkeep
from actors.media.copies import PART
from actors.media.ledger import RENEW
from actors.media.opening import open_store
from actors.media.store import StoreUnavailable
from actors.settings import Settings
from tests.gcs import BUCKET, Gcs
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from actors.media.files import Files

ROOT = Path(__file__).parents[3]
OLD, NEW = "5e" * 32, "6f" * 32
DAY = 24 * 3600.0
RETENTION = 30 * DAY

COPYING = """
import asyncio, os, pathlib, signal, sys
from actors.connection.vault.opening import open_bucket
from actors.media.opening import open_store
from actors.settings import Settings
settings, written, real = Settings.load(pathlib.Path(sys.argv[1])), 0, pathlib.Path.replace
def replace(self, target):
    global written
    written += 1
    if written == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, target)
pathlib.Path.replace = replace
asyncio.run(open_store(settings, open_bucket(settings)).upkeep().round())
"""


@pytest.fixture(scope="module")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gcs]:
    with Gcs(tmp_path_factory.mktemp("gcs") / "objects") as started:
        yield started


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    directory = tmp_path / "bucket"
    directory.mkdir()
    return directory


class Host:
    """A host with a disk of its own, and the bucket that it shares."""

    def __init__(self, data: Path, bucket: str | Path, key: str = OLD, **more: Any) -> None:
        data.mkdir(exist_ok=True)
        self.data = data
        self.now = time.time()
        self.waiting: set[str] = set()
        self.settings = Settings.resolve(
            data=data, storage_bucket=str(bucket), session_encryption_key=key, **more
        )
        self.settings.save()
        self.bucket = open_bucket(self.settings)
        self.files: Files = open_store(self.settings, self.bucket)
        self.upkeep = self.files.upkeep(self.waits, lambda: self.now)

    async def waits(self, message: str) -> bool:
        return message in self.waiting

    async def keep(self, content: bytes) -> str:
        async def chunks() -> AsyncIterator[bytes]:
            yield content

        return (await self.files.keep(chunks(), limit=2**30))[0]

    async def later(self, seconds: float) -> None:
        """Time goes on, and what is to be tidied is."""
        self.now += seconds
        await self.upkeep.copy()
        await self.upkeep.tidy()

    @property
    def here(self) -> set[str]:
        found = (each for each in self.settings.media.rglob("*") if each.is_file())
        return {each.name for each in found}

    def lose_disk(self) -> None:
        shutil.rmtree(self.settings.media)


@pytest.mark.parametrize("kind", ["directory", "gcs"])
async def test_a_lost_disk_loses_no_file(
    kind: str, tmp_path: Path, bucket: Path, gcs: Gcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    where = bucket if kind == "directory" else f"gs://{BUCKET}"
    host = Host(tmp_path / "a", where)
    content = os.urandom(2 * PART + 12_345)
    sha256 = await host.keep(content)
    await host.upkeep.round()
    entries = await host.bucket.list("media/")
    assert len(entries) == 4
    assert max(entry.size for entry in entries) < PART + 2**17
    assert not any(sha256 in entry.name for entry in entries)
    for entry in entries:
        read = await host.bucket.read(entry.name)
        assert read is not None
        assert content[:64] not in read.data
        assert content[PART : PART + 64] not in read.data
    host.lose_disk()
    file = await host.files.find(sha256)
    assert file is not None
    assert file.read_bytes() == content
    assert host.here == {sha256}
    before = {entry.name: entry.generation for entry in entries}
    await host.upkeep.round()
    after = {entry.name: entry.generation for entry in await host.bucket.list("media/")}
    assert after.keys() == before.keys(), "it is not copied again"
    assert await host.files.find("0" * 64) is None


async def test_another_host_has_it_and_so_has_another_key(tmp_path: Path, bucket: Path) -> None:
    one = Host(tmp_path / "a", bucket)
    sha256 = await one.keep(b"tea")
    await one.upkeep.round()
    other = Host(tmp_path / "b", bucket, key=f"{NEW},{OLD}")
    file = await other.files.find(sha256)
    assert file is not None
    assert file.read_bytes() == b"tea"
    assert await Host(tmp_path / "c", bucket, key=NEW).files.find(sha256) is None


async def test_the_bucket_away_and_back(
    tmp_path: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G11: it heals by itself, and what waits for it outlives the process."""
    monkeypatch.setattr(upkeep, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr(upkeep, "LOOK", 0.1)
    away = bucket.rename(tmp_path / "elsewhere")
    host = Host(tmp_path / "a", bucket)
    sha256 = await host.keep(b"tea")
    with pytest.raises(BucketAway):
        await host.upkeep.round()
    with pytest.raises(BucketAway):
        await host.files.find("0" * 64)
    await host.files.close()
    again = Host(tmp_path / "a", bucket)
    running = asyncio.create_task(again.files.upkeep(again.waits).run())
    await asyncio.sleep(0.5)
    assert not running.done()
    assert not list(away.iterdir())
    away.rename(bucket)

    async def copied() -> bool:
        return any(each.name.endswith("/index") for each in await again.bucket.list("media/"))

    await eventually("it is copied", copied, 20)
    running.cancel()
    again.lose_disk()
    assert await again.files.find(sha256)


async def test_a_kill_in_the_middle_of_a_copy(tmp_path: Path, bucket: Path) -> None:
    host = Host(tmp_path / "a", bucket)
    content = os.urandom(4 * PART)
    sha256 = await host.keep(content)
    await host.files.close()
    died = subprocess.run([sys.executable, "-c", COPYING, host.data], cwd=ROOT, check=False)
    assert died.returncode == -9
    parts = [entry.name for entry in await host.bucket.list("media/")]
    assert len(parts) == 2
    other = Host(tmp_path / "b", bucket)
    assert await other.files.find(sha256) is None, "a half is none"
    again = Host(tmp_path / "a", bucket)
    await again.upkeep.round()
    assert not {entry.name for entry in await host.bucket.list("media/")} & set(parts)
    file = await other.files.find(sha256)
    assert file is not None
    assert file.read_bytes() == content


@pytest.mark.parametrize("spoil", ["changed", "cut", "exchanged", "index"])
async def test_a_copy_that_is_not_as_it_was_is_none(
    tmp_path: Path, bucket: Path, spoil: str
) -> None:
    host = Host(tmp_path / "a", bucket)
    sha256, other = await host.keep(b"tea" * 1000), await host.keep(b"coffee" * 1000)
    await host.upkeep.round()
    host.lose_disk()
    assert await host.files.find(sha256)
    host.lose_disk()
    first, second = sorted(each.parent for each in bucket.glob("media/*/index"))
    for one, another in ((first, second), (second, first)):
        (part,) = (each for each in one.iterdir() if each.name != "index")
        if spoil == "changed":
            part.write_bytes(part.read_bytes()[:-20] + b"x" * 20)
        elif spoil == "cut":
            part.unlink()
        elif spoil == "index":
            (one / "index").write_text("[]")
        elif one == first:
            (theirs,) = (each for each in another.iterdir() if each.name != "index")
            mine, yours = part.read_bytes(), theirs.read_bytes()
            part.write_bytes(yours)
            theirs.write_bytes(mine)
    assert await host.files.find(sha256) is None
    assert await host.files.find(other) is None
    assert host.here == set()


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
    await host.later(RENEW)
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
    host.now += RETENTION + RENEW + 1
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
    host.now += RETENTION + RENEW + 1
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
    assert await Fetcher(host.files, Web(), Hosts(), limit=9).fetch(transfer) is None
    await host.later(2 * RENEW)
    assert host.here == {sha256.hex()}
    host.lose_disk()
    await host.later(RETENTION - 3 * RENEW)
    assert await host.files.need(sha256.hex()), "the bucket's copy was renewed, too"
    host.lose_disk()
    shutil.rmtree(bucket / "media")
    assert not await host.files.need(sha256.hex())


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
        await host.later(2 * RENEW)
    assert await host.files.find(sha256)
    host.lose_disk()
    host.waiting = set()
    for _ in range(2):
        await host.later(RETENTION + RENEW + 1)
    assert await host.bucket.list("media/") == []


async def test_an_index_that_nobody_can_read_is_written_anew(tmp_path: Path, bucket: Path) -> None:
    host = Host(tmp_path / "a", bucket)
    sha256 = await host.keep(b"tea")
    await host.upkeep.copy()
    (index,) = bucket.glob("media/*/index")
    index.write_text("[]")
    await host.files._ledger.renew(sha256, host.now + 2 * RENEW)
    async with asyncio.timeout(30):
        await host.upkeep.copy()
    assert len(await host.bucket.list("media/")) == 2
    host.lose_disk()
    assert await host.files.find(sha256)
    index.write_text("[]")
    await host.later(RETENTION + 4 * RENEW)
    assert host.here == set()
    assert await host.bucket.list("media/") == []


async def test_a_file_that_cannot_be_read_holds_up_no_other(tmp_path: Path, bucket: Path) -> None:
    host = Host(tmp_path / "a", bucket)
    broken, whole = await host.keep(b"tea"), await host.keep(b"coffee")
    (file,) = host.settings.media.glob(f"*/{broken}")
    file.unlink()
    file.mkdir()
    host.now += RETENTION + RENEW + 1
    old = await host.keep(b"old")
    await host.files._ledger.note(broken, 3, host.now)
    await host.files._ledger.note(whole, 6, host.now)
    with pytest.raises(IsADirectoryError):
        await host.upkeep.round()
    assert host.here == {whole}
    assert not await host.files.find(old)
    host.lose_disk()
    assert await host.files.find(whole)
    assert await host.files.find(broken) is None


async def test_a_file_that_breaks_off_leaves_nothing_in_the_bucket(
    tmp_path: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(tmp_path / "a", bucket)
    await host.keep(os.urandom(2 * PART))
    real, broken = copies._some, list[int]()

    def some(pieces: Iterator[bytes]) -> bytes:
        if any(bucket.glob("media/*/*")):
            broken.append(errno.EIO)
            raise OSError(errno.EIO, "a bad sector")
        return real(pieces)

    monkeypatch.setattr(copies, "_some", some)
    with pytest.raises(StoreUnavailable):
        await host.upkeep.copy()
    assert broken
    assert await host.bucket.list("media/") == []


async def test_who_copies_second_leaves_nothing(
    tmp_path: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Host(tmp_path / "a", bucket), Host(tmp_path / "b", bucket)
    for host in (first, second):
        await host.keep(b"tea")
    copies = second.upkeep._copies
    assert copies is not None
    real, outrun = copies._upload, list[Any]()

    async def late(*arguments: Any) -> Any:
        if not outrun:
            await first.upkeep.copy()
        outrun.append(arguments)
        return await real(*arguments)

    monkeypatch.setattr(copies, "_upload", late)
    await second.upkeep.copy()
    assert len(outrun) == 1
    assert len(await second.bucket.list("media/")) == 2


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
    await one.later(RETENTION + RENEW + 1)
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
    await again.later(RETENTION + RENEW + 1)
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
    await host.later(RETENTION + RENEW + 1)
    assert host.here == set()


async def test_cloud_has_it_in_the_bucket_at_once(tmp_path: Path, bucket: Path) -> None:
    host = Host(tmp_path / "a", bucket, session_storage_type="cloud")
    sha256 = await host.keep(b"tea")
    await host.files.secure(sha256)
    assert len(await host.bucket.list("media/")) == 2
    away = bucket.rename(tmp_path / "elsewhere")
    await host.files.secure(sha256)
    coffee = await host.keep(b"coffee")
    with pytest.raises(BucketAway):
        await host.files.secure(coffee)
    away.rename(bucket)
    await host.files.secure(coffee)
    assert hashlib.sha256(b"coffee").hexdigest() == coffee
    assert len(await host.bucket.list("media/")) == 4
