"""Copies of sessions of any size: in parts, whole or none, with keys of any size, and those of earlier builds."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from actors.connection.backup.backup_format import Header, Tampered, seal
from actors.connection.backup.bucket.directory import DirectoryBucket
from actors.connection.backup.bucket.port import BucketAway
from actors.connection.backup.keyring import Keyring
from actors.connection.backup.session_snapshot import BESIDE, KEYS_PIECE_BYTES, beside, snapshot
from actors.connection.backup.vault import COPIES_KEPT, COPY_PART_BYTES, SessionCopy, Vault
from actors.connection.session.session import Session
from tests.unit.actors.connection.sessions import put

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEYS = Keyring.of("5e" * 32)
SHOP = "shop"
(KEYS_FILE,) = BESIDE


class Store:
    """A vault on a directory, and a session whose copy has several parts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bucket").mkdir()
        self.bucket = DirectoryBucket(root / "bucket")
        self.vault = Vault(self.bucket, KEYS)
        self.file = root / "session.db"

    async def fill(self, size: int) -> None:
        with closing(Session.open(self.file, 1)) as session:
            for number in range(-(-size // 2**20)):
                await put(session, f"M{number}", body=os.urandom(2**20))

    async def copy(self, enclosed: Mapping[str, Path] | None = None) -> SessionCopy:
        made = await self.vault.back_up(SHOP, self.file, self.root / "scratch", enclosed=enclosed)
        assert made is not None
        return made

    def objects(self) -> list[str]:
        return sorted(file.name for file in self.root.glob(f"bucket/sessions/{SHOP}/*"))

    async def restored(self, copy: SessionCopy) -> Path:
        target = self.root / "restored.db"
        await self.vault.restore(copy, target)
        return target


@pytest.fixture
async def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


async def test_a_large_session_is_copied_in_parts_and_restored(store: Store) -> None:
    await store.fill(5 * COPY_PART_BYTES // 2)
    copy = await store.copy()
    assert len(store.objects()) == 3
    sizes = [file.stat().st_size for file in store.root.glob("bucket/sessions/*/*")]
    assert max(sizes) < 2 * COPY_PART_BYTES
    assert await store.vault.copies(SHOP) == [
        SessionCopy(SHOP, copy.position, copy.size, pytest.approx(copy.at, abs=60))  # type: ignore[arg-type]
    ]
    assert copy.size == sum(sizes)
    before = _read(store.file)
    assert _read(await store.restored(copy)) == before
    assert sorted(file.name for file in store.root.iterdir()) == [
        "bucket",
        "restored.db",
        "session.db",
    ]


def _read(file: Path) -> list[tuple[str, bytes]]:
    with closing(sqlite3.connect(file)) as database:
        return database.execute("SELECT message_id, body FROM inbox ORDER BY key").fetchall()


@pytest.mark.parametrize("part", [1, 2])
async def test_a_part_that_is_missing_or_changed_is_refused(store: Store, part: int) -> None:
    await store.fill(5 * COPY_PART_BYTES // 2)
    copy = await store.copy()
    place = store.root / "bucket/sessions" / SHOP / store.objects()[part]
    content = place.read_bytes()
    for damaged in (None, content[:-1], content[1:]):
        place.unlink(missing_ok=True)
        if damaged is not None:
            place.write_bytes(damaged)
        with pytest.raises(Tampered):
            await store.restored(copy)
        assert not (store.root / "restored.db").exists()


async def test_a_copy_that_is_cut_off_is_none_and_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.fill(5 * COPY_PART_BYTES // 2)
    write, failed = store.bucket.write, list[str]()

    async def away(name: str, data: bytes, replaces: int = 0) -> int:
        if name.endswith(".00002") and not failed:
            failed.append(name)
            raise BucketAway("cut_off")
        return await write(name, data, replaces)

    monkeypatch.setattr(store.bucket, "write", away)
    with pytest.raises(BucketAway):
        await store.copy()
    assert failed
    assert store.objects() == []
    assert _read(await store.restored(await store.copy())) == _read(store.file)


async def test_the_newest_copies_stay_and_others_go_with_their_parts(store: Store) -> None:
    await store.fill(3 * COPY_PART_BYTES // 2)
    copies = list[SessionCopy]()
    for epoch in range(2, 5 + COPIES_KEPT):
        Session.open(store.file, epoch).close()
        copies = await store.vault.prune([*copies, await store.copy()])
    assert len(copies) == COPIES_KEPT
    assert len(store.objects()) == 2 * COPIES_KEPT
    assert await store.vault.copies(SHOP) == [
        SessionCopy(SHOP, copy.position, copy.size, pytest.approx(copy.at, abs=60))  # type: ignore[arg-type]
        for copy in copies
    ]
    await store.restored(copies[0])
    await store.vault.forget(SHOP)
    assert store.objects() == []


async def test_keys_of_any_size_are_enclosed_piece_by_piece(store: Store) -> None:
    await store.fill(1)
    keys = store.root / "keys.db"
    with closing(sqlite3.connect(keys)) as database, database:
        database.execute("CREATE TABLE keys (content BLOB)")
        database.execute("INSERT INTO keys VALUES (?)", (os.urandom(5 * KEYS_PIECE_BYTES // 2),))
    target = await store.restored(await store.copy({KEYS_FILE: keys}))
    assert beside(target, KEYS_FILE).read_bytes() == keys.read_bytes()
    secret = keys.read_bytes()[KEYS_PIECE_BYTES : KEYS_PIECE_BYTES + 64]
    assert secret not in target.read_bytes(), "nothing of them stays in the session"


async def test_a_copy_of_an_earlier_build_is_restored(store: Store) -> None:
    """One object of any size, and keys that were enclosed as one value."""
    await store.fill(3 * COPY_PART_BYTES // 2)
    keys, scratch = store.root / "keys.db", store.root / "scratch"
    with closing(sqlite3.connect(keys)) as database, database:
        database.execute("CREATE TABLE keys (content BLOB)")
    copy = SessionCopy(SHOP, snapshot(store.file, scratch))
    with closing(sqlite3.connect(scratch)) as database, database:
        database.execute("CREATE TABLE enclosed (name TEXT PRIMARY KEY, content BLOB NOT NULL)")
        row = (KEYS_FILE, keys.read_bytes())
        database.execute("INSERT INTO enclosed (name, content) VALUES (?, ?)", row)
    with scratch.open("rb") as stream:
        pieces = seal(stream, Header(SHOP, *copy.position, at=1.0), KEYS)
        whole = await asyncio.to_thread(b"".join, pieces)
    await store.bucket.write(copy.name, whole)
    target = await store.restored(copy)
    assert _read(target) == _read(store.file)
    assert beside(target, KEYS_FILE).read_bytes() == keys.read_bytes()
