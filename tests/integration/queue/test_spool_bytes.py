"""The bytes that the spool counts for each connection: of its own file, and beside those in Redis (G13)."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from actors.config.settings import Settings
from actors.queue.outbound_queue import OutboundQueue, Send
from actors.queue.spool.file import SCHEMA, Spool, SpoolFull
from actors.queue.spool.redis_budgets import RedisBudgets
from actors.runtime.limits.limits import Limit, LimitReached
from actors.runtime.limits.quotas import Quota
from tests.integration.queue.desk import ANA, BEN, SHOP
from tests.unlimited import UNLIMITED
from tests.unlimited import at_most as at_most_rows

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "other"
LONG_NAME = f"{'s' * 60}--K7Q2M9XA4TBC"
LONG = "w" * 10_000
LIMITS = Settings.model_validate({})
EACH, ALL = LIMITS.queue_limit, LIMITS.redis_limit


def at_most(bytes_: int) -> Quota:
    return Quota(None, Limit("MAX_SPOOL_BYTES", bytes_, "instance_limit_reached", 5), 3)


def weighed(file: Path) -> dict[str, int]:
    """The bytes that the file counts, by connection."""
    with closing(sqlite3.connect(file)) as database:
        return dict(database.execute("SELECT connection, bytes FROM weights").fetchall())


async def fill(spool: Spool, connection: str) -> int:
    """Long sends that were taken until one was refused."""
    for taken in range(100):
        try:
            await spool.put(Send(connection, ANA, f"{taken} {LONG}"))
        except SpoolFull:
            return taken
    return 100


async def test_a_greedy_connection_leaves_another_its_part_of_the_bytes(tmp_path: Path) -> None:
    """Half of them in four parts: each has room for two of these sends, and half of all for ten."""
    spool = Spool(tmp_path / "spool.db", UNLIMITED, at_most(200_000))
    assert await fill(spool, SHOP) == 10
    assert await fill(spool, OTHER) == 2
    await spool.remove(await spool.oldest(6))
    assert await fill(spool, SHOP) == 6
    await spool.close()


async def test_no_limit_is_used_beyond_its_size_unless_it_was_lowered(tmp_path: Path) -> None:
    """Also by more connections than there are parts, as where some were deleted meanwhile."""
    file = tmp_path / "spool.db"
    spool = Spool(file, at_most_rows(7, 3), at_most(100_000))
    for number in range(20):
        await fill(spool, f"c{number}")
    rows, weight = (await spool.depth()).limits
    assert (rows.setting, weight.setting) == ("SPOOL_LIMIT", "MAX_SPOOL_BYTES")
    assert rows.share == 1
    assert 0.5 < weight.share <= 1
    lowered = Spool(file, at_most_rows(1), at_most(15_000))
    assert all(use.share > 1 for use in (await lowered.depth()).limits)
    for each in (spool, lowered):
        await each.close()


async def test_the_count_is_that_of_the_rows_whatever_becomes_of_them(tmp_path: Path) -> None:
    file = tmp_path / "spool.db"
    spool = Spool(file, UNLIMITED)
    damaged, _ = await spool.put(Send(SHOP, ANA, "damaged"), idempotency_key="k")
    for connection in (SHOP, OTHER):
        await spool.put(Send(connection, BEN, "whole"))
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE spool SET send = '{' WHERE place = ?", (damaged.place,))
    await spool.put(Send(SHOP, ANA, "damaged"), idempotency_key="k")
    found = await spool.oldest(10)
    assert weighed(file) == {
        each: sum(row.weight for row in found if row.send.connection == each)
        for each in (SHOP, OTHER)
    }
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE spool SET send = '{' WHERE place = ?", (damaged.place,))
    await spool.remove(await spool.oldest(10))
    assert (await spool.depth()).unreadable == 1
    assert weighed(file) == {}
    await spool.close()


async def test_what_an_older_release_put_there_is_weighed(tmp_path: Path) -> None:
    file = tmp_path / "spool.db"
    with closing(sqlite3.connect(file)) as database, database:
        for statement in SCHEMA:
            if "weights" not in statement:
                database.execute(statement)
        database.execute(
            "INSERT INTO spool (id, connection, chat, accepted_at, fingerprint, send)"
            " VALUES (?, ?, ?, 1.0, '', ?)",
            (f"{SHOP}.1", SHOP, ANA, LONG),
        )
    spool = Spool(file, UNLIMITED, at_most(8 * 3_000))
    with pytest.raises(SpoolFull) as full:
        await spool.put(Send(SHOP, ANA, LONG))
    assert (full.value.limit.setting, full.value.scope) == ("MAX_SPOOL_BYTES", "instance")
    assert weighed(file)[SHOP] > len(LONG)
    await spool.close()


@pytest.mark.parametrize("kind", ["once"], indirect=True)
@pytest.mark.parametrize("connection", [SHOP, LONG_NAME])
@pytest.mark.parametrize("key", [None, "order-1"])
@pytest.mark.parametrize("text", ["", "hello", LONG, '\u00fc\u4f60\U0001f600 "quoted"\n' * 100])
async def test_no_message_counts_more_in_redis_than_in_the_spool(
    tmp_path: Path, lanes: OutboundQueue, connection: str, key: str | None, text: str
) -> None:
    spool = Spool(tmp_path / "spool.db", UNLIMITED)
    send = Send(connection, ANA, text, content=f'{{"caption": "{text[:50]}"}}', send_at=1.0)
    spooled, _ = await spool.put(send, idempotency_key=key)
    await lanes.accept(send, message_id=spooled.message_id, idempotency_key=key)
    assert 0 < (await lanes.flows_many([connection]))[connection].bytes <= spooled.weight
    await spool.close()


def budgets(used: int = 0, **taken: int) -> RedisBudgets:
    """Of 1,500 bytes for each and 10,000 for all, half of them in five parts."""
    each, total = (
        Limit(of.setting, size, of.code, 30) for of, size in ((EACH, 1_500), (ALL, 10_000))
    )
    return RedisBudgets(each, total, 5, used, taken)


@pytest.mark.parametrize(
    ("known", "spooled", "size", "refusal"),
    [
        (budgets(), {}, 1_500, None),
        (budgets(), {}, 1_501, "connection"),
        (budgets(shop=1_000), {"shop": 400}, 100, None),
        (budgets(shop=1_000), {"shop": 400}, 101, "connection"),
        (budgets(shop=1_000, other=1_400), {"other": 1_400}, 500, None),
        (budgets(used=4_900), {}, 1_500, None),
        (budgets(used=4_900), {"other": 100}, 1_001, "instance"),
        (budgets(used=4_900), {"other": 100}, 1_000, None),
        (budgets(used=9_999), {}, 1, None),
        (budgets(used=10_000), {}, 1, "instance"),
    ],
)
def test_a_send_needs_room_behind_all_that_waits(
    known: RedisBudgets, spooled: dict[str, int], size: int, refusal: str | None
) -> None:
    if refusal is None:
        known.check("shop", spooled, size)
        return
    with pytest.raises(LimitReached) as reached:
        known.check("shop", spooled, size)
    assert reached.value.scope == refusal
    wanted = {"connection": "queue_full", "instance": "redis_full"}
    assert reached.value.limit.code == wanted[refusal]
    if refusal == "connection":
        assert reached.value.needed == 1_501, "what all of it takes"


def test_a_budget_that_nobody_knows_refuses_nothing() -> None:
    each, total = (Limit(of.setting, 0, of.code, 30) for of in (EACH, ALL))
    RedisBudgets(each, total, 5).check("shop", {"shop": 10**12}, 10**12)
