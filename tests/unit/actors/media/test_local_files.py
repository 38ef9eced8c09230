"""Files are counted for whom they are kept, over all processes of a host, and let nobody's part go (G13)."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from typing import TYPE_CHECKING

import pytest

from actors.config.settings import Settings
from actors.media import holders
from actors.media.local_files import LocalFiles
from actors.media.store import StoreFull, files_uses
from actors.runtime.limits.disk_floor import LEAST_FILE_BYTES
from actors.runtime.limits.limits import LimitReached
from actors.runtime.limits.quotas import SHARED_UNIT
from tests.clocks import believe_clock
from tests.processes.small_disk import mount_small_disk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence
    from pathlib import Path

KB = 1000
MOST = 2**30


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Callable[..., Sequence[LocalFiles]]]:
    """Opens the files of one host as several processes have them."""
    opened: list[LocalFiles] = []

    def open_files(count: int = 1, **flags: int) -> Sequence[LocalFiles]:
        settings = Settings.model_validate({"data": tmp_path, "max_connections": 4, **flags})
        opened.extend(LocalFiles(settings, None) for _ in range(count))
        return opened

    yield open_files
    for each in opened:
        await each.close()


async def chunked(content: bytes) -> AsyncIterator[bytes]:
    half = len(content) // 2
    yield content[:half]
    yield content[half:]


async def give(
    files: LocalFiles,
    size: int,
    *units: str,
    content: bytes | None = None,
    living: Collection[str] | None = None,
) -> str | None:
    """None once it is kept, or whose limit is reached."""
    data = os.urandom(size) if content is None else content
    try:
        await files.add_upload(chunked(data), limit=MOST, units=units, living=living)
    except LimitReached as reached:
        return reached.scope
    return None


async def held(files: LocalFiles) -> dict[str, int]:
    usage = await files._ledger._request(holders.usage, writes=False)
    return dict(usage.held)


async def test_the_limit_holds_over_all_processes(
    processes: Callable[..., Sequence[LocalFiles]],
) -> None:
    """Five parts of 100 kB are reserved of a megabyte, and the other half goes in the order of arrival."""
    one, two = processes(2, media_limit=1000 * KB)
    outcomes = await asyncio.gather(
        *(give(each, 100 * KB, "a") for each in (one, two) for _ in range(5))
    )
    assert sorted(map(str, outcomes)) == ["None"] * 6 + ["instance"] * 4
    assert await held(one) == {"a": 600 * KB}
    assert await give(two, 100 * KB, "b") is None
    assert await give(two, 10 * KB, "b", "c") == "instance", "it counts for each"


async def test_greedy_connections_leave_another_its_part(
    processes: Callable[..., Sequence[LocalFiles]],
) -> None:
    (files,) = processes(media_limit=1000 * KB)
    assert [await give(files, 300 * KB, "a") for _ in range(2)] == [None, None]
    assert await give(files, 1, "a") == "instance"
    assert await give(files, 100 * KB, "b") is None
    assert await give(files, 1, "b") == "instance"
    assert await give(files, 100 * KB, SHARED_UNIT) is None
    assert await held(files) == {"a": 600 * KB, "b": 100 * KB, SHARED_UNIT: 100 * KB}


async def test_another_process_reads_how_much_of_the_limit_is_used(
    processes: Callable[..., Sequence[LocalFiles]], tmp_path: Path
) -> None:
    """Of a megabyte a connection may have its part of 100 kB, and the other half where nobody else has of it."""
    (files,) = processes(media_limit=1000 * KB)
    settings = Settings.model_validate(
        {"data": tmp_path, "max_connections": 4, "media_limit": 1000 * KB}
    )
    assert files_uses(settings) == (), "there is no ledger yet"
    assert await give(files, 500 * KB, "a") is None
    assert await give(files, 50 * KB, "b") is None
    uses = files_uses(settings)
    assert uses is not None
    assert {(each.connection, each.used, each.size) for each in uses} == {
        (None, 550 * KB, 1000 * KB),
        ("a", 500 * KB, 600 * KB),
        ("b", 50 * KB, 200 * KB),
    }
    assert files_uses(settings.model_copy(update={"media_limit": 0})) == ()
    elsewhere = settings.model_copy(update={"data": tmp_path / "elsewhere"})
    elsewhere.media_ledger.parent.mkdir(parents=True)
    elsewhere.media_ledger.write_bytes(b"no database" * 100)
    assert files_uses(elsewhere) is None, "nobody can say"


async def test_a_file_counts_once_however_often_it_comes(
    processes: Callable[..., Sequence[LocalFiles]],
) -> None:
    (files,) = processes(media_limit=1000 * KB)
    content = os.urandom(250 * KB)
    assert [await give(files, 0, "a", content=content) for _ in range(5)] == [None] * 5
    assert await give(files, 0, "b", content=content) is None
    assert await held(files) == {"a": 250 * KB, "b": 250 * KB}


async def test_what_is_removed_makes_room(processes: Callable[..., Sequence[LocalFiles]]) -> None:
    (files,) = processes(media_limit=1000 * KB)
    assert await give(files, 300 * KB, "a", "b") is None
    assert await give(files, 300 * KB, "a") == "instance"
    later = files.upkeep(_nothing_waits, deletion_time=lambda: 10**12)
    await later.tidy()
    assert await held(files) == {}
    assert await give(files, 300 * KB, "a") is None


async def test_a_clock_that_is_a_year_ahead_removes_nothing(
    processes: Callable[..., Sequence[LocalFiles]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (files,) = processes(media_limit=1000 * KB)
    believe_clock(tmp_path)
    assert await give(files, 300 * KB, "a") is None
    ahead = time.time() + 365 * 86_400
    monkeypatch.setattr("time.time", lambda: ahead)
    await files.upkeep(_nothing_waits).tidy()
    assert await held(files) == {"a": 300 * KB}
    await files.upkeep(_nothing_waits, deletion_time=time.time).tidy()
    assert await held(files) == {}, "by the clock itself it would be gone"


async def _nothing_waits(_: str) -> bool:
    return False


async def test_files_of_deleted_connections_and_of_nobody_count_for_the_instance(
    processes: Callable[..., Sequence[LocalFiles]],
) -> None:
    (files,) = processes(media_limit=1000 * KB)
    content = os.urandom(200 * KB)
    await files._ledger.note(
        hashlib.sha256(content).hexdigest(), len(content)
    )  # as after a lost ledger
    assert await give(files, 200 * KB, "gone") is None
    living = {"a", "b"}
    assert await give(files, 200 * KB, "a", living=living) is None
    assert await give(files, 101 * KB, "b", living=living) == "instance"
    assert await give(files, 100 * KB, "b", living=living) is None


async def test_files_on_their_way_count_beside_those_of_the_day(
    processes: Callable[..., Sequence[LocalFiles]],
) -> None:
    """Nobody announced its size: it ends with the piece that has no room, and its bytes count no more."""
    (files,) = processes(media_max_bytes=1000 * KB, media_uploads_per_connection=1000 * KB)
    taken = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(9):
            taken += 100 * KB
            yield os.urandom(100 * KB)

    goes_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield os.urandom(200 * KB)
        await goes_on.wait()

    assert await give(files, 300 * KB, "a") is None
    slow = asyncio.ensure_future(files.add_upload(slowly(), limit=MOST, units=["a"]))
    await asyncio.sleep(0.1)
    assert await give(files, 300 * KB, "a") is None, "it counts once, though another goes on"
    with pytest.raises(LimitReached):
        await files.add_upload(pieces(), limit=MOST, units=["a"])
    assert taken == 300 * KB
    goes_on.set()
    await slow
    assert await give(files, 200 * KB, "a") is None
    assert await give(files, 1, "a") == "connection"


async def test_what_arrives_from_whatsapp_counts_and_has_the_disk_beyond_the_limit(
    processes: Callable[..., Sequence[LocalFiles]],
) -> None:
    (files,) = processes(media_limit=1000 * KB)
    greedy = files.of("a")
    content = os.urandom(1200 * KB)
    digest = hashlib.sha256(content).hexdigest()
    kept = await greedy.add(chunked(content), limit=MOST, expected=digest)
    assert kept == (digest, 1200 * KB)
    assert await greedy.find(digest) is not None
    assert await greedy.need(digest)
    assert await give(files, 1, "a") == "instance"
    assert await give(files, 100 * KB, "b") is None, "its own part"


async def test_what_arrives_leaves_others_their_parts_of_the_disk(
    tmp_path: Path, processes: Callable[..., Sequence[LocalFiles]]
) -> None:
    """Half of a disk of 4 MB is for three connections and for keys of all."""
    (files,) = processes(max_connections=3, disk_reserve=0)
    with mount_small_disk(tmp_path / "media", megabytes=4):
        greedy, modest = files.of("a"), files.of("b")
        kept = 0
        while await greedy.part(await greedy.room()) >= 100 * KB:
            await greedy.add(chunked(os.urandom(100 * KB)), limit=MOST)
            kept += 1
        assert 20 < kept < 30, "its part, and the other half"
        with pytest.raises(StoreFull) as refused:
            await greedy.add(chunked(os.urandom(100 * KB)), limit=MOST)
        assert refused.value.reason == "connection_part"
        assert await held(files) == {"a": kept * 100 * KB}
        for _ in range(4):
            assert await modest.part(await modest.room()) >= 100 * KB
            await modest.add(chunked(os.urandom(100 * KB)), limit=MOST)


async def test_a_day_of_uploads_counts_for_each_connection_and_not_for_the_operator(
    processes: Callable[..., Sequence[LocalFiles]],
) -> None:
    (files,) = processes(media_uploads_per_connection=100 * KB, media_max_bytes=100 * KB)
    assert await give(files, 60 * KB, "a") is None
    assert await give(files, 60 * KB, "a", "b") == "connection"
    assert await give(files, 60 * KB, "b") is None
    assert [await give(files, 60 * KB, SHARED_UNIT) for _ in range(3)] == [None] * 3


async def test_tiny_files_count_as_much_as_their_inodes(
    processes: Callable[..., Sequence[LocalFiles]],
) -> None:
    """Of a day's budget, and of the parts of the disk: uploaded, arrived, or there already."""
    (files,) = processes(media_uploads_per_connection=100 * KB, media_max_bytes=100 * KB)
    assert [await give(files, 2, "a") for _ in range(7)] == [None] * 6 + ["connection"]
    digest, _ = await files.of("b").add(chunked(b"one byte"), limit=MOST)
    assert await files.of("c").need(digest)
    least = LEAST_FILE_BYTES
    assert await held(files) == {"a": 6 * least, "b": least, "c": least}


async def test_a_file_that_arrives_and_is_there_already_counts_for_whom_it_arrives(
    processes: Callable[..., Sequence[LocalFiles]],
) -> None:
    (files,) = processes(media_limit=1000 * KB)
    content = os.urandom(100 * KB)
    digest, _ = await files.of("a").add(chunked(content), limit=MOST)
    for _ in range(2):
        assert await files.of("b").need(digest)
    assert await held(files) == {"a": 100 * KB, "b": 100 * KB}
    assert not await files.of("b").need("0" * 64)


async def test_files_on_their_way_count_for_the_budget(
    processes: Callable[..., Sequence[LocalFiles]],
) -> None:
    """Else uploads that never end fill the disk for everybody."""
    (files,) = processes(media_uploads_per_connection=100 * KB, media_max_bytes=100 * KB)
    goes_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield os.urandom(60 * KB)
        await goes_on.wait()
        raise ConnectionError

    endless = asyncio.ensure_future(
        files.add_upload(slowly(), limit=MOST, units=["a", SHARED_UNIT])
    )
    await asyncio.sleep(0.1)
    assert await give(files, 60 * KB, "a") == "connection"
    assert await give(files, 60 * KB, "b") is None
    goes_on.set()
    with pytest.raises(ConnectionError):
        await endless
    assert await give(files, 100 * KB, "a") is None, "what was given up counts for nothing"


async def test_a_deleted_connection_counts_for_no_file_that_another_one_has(
    processes: Callable[..., Sequence[LocalFiles]],
) -> None:
    """One file of 100 kB lies on the disk, and stays; connections that had it come and go."""
    (files,) = processes(media_limit=1000 * KB)
    content = os.urandom(100 * KB)
    assert await give(files, 0, "b", content=content, living={"b"}) is None
    for number in range(5):
        gone = f"gone{number}"
        assert await give(files, 0, gone, content=content, living={"b", gone}) is None
    assert await give(files, 200 * KB, "a", living={"a", "b"}) is None
    assert await held(files) == {"a": 200 * KB, "b": 100 * KB}
