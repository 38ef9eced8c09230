"""The spool's file: on disk before the answer, whole or not at all when the disk is full."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from actors.queue.outbound_queue import IdempotencyConflict, Send
from actors.queue.spool.file import _DEPTH, SCHEMA, Spool, SpoolUnavailable
from tests.integration.queue.desk import ANA, BEN, SHOP
from tests.processes.small_disk import mount_small_disk
from tests.unlimited import UNLIMITED, at_most

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OTHER = "other"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mount_small_disk(tmp_path / "disk") as disk:
        yield disk


async def test_g1_a_full_disk_refuses_and_keeps_what_it_took(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(200_000))
    spool = Spool(small_disk / "spool.db", UNLIMITED)
    accepted: list[str] = []
    refused = 0
    for number in range(400):
        text = f"{number:04}" + "x" * 4000
        try:
            await spool.put(Send(SHOP, ANA, text))
        except SpoolUnavailable:
            refused += 1
        else:
            accepted.append(text)
    assert refused > 10
    assert len(accepted) > 10
    assert [each.send.text for each in await spool.oldest(1000)] == accepted
    ballast.unlink()
    await spool.put(Send(SHOP, ANA, "room again"))
    assert [each.send.text for each in await spool.oldest(1000)] == [*accepted, "room again"]
    await spool.close()


async def test_many_at_once_keep_their_order_and_another_process_sees_them(tmp_path: Path) -> None:
    spool, other = (Spool(tmp_path / "spool.db", UNLIMITED) for _ in range(2))
    sends = [Send(SHOP, ANA, f"{number}") for number in range(500)]
    assert not other.holds(SHOP, ANA)
    await asyncio.gather(*(spool.put(send) for send in sends))
    assert [each.send for each in await other.oldest(1000)] == sends
    assert (other.holds(SHOP, ANA), other.holds(SHOP, BEN)) == (True, False)
    assert (await other.depth()).count == 500
    first, *_ = await other.oldest(1)
    assert await spool.get(SHOP, first.message_id) == first
    await other.remove(await other.oldest(1000))
    assert not spool.holds(SHOP, ANA)
    assert (await spool.depth()).oldest_at is None
    await spool.close()
    await other.close()


async def test_a_look_at_the_depth_takes_as_long_with_many_as_with_few(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", UNLIMITED)
    found: list[int] = []
    for number in range(300):
        await spool.put(Send(SHOP, ANA, "x"), now=1_000.0 + number)
        if number in (9, 299):
            depth = await spool.depth()
            assert (depth.count, depth.oldest_at) == (number + 1, 1_000.0)
            found.append(steps(tmp_path / "spool.db"))
    assert found[0] == found[1] > 10
    await spool.close()


async def test_a_look_takes_as_long_however_much_waits_of_a_connection_that_is_passed(
    tmp_path: Path,
) -> None:
    found: list[int] = []
    for waiting in (3, 500):
        spool = Spool(tmp_path / f"{waiting}.db", UNLIMITED)
        for _ in range(waiting):
            await spool.put(Send(SHOP, ANA, "passed"))
        for number in range(30):
            await spool.put(
                Send((OTHER, "third")[number % 2], ANA if number < 10 else BEN, f"{number}")
            )
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        await spool._writer.call(lambda file: file.set_progress_handler(step, 1), writes=False)
        looked = await spool.oldest(10, [("third", ANA)], [SHOP])
        assert [int(each.send.text) for each in looked] == [0, 2, 4, 6, 8, 10, 11, 12, 13, 14]
        found.append(count)
        await spool.close()
    assert found[0] == found[1] > 10


async def test_the_chats_of_a_connection_are_found_as_quickly_with_many_rows(
    tmp_path: Path,
) -> None:
    found: list[int] = []
    for waiting in (3, 500):
        spool = Spool(tmp_path / f"{waiting}.db", UNLIMITED)
        for number in range(waiting):
            await spool.put(Send(SHOP, (ANA, BEN, "c")[number % 3], "x"))
        await spool.put(Send(OTHER, "d", "x"))
        assert sorted(spool.chats(SHOP)) == sorted([ANA, BEN, "c"])
        assert spool.chats("nobody") == []
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        assert spool._reader is not None
        spool._reader.set_progress_handler(step, 1)
        spool.chats(SHOP)
        found.append(count)
        await spool.close()
    assert found[0] == found[1] > 10


def steps(path: Path) -> int:
    """Returns how many instructions SQLite runs for a look."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    with closing(sqlite3.connect(path)) as database:
        database.set_progress_handler(step, 1)
        database.execute(_DEPTH).fetchall()
    return count


async def test_what_another_process_put_is_seen_by_who_asks_after_it(tmp_path: Path) -> None:
    spool, other = (Spool(tmp_path / "spool.db", at_most(10)) for _ in range(2))
    assert (await spool.depth()).count == 0  # there is a file
    for _ in range(3):
        assert not spool.holds(SHOP, ANA)
        assert not spool.holds(SHOP, BEN)
        await other.put(Send(SHOP, ANA, "a"))
        assert (spool.holds(SHOP, ANA), spool.holds(SHOP, BEN)) == (True, False)
        await other.remove(await other.oldest(10))
    await spool.close()
    await other.close()


async def test_a_key_names_one_body(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", at_most(10))
    first = await spool.put(Send(SHOP, ANA, "a"), idempotency_key="k")
    assert await spool.put(Send(SHOP, ANA, "a"), idempotency_key="k") == (first[0], True)
    with pytest.raises(IdempotencyConflict):
        await spool.put(Send(SHOP, ANA, "b"), idempotency_key="k")
    assert (await spool.depth()).count == 1
    await spool.close()


async def test_a_limit_is_kept_and_frees_with_what_leaves(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", at_most(2))
    await spool.put(Send(SHOP, ANA, "a"))
    await spool.put(Send(SHOP, ANA, "b"))
    with pytest.raises(SpoolUnavailable):
        await spool.put(Send(SHOP, ANA, "c"))
    await spool.remove(await spool.oldest(1))
    await spool.put(Send(SHOP, ANA, "c"))
    assert [each.send.text for each in await spool.oldest(9)] == ["b", "c"]
    await spool.close()


async def test_a_greedy_connection_leaves_another_its_part(tmp_path: Path) -> None:
    """G12: through two processes of the host; what leaves makes room for the same one again."""
    spool, twin = (Spool(tmp_path / "spool.db", at_most(80, 3)) for _ in range(2))

    async def fill(connection: str) -> int:
        """Messages that were taken until one was refused."""
        for taken in range(81):
            try:
                await (spool, twin)[taken % 2].put(Send(connection, ANA, str(taken)))
            except SpoolUnavailable:
                return taken
        return 81

    assert await fill(SHOP) == 10 + 40, "its part, and the half that nobody has"
    assert await fill(OTHER) == 10
    assert await fill("third") == 10
    await twin.remove(await spool.oldest(5))
    assert await fill(OTHER) == 5, "the first to come has the other half"
    assert await fill(SHOP) == 0
    assert (await spool.depth()).count == 10 + 10 + 50
    await spool.remove(await spool.oldest(80))
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database:
        assert database.execute("SELECT * FROM counts").fetchall() == []
    for each in (spool, twin):
        await each.close()


async def test_what_an_older_release_put_there_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "spool.db"
    with closing(sqlite3.connect(file)) as database, database:
        for statement in SCHEMA[:1]:
            database.execute(statement)
        for number in range(2):
            database.execute(
                "INSERT INTO spool (id, connection, chat, accepted_at, fingerprint, send)"
                " VALUES (?, ?, ?, 1.0, '', '{}')",
                (f"{SHOP}.{number}", SHOP, ANA),
            )
    spool = Spool(file, at_most(3))
    await spool.put(Send(SHOP, ANA, "a"))
    with pytest.raises(SpoolUnavailable):
        await spool.put(Send(SHOP, ANA, "b"))
    await spool.close()


async def test_a_file_that_is_none_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "spool.db"
    file.write_bytes(b"not a database" * 1000)
    spool = Spool(file, at_most(2))
    assert not spool.holds(SHOP, ANA)
    with pytest.raises(SpoolUnavailable):
        await spool.put(Send(SHOP, ANA, "a"))
    await spool.close()
    assert file.read_bytes() == b"not a database" * 1000


GOOD = '{"connection": "shop", "chat": "15550100002@s.whatsapp.net", "text": "x"}'


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("send", "{"),
        ("send", "[]"),
        ("send", b"\xff\xfe"),
        ("send", "[" * 100_000),
        ("send", GOOD.replace("}", ', "colour": "red"}')),
        ("send", GOOD.replace('"x"', "7")),
        ("send", GOOD.replace('"x"', r'"\ud800"')),
        ("send", GOOD.replace("shop", "barn")),
        ("send", GOOD.replace("}", ', "priority": 12}')),
        ("send", GOOD.replace("}", ', "priority": "5"}')),
        ("send", GOOD.replace("}", ', "send_at": "soon"}')),
        ("send", GOOD.replace("}", ', "send_at": Infinity}')),
        ("id", "shop.nonsense"),
        ("id", "barn.3EB0000000000000000000"),
        ("chat", "15550100003@s.whatsapp.net"),
        ("accepted_at", "yesterday"),
    ],
)
async def test_a_row_that_is_no_send_is_kept_and_holds_up_nothing(
    tmp_path: Path, column: str, value: str | bytes
) -> None:
    """G2, G11."""
    spool = Spool(tmp_path / "spool.db", at_most(10))
    for text in ("damaged", "same chat"):
        await spool.put(Send(SHOP, ANA, text))
    await spool.put(Send(SHOP, BEN, "other"))
    damaged = (await spool.oldest(1))[0]
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database, database:
        put = f"UPDATE spool SET {column} = CAST(? AS TEXT) WHERE place = ?"
        database.execute(put, (value, damaged.place))
    for limit in (1, 10):
        left = [each.send.text for each in await spool.oldest(limit)]
        assert left == ["same chat", "other"][:limit]
    depth = await spool.depth()
    assert (depth.count, depth.unreadable) == (2, 1)
    number, records = await spool.unreadable(0, 10)
    assert await spool.unreadable(number, 10) == (number, [])
    if column != "id":
        (record,) = records
        assert (record.id, record.status) == (f"{SHOP}.{damaged.message_id}", "cancelled")
        assert record.error == "spool_unreadable"
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database:
        kept = f"SELECT CAST({column} AS BLOB) FROM unreadable WHERE place = ?"
        (content,) = database.execute(kept, (damaged.place,)).fetchone()
    assert content == (value if isinstance(value, bytes) else value.encode())
    await spool.close()


async def test_who_repeats_a_send_whose_row_is_damaged_makes_it_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", at_most(10))
    first, _ = await spool.put(Send(SHOP, ANA, "a"), idempotency_key="k")
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database, database:
        database.execute("UPDATE spool SET send = '{'")
    assert await spool.get(SHOP, first.message_id) is None
    assert await spool.put(Send(SHOP, ANA, "a"), idempotency_key="k") == (first, True)
    assert await spool.oldest(1) == [first]
    await spool.close()
