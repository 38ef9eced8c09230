"""Files are counted for whom they are kept, over all processes of a host, and let nobody's part go (G13)."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from actors.config.settings import Settings
from actors.media.local_files import Files
from actors.runtime.quotas import ALL, QuotaReached
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence
    from pathlib import Path

KB = 1000
MOST = 2**30


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Callable[..., Sequence[Files]]]:
    """Opens the files of one host as several processes have them."""
    opened: list[Files] = []

    def open_files(count: int = 1, **flags: int) -> Sequence[Files]:
        settings = Settings.model_validate({"data": tmp_path, "max_connections": 4, **flags})
        opened.extend(Files(settings, None) for _ in range(count))
        return opened

    yield open_files
    for each in opened:
        await each.close()


async def chunked(content: bytes, gate: asyncio.Event | None = None) -> AsyncIterator[bytes]:
    """Half of it, and once the gate is open the rest."""
    half = len(content) // 2
    yield content[:half]
    if gate is not None:
        await gate.wait()
    yield content[half:]


async def give(
    files: Files,
    size: int,
    *units: str,
    content: bytes | None = None,
    living: Collection[str] | None = None,
) -> str | None:
    """None once it is kept, or whose limit is reached."""
    data = os.urandom(size) if content is None else content
    try:
        await files.keep_given(chunked(data), limit=MOST, units=units, living=living)
    except QuotaReached as reached:
        return reached.of
    return None


async def held(files: Files) -> dict[str, int]:
    return dict((await files._ledger.usage(elsewhere=True)).held)


async def test_each_connection_has_so_much_over_all_processes(
    processes: Callable[..., Sequence[Files]],
) -> None:
    one, two = processes(2, media_limit_per_connection=100 * KB)
    outcomes = await asyncio.gather(
        *(give(each, 30 * KB, "a") for each in (one, two) for _ in range(5))
    )
    assert sorted(map(str, outcomes)) == ["None"] * 3 + ["connection"] * 7
    assert await held(one) == {"a": 90 * KB}
    assert await give(two, 100 * KB, "b") is None
    assert await give(two, 10 * KB, "a", "b") == "connection", "it counts for each"
    assert await give(one, 10**6, ALL) is None, "of the operator's there is no limit but the total"


async def test_greedy_connections_leave_another_its_part(
    processes: Callable[..., Sequence[Files]],
) -> None:
    """Five parts of 100 kB are reserved of a megabyte, and half of it is for whoever comes first."""
    (files,) = processes(media_limit=1000 * KB)
    assert [await give(files, 300 * KB, "a") for _ in range(2)] == [None, None]
    assert await give(files, 1, "a") == "instance"
    assert await give(files, 100 * KB, "b") is None
    assert await give(files, 1, "b") == "instance"
    assert await give(files, 100 * KB, ALL) is None
    assert await held(files) == {"a": 600 * KB, "b": 100 * KB, ALL: 100 * KB}


async def test_a_file_counts_once_however_often_it_comes(
    processes: Callable[..., Sequence[Files]],
) -> None:
    (files,) = processes(media_limit_per_connection=100 * KB)
    content = os.urandom(90 * KB)
    assert [await give(files, 0, "a", content=content) for _ in range(3)] == [None] * 3
    assert await give(files, 0, "b", content=content) is None
    assert await held(files) == {"a": 90 * KB, "b": 90 * KB}


async def test_what_is_removed_makes_room(processes: Callable[..., Sequence[Files]]) -> None:
    (files,) = processes(media_limit_per_connection=100 * KB)
    assert await give(files, 90 * KB, "a", "b") is None
    assert await give(files, 90 * KB, "a") == "connection"
    later = files.upkeep(_nothing_waits, lambda: 10**12)
    await later.tidy()
    assert await held(files) == {}
    assert await give(files, 90 * KB, "a") is None


async def _nothing_waits(_: str) -> bool:
    return False


async def test_files_of_deleted_connections_and_of_nobody_count_for_the_instance(
    processes: Callable[..., Sequence[Files]],
) -> None:
    (files,) = processes(media_limit=1000 * KB)
    await files.keep(chunked(os.urandom(200 * KB)), limit=MOST)  # as an older release did
    assert await give(files, 200 * KB, "gone") is None
    living = {"a", "b"}
    assert await give(files, 200 * KB, "a", living=living) is None
    assert await give(files, 101 * KB, "b", living=living) == "instance"
    assert await give(files, 100 * KB, "b", living=living) is None


async def test_what_arrives_at_once_is_no_more_than_there_is_room_for(
    processes: Callable[..., Sequence[Files]],
) -> None:
    """The halves of a hundred uploads that are never finished lie on the disk as well."""
    (files,) = processes(media_limit_per_connection=100 * KB)
    gate = asyncio.Event()

    async def slow() -> str | None:
        try:
            await files.keep_given(chunked(os.urandom(40 * KB), gate), limit=MOST, units=["a"])
        except QuotaReached as reached:
            return reached.of
        return None

    begun = [asyncio.ensure_future(slow()) for _ in range(20)]
    await eventually("five halves fit in", lambda: sum(each.done() for each in begun) >= 15, 30)
    assert [each.result() for each in begun if each.done()] == ["connection"] * 15
    assert await give(files, 90 * KB, "b") is None
    gate.set()
    ended = await asyncio.gather(*begun)
    assert ended.count(None) == 2
    assert await held(files) == {"a": 80 * KB, "b": 90 * KB}
    assert await give(files, 20 * KB, "a") is None


async def test_what_arrives_from_whatsapp_counts_and_waits_for_its_own_limit_alone(
    processes: Callable[..., Sequence[Files]],
) -> None:
    (files,) = processes(media_limit_per_connection=100 * KB, media_limit=500 * KB)
    a, b = files.of("a"), files.of("b")
    content = os.urandom(90 * KB)
    assert await a.has_room(100 * KB)
    digest, _ = await a.keep(
        chunked(content), limit=MOST, expected=hashlib.sha256(content).hexdigest()
    )
    assert await a.find(digest) is not None
    assert await a.need(digest)
    assert not await a.has_room(11 * KB)
    assert await b.has_room(100 * KB)
    assert await give(files, 11 * KB, "a") == "connection"
    unlimited = Files(Settings.model_validate({"data": files._directory.parent}), None).of("a")
    assert await unlimited.has_room(MOST)
