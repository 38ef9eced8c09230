"""History is kept for its time and no longer."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from actors.health.alerts import Alert
from actors.runtime.deletion_time import deletion_time
from actors.state.documents import (
    BATCH_LIMIT,
    DELIVERIES,
    EVENTS,
    HEALTH_ALERTS,
    JOBS,
    MESSAGES,
    RECOVERY_ACTIONS,
    Write,
)
from actors.state.events.log import EventLog
from actors.state.messages.file_owners import owned, owning
from actors.state.recovery_actions import noting, recovery_action
from actors.state.retention import Retention
from actors.state.sqlite.store import SqliteDocuments
from tests.clocks import believe_clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.state.documents import Documents, Page

NOW, KEEP = 10_000_000.0, 1000.0
JOBS_KEEP, LETTERS = 500.0, 2000.0
EVENTS_KEEP = 100.0
FILES_KEEP = 30 * 86_400.0
RECORD = 7 * 86_400.0
TIMES: dict[str, float] = {
    "history": KEEP,
    "jobs": JOBS_KEEP,
    "letters": LETTERS,
    "events": EVENTS_KEEP,
    "files": FILES_KEEP,
}


@pytest_asyncio.fixture
async def documents(tmp_path: Path) -> AsyncIterator[Documents]:
    store = SqliteDocuments(tmp_path / "state.db")
    yield store
    await store.close()


def retaining(documents: Documents, **more: float) -> Retention:
    return Retention(documents, **{**TIMES, **more}, deletion_time=lambda: NOW)


def job(status: str, age: float) -> Write:
    data = {"connection": "shop", "status": status, "updated_at": NOW - age}
    return Write("set", JOBS, f"shop.{status}.{age}", data)


async def jobs(documents: Documents) -> set[tuple[str, float]]:
    found = await documents.query(JOBS)
    return {(item["status"], NOW - item["updated_at"]) for item in found.items}


def action(age: float) -> Write:
    return noting(
        recovery_action(role="root", action="restarted", cause="crashed", at=NOW - age, seconds=0)
    )


def alert(name: str, raised: float, cleared: float | None) -> Write:
    return Alert(name, None, "warning", "A sentence.", raised, cleared).write


async def left(documents: Documents, collection: str) -> set[float]:
    return {NOW - item["at"] for item in (await documents.query(collection)).items}


async def test_what_ended_long_ago_goes(documents: Documents) -> None:
    old, recent = NOW - KEEP - 1, NOW - KEEP + 1
    await documents.batch(
        [
            action(KEEP + 1),
            action(KEEP - 1),
            alert("over", old, old),
            alert("over_lately", old - 1, recent),
            alert("active", old - 2, None),
            alert("recent", recent, recent),
            Write("set", MESSAGES, "shop.1", {"at": 1.0}),
        ]
    )
    retention = retaining(documents)
    assert await retention.prune() == 2
    assert await left(documents, RECOVERY_ACTIONS) == {KEEP - 1}
    assert await left(documents, HEALTH_ALERTS) == {KEEP + 2, KEEP + 3, KEEP - 1}
    assert await left(documents, MESSAGES) == {NOW - 1}
    assert await retention.prune() == 0


async def test_messages_go_after_their_time_where_they_have_one(documents: Documents) -> None:
    """Waiting messages stay, and so does a dead letter that can still be sent again."""
    keep = LETTERS + RECORD + 100
    await documents.batch(
        [
            Write("set", MESSAGES, f"shop.{status}.{age}", {"at": NOW - age, "status": status})
            for status in ("received", "read", "queued", "dead")
            for age in (keep - 1, keep + 1)
        ]
        + [Write("set", MESSAGES, "shop.lately", {"at": 1.0, "dead_at": NOW - 1, "status": "dead"})]
    )
    assert await retaining(documents).prune() == 0
    assert await retaining(documents, messages=keep).prune() == 3
    there = {item["id"] for item in (await documents.query(MESSAGES)).items}
    kept = {f"shop.{status}.{keep - 1}" for status in ("received", "read", "queued", "dead")}
    assert there == {*kept, f"shop.queued.{keep + 1}", "shop.lately"}


async def test_more_than_a_batch_goes_in_one_round(documents: Documents) -> None:
    writes = [action(KEEP + 1 + age) for age in range(2 * BATCH_LIMIT + 3)]
    for begin in range(0, len(writes), BATCH_LIMIT):
        await documents.batch(writes[begin : begin + BATCH_LIMIT])
    assert await retaining(documents).prune() == len(writes)
    assert await left(documents, RECOVERY_ACTIONS) == set()


@pytest.mark.parametrize("status", ["sent", "delivered", "read", "cancelled"])
async def test_jobs_that_are_finished_go_after_their_time(
    documents: Documents, status: str
) -> None:
    await documents.batch([job(status, JOBS_KEEP + 1), job(status, JOBS_KEEP - 1)])
    assert await retaining(documents).prune() == 1
    assert await jobs(documents) == {(status, JOBS_KEEP - 1)}


@pytest.mark.parametrize("status", ["queued", "waiting", "sending"])
async def test_jobs_that_are_open_always_stay(documents: Documents, status: str) -> None:
    await documents.batch([job(status, NOW)])
    assert await retaining(documents).prune() == 0
    assert await jobs(documents) == {(status, NOW)}


async def test_dead_letters_stay_for_as_long_as_they_can_be_sent_again(
    documents: Documents,
) -> None:
    """Until they are off the list, and their record in Redis is gone."""
    over = LETTERS + RECORD
    await documents.batch([job("dead", age) for age in (over + 1, over - 1, LETTERS + 1)])
    assert await retaining(documents).prune() == 1
    assert await jobs(documents) == {("dead", over - 1), ("dead", LETTERS + 1)}
    longer = Retention(
        documents,
        history=KEEP,
        jobs=2 * over,
        letters=LETTERS,
        events=EVENTS_KEEP,
        files=FILES_KEEP,
        deletion_time=lambda: NOW + over,
    )
    assert await longer.prune() == 0, "a longer time for jobs counts for letters too"


def pack(first: int, age: float) -> Write:
    """Number `first` and one more."""
    document = {"first": first, "last": first + 1, "at": NOW - age, "events": "[]"}
    return Write("set", EVENTS, f"{first:016d}", document)


async def test_events_go_after_their_time_the_oldest_first(documents: Documents) -> None:
    old = [pack(2 * number, EVENTS_KEEP + 1) for number in range(50)]
    await documents.batch([*old, pack(100, EVENTS_KEEP - 1), pack(102, 0)])
    assert await retaining(documents).prune() == 50
    assert await left(documents, EVENTS) == {EVENTS_KEEP - 1, 0}
    assert await retaining(documents).prune() == 0


async def test_looking_for_old_events_costs_the_same_however_many_are_kept(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once an hour a store that is paid by the document is asked for a page of them, not for all."""
    for begin in range(0, 2000, BATCH_LIMIT):
        young = [pack(2 * number, 0) for number in range(begin, begin + BATCH_LIMIT)]
        await documents.batch(young)
    read = 0
    query = documents.query

    async def counting(collection: str, **asked: Any) -> Page:
        nonlocal read
        page = await query(collection, **asked)
        read += len(page.items)
        return page

    monkeypatch.setattr(documents, "query", counting)
    assert await retaining(documents).prune() == 0
    assert 0 < read <= 20


async def test_deliveries_go_after_the_time_of_their_event(documents: Documents) -> None:
    for age in (EVENTS_KEEP + 1, EVENTS_KEEP - 1):
        await documents.set(DELIVERIES, f"wh.{age}", {"at": NOW - age})
    assert await retaining(documents).prune() == 1
    assert await left(documents, DELIVERIES) == {EVENTS_KEEP - 1}


async def test_owners_of_files_go_once_nobody_had_them_for_long(documents: Documents) -> None:
    old, new = NOW - FILES_KEEP - 1, NOW - FILES_KEEP + 1
    await documents.batch([owning("a" * 64, "shop", old), owning("b" * 64, "shop", new)])
    assert await retaining(documents).prune() == 1
    assert await owned(documents, "a" * 64, ["shop"]) is None
    assert await owned(documents, "b" * 64, ["barn", "shop"]) is not None


async def test_events_are_written_until_the_time_after_the_last_reader(
    documents: Documents,
) -> None:
    log = EventLog(documents)
    await log.want(NOW + 1)
    await retaining(documents).prune()
    assert (await log.head()).wanted
    later = Retention(documents, **TIMES, deletion_time=lambda: NOW + 3)
    await later.prune()
    assert not (await log.head()).wanted


async def test_a_clock_that_is_a_year_ahead_deletes_nothing(
    documents: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deliveries wait, the file is of a message of today, and a reader came an hour ago."""
    now = time.time()
    believe_clock(tmp_path)
    log = EventLog(documents)
    await log.want(now + 3600)
    waiting = {"webhook": "w", "seq": 1, "status": "waiting", "at": now}
    event = {"first": 1, "last": 1, "at": now, "events": "[]"}
    kept = [
        Write("set", DELIVERIES, "w.1", waiting),
        Write("set", EVENTS, "1", event),
        Write("set", JOBS, "j", {"connection": "shop", "status": "dead", "updated_at": now}),
        owning("ab" * 32, "shop", now),
        noting(recovery_action(role="root", action="restarted", cause="x", at=now, seconds=0)),
    ]
    await documents.batch(kept)
    monkeypatch.setattr("time.time", lambda: now + 365 * 86_400)
    ages = Retention(documents, **TIMES, deletion_time=partial(deletion_time, tmp_path))
    assert await ages.prune() == 0
    assert (await log.head()).wanted
    by_clock = Retention(documents, **TIMES, deletion_time=time.time)
    assert await by_clock.prune() == len(kept), "the clock itself would have deleted them"
    assert not (await log.head()).wanted
