"""A crash in the middle of an upload leaves the last good copy, and no half one."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from actors.connection.backup.bucket.directory import DirectoryBucket
from actors.connection.backup.keyring import Keyring
from actors.connection.backup.vault import COPIES_KEPT, SessionCopy, Vault
from actors.connection.session.session import Session
from actors.redis.leases.lease_record import Position
from actors.runtime.atomic_files import TEMPORARY_PREFIX
from tests.processes import forked
from tests.processes.gcs import BUCKET, Gcs

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
KILLS = 6

DYING = """
import asyncio, os, pathlib, signal, sys
from actors.connection.backup.bucket.directory import DirectoryBucket
root, before, step = sys.argv[1:]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if step == "write":
    os.utime = die  # written to the page cache, not yet to the disk
elif step == "fsync":
    os.fsync = die
else:
    pathlib.Path.replace = die
asyncio.run(DirectoryBucket(pathlib.Path(root)).write("a/one", b"x" * 5_000_000, int(before)))
"""


@pytest.fixture(scope="module")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gcs]:
    with Gcs(tmp_path_factory.mktemp("gcs") / "objects") as started:
        yield started


def test_the_names_are_in_order() -> None:
    """The newest copy is the last one of a list, whatever the numbers."""
    positions = [Position(9, 99), Position(10, 0), Position(10, 100), Position(100, 1)]
    assert sorted(SessionCopy("a", each).name for each in positions) == [
        SessionCopy("a", each).name for each in positions
    ]


@pytest.mark.parametrize("kind", ["directory", "gcs"])
async def test_a_kill_in_the_middle_of_an_upload(
    kind: str, tmp_path: Path, gcs: Gcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    if kind == "directory":
        where = tmp_path / "bucket"
        where.mkdir()
        vault = Vault(DirectoryBucket(where), Keyring.of("5e" * 32))
    else:
        from actors.connection.backup.bucket.gcs import GcsBucket

        vault = Vault(GcsBucket(BUCKET), Keyring.of("5e" * 32))
    chance = random.Random(5)
    cut_off = 0
    for number in range(10 * KILLS):
        if number >= KILLS and cut_off:
            break
        file = tmp_path / f"{number}" / "session.db"
        process = _uploading(str(where) if kind == "directory" else BUCKET, file)
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(3)]  # begins, 1, begins
        assert said == ["begins\n", "1\n", "begins\n"]
        try:
            process.wait(chance.uniform(0.02, 0.12))
        except subprocess.TimeoutExpired:
            process.kill()
        assert process.wait() == -9
        said += process.stdout.readlines()
        process.stdout.close()
        done = max(int(line) for line in said if line.strip().isdigit())
        begun = said.count("begins\n")
        cut_off += begun > done
        copies = await vault.copies("shop")
        # A copy that was confirmed is there; one that was being written is there whole, or not at all.
        assert done <= copies[-1].position.commit <= begun
        for copy in copies:
            await vault.restore(copy, tmp_path / "restored.db")
        await vault.forget("shop")
    print(f"{kind}: {cut_off} of at least {KILLS} kills met an upload")
    assert cut_off
    if kind == "directory":
        assert await vault.copies() == []
        assert all(
            left.name.startswith(TEMPORARY_PREFIX) for left in where.rglob("*-*") if left.is_file()
        )


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
async def test_a_kill_at_each_step_of_a_write_leaves_the_object_of_before(
    step: str, tmp_path: Path
) -> None:
    bucket = DirectoryBucket(tmp_path)
    before = await bucket.write("a/one", b"the last good one")
    died = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", DYING, str(tmp_path), str(before), step],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert died.returncode == -9
    found = await bucket.read("a/one")
    assert found is not None
    assert (found.generation, found.data) == (before, b"the last good one")
    assert [entry.name for entry in await bucket.list("")] == ["a/one"]
    await bucket.write("a/one", b"the next", before)


async def test_what_another_owner_wrote_under_the_same_name_stays(tmp_path: Path) -> None:
    """G6: nothing that is in the bucket is ever overwritten."""
    vault = Vault(DirectoryBucket(tmp_path), Keyring.of("5e" * 32))
    file = tmp_path.with_name("session.db")
    Session.open(file, 4).close()
    first = await vault.back_up("shop", file, file.with_name("scratch"))
    assert first is not None
    before = (tmp_path / first.name).read_bytes()
    again = await vault.back_up("shop", file, file.with_name("scratch"))
    assert again is not None
    assert (again.name, (tmp_path / first.name).read_bytes()) == (first.name, before)
    assert await vault.back_up("shop", file, file.with_name("scratch"), first.position) is None
    # An earlier owner comes late: its copy is there, and is not the newest.
    late = tmp_path.with_name("late.db")
    session = Session.open(late, 3)
    for number in range(9):
        async with session.transaction():
            session.sent.remember("chat", str(number), b"text", 2e9)
    session.close()
    await vault.back_up("shop", late, file.with_name("scratch"))
    assert (await vault.copies("shop"))[-1].position == first.position


async def test_only_the_newest_copies_stay(tmp_path: Path) -> None:
    vault = Vault(DirectoryBucket(tmp_path), Keyring.of("5e" * 32))
    file = tmp_path.with_name("session.db")
    session = Session.open(file, 4)
    copies: list[SessionCopy] = []
    for number in range(COPIES_KEPT + 3):
        async with session.transaction():
            session.sent.remember("chat", str(number), b"text", 2e9)
        copy = await vault.back_up("shop", file, file.with_name("scratch"))
        assert copy is not None
        copies = await vault.prune([*copies, copy])
    session.close()
    there = [copy.position for copy in await vault.copies("shop")]
    assert there == [Position(4, commit) for commit in range(4, COPIES_KEPT + 4)]


def _uploading(bucket: str, file: Path) -> forked.Popen:
    return forked.Popen(
        [sys.executable, str(Path(__file__).with_name("uploading_child.py")), bucket, str(file)],
        stdout=forked.PIPE,
        text=True,
    )
