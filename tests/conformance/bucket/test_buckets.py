"""Guarantees of all buckets: the directory and Google's."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from actors.connection.backup.bucket.port import BucketAway, Conflict

if TYPE_CHECKING:
    from actors.connection.backup.bucket.port import Bucket


@pytest.fixture
def prefix() -> str:
    return f"sessions/{uuid.uuid4().hex}"


async def test_what_was_written_is_read(bucket: Bucket, prefix: str) -> None:
    for number, data in enumerate((b"", b"x", bytes(range(256)) * 4000, os.urandom(3_000_000))):
        name = f"{prefix}/{number}"
        generation = await bucket.write(name, data)
        found = await bucket.read(name)
        assert found is not None
        assert (found.generation, found.data) == (generation, data)


async def test_what_was_never_written_is_not_there(bucket: Bucket, prefix: str) -> None:
    assert await bucket.read(f"{prefix}/none") is None
    assert await bucket.list(f"{prefix}/") == []
    await bucket.delete(f"{prefix}/none")


async def test_a_write_says_what_it_replaces(bucket: Bucket, prefix: str) -> None:
    name = f"{prefix}/one"
    first = await bucket.write(name, b"first")
    with pytest.raises(Conflict):
        await bucket.write(name, b"as if there were none")
    second = await bucket.write(name, b"second", first)
    assert second > first
    for stale in (first, second + 1):
        with pytest.raises(Conflict):
            await bucket.write(name, b"late", stale)
    found = await bucket.read(name)
    assert found is not None
    assert found.data == b"second"
    with pytest.raises(Conflict):
        await bucket.write(f"{prefix}/two", b"replaces what is not there", first)
    assert await bucket.read(f"{prefix}/two") is None


async def test_the_same_bytes_again_are_the_same_write(bucket: Bucket, prefix: str) -> None:
    """A writer whose answer was lost repeats its write, and recognizes its own object."""
    name = f"{prefix}/one"
    first = await bucket.write(name, b"first")
    assert await bucket.write(name, b"first") == first
    second = await bucket.write(name, b"second", first)
    assert await bucket.write(name, b"second", first) == second
    with pytest.raises(Conflict):
        await bucket.write(name, b"first", first)


async def test_of_two_that_create_one_object_one_does(bucket: Bucket, prefix: str) -> None:
    for number in range(5):
        name = f"{prefix}/{number}"
        told = await asyncio.gather(
            *(bucket.write(name, f"{writer}".encode()) for writer in range(8)),
            return_exceptions=True,
        )
        winners = [writer for writer, one in enumerate(told) if isinstance(one, int)]
        assert len(winners) == 1, told
        assert sum(isinstance(one, Conflict) for one in told) == 7
        found = await bucket.read(name)
        assert found is not None
        assert found.data == f"{winners[0]}".encode()


async def test_lists_are_of_a_prefix_in_order(bucket: Bucket, prefix: str) -> None:
    began = time.time()
    for name in ("b/2", "a/1", "b/10", "bb/1"):
        await bucket.write(f"{prefix}/{name}", name.encode() * 3)
    assert [one.name for one in await bucket.list(f"{prefix}/b/")] == [
        f"{prefix}/b/10",
        f"{prefix}/b/2",
    ]
    listed = await bucket.list(f"{prefix}/")
    assert [one.name for one in listed] == sorted(
        f"{prefix}/{name}" for name in ("b/2", "a/1", "b/10", "bb/1")
    )
    (one,) = [one for one in listed if one.name.endswith("a/1")]
    found = await bucket.read(one.name)
    assert found is not None
    assert (one.size, one.generation) == (9, found.generation)
    assert began - 2 <= one.at <= time.time() + 2


async def test_what_was_deleted_is_gone(bucket: Bucket, prefix: str) -> None:
    name = f"{prefix}/one"
    first = await bucket.write(name, b"first")
    await bucket.delete(name)
    assert await bucket.read(name) is None
    assert await bucket.list(f"{prefix}/") == []
    assert await bucket.write(name, b"second") > first


async def test_a_removal_may_say_what_it_removes(bucket: Bucket, prefix: str) -> None:
    name = f"{prefix}/one"
    first = await bucket.write(name, b"first")
    second = await bucket.write(name, b"second", first)
    if hasattr(bucket, "_root"):  # fake-gcs-server does not read the condition of a removal
        with pytest.raises(Conflict):
            await bucket.delete(name, first)
    assert await bucket.read(name) is not None
    await bucket.delete(name, second)
    assert await bucket.read(name) is None
    await bucket.delete(name, second)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a//b", ".lock", "a/.x"])
async def test_no_name_leads_out_of_it(bucket: Bucket, name: str) -> None:
    for step in (bucket.write(name, b"x"), bucket.read(name), bucket.delete(name)):
        with pytest.raises(ValueError, match="not the name of an object"):
            await step


async def test_a_bucket_that_is_not_there_is_away_and_not_empty(
    bucket: Bucket, prefix: str, request: pytest.FixtureRequest
) -> None:
    """Nobody may take it for one without copies: a new session would follow from that."""
    if hasattr(bucket, "_root"):
        bucket._root = bucket._root / "not-mounted"
    else:
        bucket._name = "no-such-bucket"  # type: ignore[attr-defined]
    for step in (
        bucket.write(f"{prefix}/one", b"x"),
        bucket.read(f"{prefix}/one"),
        bucket.list(prefix),
        bucket.delete(f"{prefix}/one"),
    ):
        with pytest.raises(BucketAway):
            await step
