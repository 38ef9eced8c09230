"""The directory of files: each whole under what it holds, or nothing of it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from typing import TYPE_CHECKING

import pytest

from actors.media.directory import FILE_WRITE_BYTES
from actors.media.store import FileTooLarge, StoreFull, StoreUnavailable
from actors.runtime.atomic_files import TEMPORARY_PREFIX
from tests.bare_files import BareFiles
from tests.processes.small_disk import mount_small_disk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

LIMIT = 10 * 2**20


async def pieces(*chunks: bytes, fails: Exception | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if fails is not None:
        raise fails


def everything(root: Path) -> list[Path]:
    return sorted(file for file in root.rglob("*") if not file.is_dir())


async def test_a_file_is_kept_under_what_it_holds_for_its_owner_alone(tmp_path: Path) -> None:
    root = tmp_path / "media"
    store = BareFiles(root)
    content = os.urandom(3 * FILE_WRITE_BYTES + 17)
    digest, size = await store.add(pieces(content[:10], b"", content[10:]), limit=LIMIT)
    assert (digest, size) == (hashlib.sha256(content).hexdigest(), len(content))
    file = await store.find(digest)
    assert file == root / digest[:2] / digest
    assert file.read_bytes() == content
    assert everything(root) == [file]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {stat.S_IMODE(each.stat().st_mode) for each in (root, file.parent)} == {0o700}


async def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    store = BareFiles(tmp_path / "media")
    digest, size = await store.add(pieces(), limit=0)
    assert (digest, size) == (hashlib.sha256().hexdigest(), 0)
    assert await store.find(digest)


async def test_the_same_file_is_kept_once_however_often_it_comes(tmp_path: Path) -> None:
    root = tmp_path / "media"
    stores = [BareFiles(root) for _ in range(3)]
    content = os.urandom(2 * FILE_WRITE_BYTES)
    kept = await asyncio.gather(
        *(store.add(pieces(content), limit=LIMIT) for store in stores for _ in range(5))
    )
    assert len(set(kept)) == 1
    assert [file.read_bytes() for file in everything(root)] == [content]


async def test_a_file_that_was_damaged_is_mended_by_the_next_upload(tmp_path: Path) -> None:
    store = BareFiles(tmp_path / "media")
    digest, _ = await store.add(pieces(b"whole"), limit=LIMIT)
    file = await store.find(digest)
    assert file is not None
    file.write_bytes(b"")
    await store.add(pieces(b"whole"), limit=LIMIT)
    assert file.read_bytes() == b"whole"


@pytest.mark.parametrize(
    ("chunks", "fails", "expected", "raised"),
    [
        ((b"x" * LIMIT, b"x"), None, None, FileTooLarge),
        ((b"x" * FILE_WRITE_BYTES, b"x"), ConnectionResetError(), None, ConnectionResetError),
        ((b"x" * FILE_WRITE_BYTES, b"x"), None, "0" * 64, ValueError),
    ],
    ids=["more than allowed", "its sender went away", "another digest than announced"],
)
async def test_nothing_is_left_of_what_was_not_kept(
    tmp_path: Path,
    chunks: tuple[bytes, ...],
    fails: Exception | None,
    expected: str | None,
    raised: type[Exception],
) -> None:
    store = BareFiles(tmp_path / "media")
    with pytest.raises(raised):
        await store.add(pieces(*chunks, fails=fails), limit=LIMIT, expected=expected)
    assert everything(tmp_path) == []


async def test_what_comes_before_a_file_appears_can_keep_it_from_that(tmp_path: Path) -> None:
    seen: list[tuple[str, int, list[Path]]] = []

    async def before(digest: str, size: int) -> None:
        seen.append((digest, size, [file for file in everything(tmp_path) if file.parent.name]))
        if len(seen) == 2:
            raise StoreUnavailable("no")

    store = BareFiles(tmp_path / "media")
    digest, _ = await store.add(pieces(b"one"), limit=LIMIT, before=before)
    assert seen[0][:2] == (digest, 3)
    assert [file.name.startswith(TEMPORARY_PREFIX) for file in seen[0][2]] == [True]
    with pytest.raises(StoreUnavailable):
        await store.add(pieces(b"two"), limit=LIMIT, before=before)
    assert [file.name for file in everything(tmp_path)] == [digest]


async def test_one_that_is_cancelled_while_it_writes_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread goes on: what is closed under it must not be another file's by then."""
    loop, writing, go = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    real = os.write

    def slow(descriptor: int, data: bytes) -> int:
        loop.call_soon_threadsafe(writing.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result(10)
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", slow)
    store = BareFiles(tmp_path / "media")
    keeping = asyncio.create_task(store.add(pieces(b"x" * FILE_WRITE_BYTES), limit=LIMIT))
    await writing.wait()
    keeping.cancel()
    await asyncio.sleep(0.1)
    assert not keeping.done(), "its thread still writes"
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    assert everything(tmp_path) == []


async def test_what_a_dead_process_left_goes_and_what_is_being_written_stays(
    tmp_path: Path,
) -> None:
    root = tmp_path / "media"
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * FILE_WRITE_BYTES
        begun.set()
        await go.wait()
        yield b"y"

    keeping = asyncio.create_task(BareFiles(root).add(slow(), limit=LIMIT))
    await begun.wait()
    (root / f"{TEMPORARY_PREFIX}left").write_bytes(b"half")
    other, _ = await BareFiles(root).add(pieces(b"another process"), limit=LIMIT)
    assert not (root / f"{TEMPORARY_PREFIX}left").exists()
    go.set()
    digest, size = await keeping
    assert size == FILE_WRITE_BYTES + 1
    assert {file.name for file in everything(root)} == {digest, other}


@pytest.mark.parametrize("name", ["", "..", "../" * 3 + "x", "a" * 63, "A" * 64, "a" * 64 + "\n"])
async def test_what_is_no_digest_is_nowhere(tmp_path: Path, name: str) -> None:
    assert await BareFiles(tmp_path).find(name) is None


async def test_a_directory_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("in the way")
    with pytest.raises(StoreUnavailable) as raised:
        await BareFiles(tmp_path / "media").add(pieces(b"x"), limit=LIMIT)
    assert (raised.value.code, raised.value.reason) == ("media_unavailable", "EEXIST")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mount_small_disk(tmp_path / "disk") as disk:
        yield disk


async def test_a_full_disk_keeps_what_it_has_and_nothing_of_the_rest(small_disk: Path) -> None:
    store = BareFiles(small_disk / "media")
    digest, _ = await store.add(pieces(b"x" * 500_000), limit=LIMIT)
    with pytest.raises(StoreFull) as raised:
        await store.add(pieces(b"y" * 500_000, b"z" * 500_000), limit=LIMIT)
    assert (raised.value.code, raised.value.reason) == ("disk_reserve", "ENOSPC")
    assert [file.name for file in everything(small_disk)] == [digest]
    assert await store.add(pieces(b"z" * 400_000), limit=LIMIT)


async def test_tiny_files_leave_others_the_reserve_of_inodes(tmp_path: Path) -> None:
    with mount_small_disk(tmp_path / "disk", megabytes=8, inodes=400) as disk:
        store = BareFiles(disk / "media", reserve=lambda: 4 * 2**20)

        async def add_tiny_files() -> None:
            for number in range(400):
                await store.add(pieces(b"%d" % number), limit=LIMIT)

        with pytest.raises(StoreFull) as raised:
            await add_tiny_files()
        assert raised.value.reason == "DISK_RESERVE"
        for number in range(150):
            (disk / f"{number}").touch()


async def test_the_reserve_of_the_disk_is_left_to_others(tmp_path: Path) -> None:
    """Also where nobody knows how large the file will be; `room` says beforehand what fits."""
    room = 64 * 2**20

    def reserve() -> int:
        disk = os.statvfs(tmp_path)
        return max(0, disk.f_bavail * disk.f_frsize - room)

    store = BareFiles(tmp_path / "media", reserve=reserve)
    assert await store.room() == pytest.approx(room, abs=room / 2), "others write to it as well"

    async def more_than_there_is_room_for() -> AsyncIterator[bytes]:
        for _ in range(256):
            yield bytes(2**20)

    with pytest.raises(StoreFull) as raised:
        await store.add(more_than_there_is_room_for(), limit=2**30)
    assert (raised.value.code, raised.value.reason) == ("disk_reserve", "DISK_RESERVE")
    assert everything(tmp_path) == []
    assert await store.add(pieces(b"x" * 1000), limit=LIMIT)
    room = -(2**60)
    assert await store.room() == 0
    with pytest.raises(StoreFull):
        await store.add(pieces(b"y"), limit=LIMIT)
