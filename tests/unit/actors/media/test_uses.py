"""Notes of messages that were accepted with a file, over months in which the file is used each day (G13)."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from actors.media.directory import DirectoryStore
from actors.media.ledger import Ledger
from actors.media.upkeep import FileUpkeep

if TYPE_CHECKING:
    from pathlib import Path

LOGO = b"a logo that is sent with each message"
SHA256 = hashlib.sha256(LOGO).hexdigest()
DAY = 86_400.0
RETENTION = 30 * DAY
DAYS, DAILY = 60, 3
WAITS = "shop.0-0"


def rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [message for (message,) in database.execute("SELECT message FROM uses")]


async def test_notes_of_messages_that_do_not_wait_go(tmp_path: Path) -> None:
    """The file and the note of one that waits stay; both go once it does not wait any more."""
    media = tmp_path / "media"
    place = media / SHA256[:2] / SHA256
    place.parent.mkdir(parents=True)
    place.write_bytes(LOGO)
    ledger = Ledger(tmp_path / "media.db", media, copying=False)
    waiting, now = {WAITS}, 1_800_000_000.0

    async def waits(message: str) -> bool:
        return message in waiting

    upkeep = FileUpkeep(
        ledger,
        DirectoryStore(media, reserve=lambda: 0),
        tmp_path / "lock",
        retention=RETENTION,
        copies=None,
        waits=waits,
        clock=lambda: now,
        deletion_time=lambda: now,
    )
    for day in range(DAYS):
        for number in range(DAILY):
            assert await ledger.use(SHA256, f"shop.{day}-{number}", now)
        now += DAY / 2
        await upkeep.tidy()
        now += DAY / 2
    kept = rows(tmp_path / "media.db")
    assert len(kept) <= 2 * DAILY + 1
    assert WAITS in kept
    for _ in range(3):
        now += RETENTION
        await upkeep.tidy()
    assert (rows(tmp_path / "media.db"), place.exists()) == ([WAITS], True)
    waiting.clear()
    for _ in range(3):
        now += RETENTION
        await upkeep.tidy()
    assert (rows(tmp_path / "media.db"), place.exists()) == ([], False)
    await ledger.close()
