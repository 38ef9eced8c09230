"""A bucket that does not answer: nobody waits for it twice, and its answers count again once there are any."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from actors.connection.backup.bucket import blocking_bucket
from actors.connection.backup.bucket.directory import DirectoryBucket
from actors.connection.backup.bucket.port import BucketAway, Content
from tests.waits import eventually

if TYPE_CHECKING:
    from pathlib import Path


async def test_one_call_asks_a_silent_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking_bucket, "CALL_SECONDS", 0.3)
    monkeypatch.setattr(blocking_bucket, "SILENT", 0.2)
    monkeypatch.setattr(blocking_bucket, "SILENT_BUCKET_SECONDS", 1.0)
    bucket = DirectoryBucket(tmp_path)
    await bucket.write("sound", b"content")
    os.mkfifo(tmp_path / "hangs")
    with pytest.raises(BucketAway, match="no_answer"):
        await bucket.read("hangs")
    with pytest.raises(BucketAway, match="outage"):
        await bucket.read("sound")

    async def sound() -> Content | None:
        try:
            return await bucket.read("sound")
        except BucketAway:
            return None

    found = await eventually("it is asked again", sound, 10)
    assert found is not None
    assert found.data == b"content"
    assert await bucket.read("nothing") is None
    os.close(os.open(tmp_path / "hangs", os.O_RDWR))  # lets the thread of the first call end


async def test_a_call_that_fails_at_once_stops_no_other(tmp_path: Path) -> None:
    bucket = DirectoryBucket(tmp_path / "not mounted")
    for _ in range(3):
        with pytest.raises(BucketAway, match="ENOENT"):
            await bucket.read("sound")
