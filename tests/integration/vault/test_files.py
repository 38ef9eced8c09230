"""Copies of files in a bucket: whole, encrypted, and made by themselves."""

# ruff: noqa: ASYNC221, ASYNC240
# Nothing else runs beside these steps.

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.backup import backup_format
from actors.connection.backup.bucket.port import BucketAway
from actors.media import bucket_copies, upkeep
from actors.media.bucket_copies import PART_BYTES
from actors.media.ledger import MARK_SECONDS
from actors.media.store import StoreUnavailable
from tests.integration.vault.filed import NEW, OLD, RETENTION, Host
from tests.processes.gcs import BUCKET, Gcs
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.connection.backup.bucket.port import Content

ROOT = Path(__file__).parents[3]

COPYING = """
import asyncio, os, pathlib, signal, sys
from actors.connection.backup.open_vault import open_bucket
from actors.media.open_store import open_store
from actors.config.settings import Settings
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


@pytest.mark.parametrize("kind", ["directory", "gcs"])
async def test_a_lost_disk_loses_no_file(
    kind: str, tmp_path: Path, bucket: Path, gcs: Gcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    where = bucket if kind == "directory" else f"gs://{BUCKET}"
    host = Host(tmp_path / "a", where)
    content = os.urandom(2 * PART_BYTES + 12_345)
    sha256 = await host.keep(content)
    await host.upkeep.round()
    entries = await host.bucket.list("media/")
    assert len(entries) == 4
    assert max(entry.size for entry in entries) < PART_BYTES + 2**17
    assert not any(sha256 in entry.name for entry in entries)
    for entry in entries:
        read = await host.bucket.read(entry.name)
        assert read is not None
        assert content[:64] not in read.data
        assert content[PART_BYTES : PART_BYTES + 64] not in read.data
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


async def test_two_who_want_a_file_share_one_fetch(
    tmp_path: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(tmp_path / "a", bucket)
    content = os.urandom(PART_BYTES + 12_345)
    sha256 = await host.keep(content)
    await host.upkeep.round()
    host.lose_disk()
    names: list[str] = []
    read = host.bucket.read

    async def noted(name: str) -> Content | None:
        names.append(name)
        return await read(name)

    monkeypatch.setattr(host.bucket, "read", noted)
    first = asyncio.ensure_future(host.files.find(sha256, "a"))
    await eventually("the first one's fetch", lambda: names, 10)
    one, other, same = await asyncio.gather(
        first, host.files.find(sha256, "b"), host.files.find(sha256, "a")
    )
    assert one is not None
    assert one == other == same
    assert one.read_bytes() == content
    assert len(names) == len(set(names)) == 3, "the index and two parts"
    host.lose_disk()
    names.clear()
    first = asyncio.ensure_future(host.files.find(sha256, "a"))
    await eventually("another fetch", lambda: names, 10)
    second = asyncio.ensure_future(host.files.find(sha256, "b"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == one, "who goes away takes nothing from the others"
    assert len(names) == len(set(names))


async def test_the_bucket_away_and_back(
    tmp_path: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G11: it heals by itself, and what waits for it outlives the process."""
    monkeypatch.setattr(upkeep, "LONGEST_UPKEEP_PAUSE", 0.2)
    monkeypatch.setattr(upkeep, "COPY_CHECK_SECONDS", 0.1)
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
    content = os.urandom(4 * PART_BYTES)
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


async def test_an_index_that_nobody_can_read_is_written_anew(tmp_path: Path, bucket: Path) -> None:
    host = Host(tmp_path / "a", bucket)
    sha256 = await host.keep(b"tea")
    await host.upkeep.copy()
    (index,) = bucket.glob("media/*/index")
    index.write_text("[]")
    await host.files._ledger.renew(sha256, host.now + 2 * MARK_SECONDS)
    async with asyncio.timeout(30):
        await host.upkeep.copy()
    assert len(await host.bucket.list("media/")) == 2
    host.lose_disk()
    assert await host.files.find(sha256)
    index.write_text("[]")
    await host.later(RETENTION + 4 * MARK_SECONDS)
    assert host.here == set()
    assert await host.bucket.list("media/") == []


async def test_a_file_that_cannot_be_read_holds_up_no_other(tmp_path: Path, bucket: Path) -> None:
    host = Host(tmp_path / "a", bucket)
    broken, whole = await host.keep(b"tea"), await host.keep(b"coffee")
    (file,) = host.settings.media.glob(f"*/{broken}")
    file.unlink()
    file.mkdir()
    host.now += RETENTION + MARK_SECONDS + 1
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
    await host.keep(os.urandom(2 * PART_BYTES))
    real, broken = backup_format.some, list[int]()

    def some(pieces: Iterator[bytes], size: int) -> bytes:
        if any(bucket.glob("media/*/*")):
            broken.append(errno.EIO)
            raise OSError(errno.EIO, "a bad sector")
        return real(pieces, size)

    monkeypatch.setattr(bucket_copies, "some", some)
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
