"""The bytes of each connection, and those of nobody, are sums that the ledger keeps up to date."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from actors.media import holders
from actors.media.ledger import SCHEMA, Ledger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

UNITS = ("a", "b", "gone")


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    opened = Ledger(tmp_path / "media.db", tmp_path / "media", copying=False)
    yield opened
    await opened.close()


def digest(number: int) -> str:
    return f"{number:064x}"


def counted(database: sqlite3.Connection) -> holders.HeldBytes:
    """The same as `usage`, by all files."""
    held = "SELECT connection, sum(size) FROM holders GROUP BY connection"
    rest = (
        "SELECT coalesce(sum(size), 0) FROM files WHERE sha256 NOT IN (SELECT sha256 FROM holders)"
    )
    return holders.HeldBytes(
        dict(database.execute(held).fetchall()), database.execute(rest).fetchone()[0]
    )


async def reads(ledger: Ledger) -> tuple[holders.HeldBytes, holders.HeldBytes]:
    def both(database: sqlite3.Connection) -> tuple[holders.HeldBytes, holders.HeldBytes]:
        return holders.usage(database), counted(database)

    return await ledger._request(both, writes=False)


@pytest.mark.parametrize("seed", range(5))
async def test_the_sums_are_those_of_all_files(ledger: Ledger, seed: int) -> None:
    chance, seen = random.Random(seed), set[str]()
    for _ in range(120):
        file, unit = digest(chance.randrange(8)), chance.choice(UNITS)
        match chance.randrange(6):
            case 0:  # as what another host kept; its size may have been another
                await ledger.note(file, chance.randint(1, 100))
            case 1 | 2:
                await ledger.note(file, chance.randint(1, 100), units=[unit])
            case 3:
                await ledger.hold(file, unit)
            case 4:
                await ledger.lost(file)
            case _:
                await ledger._request(lambda each: holders._let_go(each, {"a", "b"}), writes=True)
        kept, by_all = await reads(ledger)
        assert kept == by_all
        seen |= {*kept.held, *(["nobody"] if kept.elsewhere else [])}
    assert seen == {*UNITS, "nobody"}


async def test_a_ledger_of_an_older_release_is_summed_once(tmp_path: Path) -> None:
    path = tmp_path / "media.db"
    with closing(sqlite3.connect(path)) as database, database:
        for statement in SCHEMA:
            database.execute(statement)
        for name in ("file_added", "file_resized", "file_gone", "first_holder", "last_holder"):
            database.execute(f"DROP TRIGGER {name}")
        database.execute("DROP TABLE unheld")
        database.executemany(
            "INSERT INTO files (sha256, size, needed_at) VALUES (?, 7, 1.0)",
            [(digest(number),) for number in range(3)],
        )
        database.execute("INSERT INTO holders VALUES (?, 'a', 7)", (digest(0),))
    for _ in range(2):
        ledger = Ledger(path, tmp_path / "media", copying=False)
        assert (await reads(ledger))[0] == holders.HeldBytes({"a": 7}, 14)
        await ledger.close()


def test_reading_the_sums_costs_as_much_with_many_files_as_with_few() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        for statement in SCHEMA:
            database.execute(statement)

        def fill(first: int, last: int) -> None:
            database.executemany(
                "INSERT INTO files (sha256, size, needed_at) VALUES (?, 7, 1.0)",
                [(digest(number),) for number in range(first, last)],
            )
            for number in range(first, last, 2):
                holders.add(database, digest(number), 7, ["a"])

        def steps() -> int:
            taken = 0

            def step() -> None:
                nonlocal taken
                taken += 1

            database.set_progress_handler(step, 1)
            assert holders.usage(database) == counted_before
            database.set_progress_handler(None, 1)
            return taken

        fill(0, 10)
        counted_before = counted(database)
        few = steps()
        fill(10, 5000)
        counted_before = counted(database)
        assert steps() == few
