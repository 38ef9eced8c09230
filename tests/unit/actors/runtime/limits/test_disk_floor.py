"""The floor of a disk: a quarter of DISK_RESERVE, by the fullest of some disks, looked at once a second at most."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from actors.runtime.limits import disk_floor
from actors.runtime.limits.disk_floor import DiskFloor, free_bytes
from tests.processes.small_disk import mount_small_disk
from tests.waits import eventually

if TYPE_CHECKING:
    import pytest

FULL = Path("/proc/self")


def test_it_is_a_quarter_of_the_reserve(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert not DiskFloor([tmp_path], lambda: 2 * free).look()
    assert DiskFloor([tmp_path], lambda: 8 * free).look()
    assert not DiskFloor([tmp_path, FULL], int).look(), "a reserve of 0"
    assert DiskFloor([tmp_path, FULL], lambda: 4).look(), "the fullest counts"


def test_a_refusal_names_the_setting_and_what_is_kept(tmp_path: Path) -> None:
    floor = DiskFloor([tmp_path], lambda: 2**50)
    floor.look()
    refusal = floor.refusal
    assert (refusal.limit.setting, refusal.limit.size, refusal.scope) == (
        "DISK_RESERVE",
        2**48,
        "instance",
    )
    assert refusal.retry_after > 0


def test_a_disk_that_cannot_be_looked_at_changes_nothing(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    floor = DiskFloor([place], lambda: 2**50)
    assert not floor.look()
    place.mkdir()
    assert floor.look()
    place.rmdir()
    assert floor.look()


def test_a_disk_with_many_tiny_files_is_as_full_as_its_inodes(tmp_path: Path) -> None:
    with mount_small_disk(tmp_path / "disk", megabytes=8, inodes=100) as disk:
        floor = DiskFloor([disk], lambda: 8 * 2**20)  # a quarter of the disk is its floor
        assert not floor.look()
        for number in range(60):
            (disk / f"{number}").touch()
        assert 2 * 2**20 < free_bytes(disk) < 4 * 2**20 < shutil.disk_usage(disk).free
        assert not floor.look()
        for number in range(60, 80):
            (disk / f"{number}").touch()
        assert floor.look()
    assert free_bytes(FULL) == 0, "a file system without inodes"


async def test_a_disk_is_not_looked_at_for_each_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def reserve() -> int:
        looks.append(0)
        return 2**50

    floor = DiskFloor([tmp_path], reserve)
    assert [await floor.lately() for _ in range(100)] == [True] * 100
    assert len(looks) < 50
    monkeypatch.setattr(disk_floor, "DISK_CHECK_SECONDS", 0.0)
    seen = len(looks)
    assert await floor.lately()
    assert len(looks) == seen + 1


async def test_a_disk_that_hangs_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last look counts meanwhile, and one thread waits for the disk."""
    monkeypatch.setattr(disk_floor, "DISK_CHECK_SECONDS", 0.0)
    monkeypatch.setattr(disk_floor, "LOOK_TIMEOUT", 0.01)
    looks, answers = 0, threading.Event()

    def reserve() -> int:
        nonlocal looks
        looks += 1
        answers.wait()
        return 2**50

    floor = DiskFloor([tmp_path], reserve)
    try:
        assert [await floor.lately() for _ in range(5)] == [False] * 5
        assert looks == 1
    finally:
        answers.set()
    await eventually("the disk answers", floor.lately, 10)


async def test_who_waits_for_room_goes_on_once_there_is_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_floor, "DISK_CHECK_SECONDS", 0.01)
    reserve = 2**50
    floor = DiskFloor([tmp_path], lambda: reserve)
    waits = asyncio.ensure_future(floor.room())
    await asyncio.wait((waits,), timeout=0.1)
    assert floor.reached
    assert not waits.done()
    reserve = 0
    async with asyncio.timeout(10):
        await waits
