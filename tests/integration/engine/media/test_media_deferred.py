"""G5, G13: files that arrive while the disk is at its reserve wait, and come by themselves (both engines)."""

from __future__ import annotations

import hashlib
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import SendRequest
from actors.connection.protocol.media import download_worker
from actors.messages.content import Text
from tests.integration.engine.media.test_media import arrived, held
from tests.integration.engine.media.test_media_faults import (
    DATA,
    DIGEST,
    message_of,
    news_of,
    said_meanwhile,
)
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Device,
    Simulator,
    chat,
    counted,
    device,
    died,
    message_id,
    prepare,
    settings,
    start,
    until,
)
from tests.processes.small_disk import mount_small_disk
from tests.reserves import beyond_the_free

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

DEFERRED = ("deferred", "disk_reserve")


def reserve(simulator: Simulator, directory: Path, size: int) -> None:
    """Set DISK_RESERVE, also of what runs on the directory."""
    settings(simulator, directory, disk_reserve=size).save()


async def news(phone: Device, id_: str, count: int) -> Any:
    await phone.settle_all()
    return await until(lambda: news_of(phone, id_, count))


@asynccontextmanager
async def deferred(simulator: Simulator, directory: Path) -> AsyncIterator[tuple[Device, str]]:
    """A device at its disk's reserve, and the id of a message whose file waits."""
    id_ = await said_meanwhile(simulator, directory)
    reserve(simulator, directory, beyond_the_free(directory))
    async with device(simulator, directory, epoch=2) as phone:
        await message_of(phone, id_)
        assert await news(phone, id_, 1) == [DEFERRED]
        yield phone, id_


async def test_everything_but_the_file_goes_on(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_worker, "ROOM_LOOK", 0.2)
    async with deferred(simulator, tmp_path) as (phone, id_):
        text = message_id(1, 3)
        await phone.engine.send(SendRequest(text, chat(CONTACT), Text("goes out")))
        assert (await arrived(simulator, text))["text"] == "goes out"
        said = await simulator.say(CONTACT, ACCOUNT, "comes in")
        await message_of(phone, said["id"])
    assert counted(tmp_path, "SELECT count(*) FROM transfers WHERE deferred = 'disk_reserve'") == 1
    assert await held(tmp_path, DIGEST) is None
    async with device(simulator, tmp_path, epoch=3) as phone:
        await until(phone.opened.is_set)
        assert await news(phone, id_, 1) == [DEFERRED], "it is reported once"
        reserve(simulator, tmp_path, 0)
        assert await news(phone, id_, 2) == [DEFERRED, ("stored", None)]
        assert phone.engine.counts["file.stored"] == 1
    assert await held(tmp_path, DIGEST) == DATA


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB where files are stored."""
    with mount_small_disk(tmp_path / "media", megabytes=4) as disk:
        yield disk


async def test_files_wait_for_a_disk_that_is_full_and_come_once_it_has_room(
    simulator: Simulator,
    tmp_path: Path,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the reserve nothing of a file is written; what others need of the disk is theirs."""
    monkeypatch.setattr(download_worker, "ROOM_LOOK", 0.2)
    id_ = await said_meanwhile(simulator, tmp_path)
    reserve(simulator, tmp_path, 2 * 2**20)
    filler = small_disk / "what else there is"
    filler.write_bytes(bytes(2 * 2**20 - len(DATA) + 4096))
    async with device(simulator, tmp_path, epoch=2) as phone:
        await message_of(phone, id_)
        assert await news(phone, id_, 1) == [DEFERRED]
        disk = os.statvfs(small_disk)
        assert disk.f_bavail * disk.f_frsize >= 2 * 2**20, "the reserve is untouched"
        filler.unlink()
        assert await news(phone, id_, 2) == [DEFERRED, ("stored", None)]
    assert await held(tmp_path, DIGEST) == DATA


async def test_what_the_servers_lost_meanwhile_the_phone_uploads_again(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_worker, "ROOM_LOOK", 0.2)
    async with deferred(simulator, tmp_path) as (phone, id_):
        await simulator._call("POST", f"/media/{id_}", status=404)
        reserve(simulator, tmp_path, 0)
        assert await news(phone, id_, 3) == [DEFERRED, ("pending", None), ("stored", None)]
        assert phone.engine.counts["file.asked_for"] == 1
    assert await held(tmp_path, DIGEST) == DATA


@pytest.mark.parametrize("point", ["before_deferral_commit", "after_deferral_commit"])
async def test_killed_while_deferring(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Each file that came has its transfer and its news, or neither is reported; all of them come."""
    monkeypatch.setattr(download_worker, "ROOM_LOOK", 0.2)
    await prepare(simulator, tmp_path, talked=True)
    sizes = [70_000 + number for number in range(4)]
    ids = [await simulator.says(CONTACT, ACCOUNT, type="document", size=size) for size in sizes]
    reserve(simulator, tmp_path, beyond_the_free(tmp_path))
    await died(start(simulator, tmp_path, point, at=1, sends=[], batch=64), tmp_path)
    waiting = counted(tmp_path, "SELECT count(*) FROM transfers")
    print(f"{point}: {waiting} files wait at the kill")
    assert waiting > 0
    deferred = waiting if point == "after_deferral_commit" else 0
    assert (
        counted(tmp_path, "SELECT count(*) FROM transfers WHERE deferred IS NOT NULL") == deferred
    )
    assert counted(tmp_path, "SELECT count(*) FROM inbox WHERE kind = 'file'") == deferred
    async with device(simulator, tmp_path, epoch=3) as phone:
        for id_ in ids:
            assert await news(phone, id_, 1) == [DEFERRED]
        reserve(simulator, tmp_path, 0)
        for id_ in ids:
            assert await news(phone, id_, 2) == [DEFERRED, ("stored", None)]
    there = {
        one.name: hashlib.sha256(one.read_bytes()).hexdigest()
        for one in (tmp_path / "media").rglob("*")
        if one.is_file()
    }
    assert len(there) == len(ids)
    assert all(name == digest for name, digest in there.items())
