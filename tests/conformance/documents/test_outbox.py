"""The events of a write are in the outbox with it or not at all, once, and numbered by commit."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.state.documents import EVENT_LOG, EVENTS, HEAD, WRITES_WITH_EVENTS, StoreAway, Write
from actors.state.events import outbox
from actors.state.events.event import Event
from actors.state.events.log import EventLog
from actors.state.events.outbox import NumberedEvent
from actors.state.open_store import open_documents
from tests.conformance.documents.conftest import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from actors.state.documents import Document, Documents
    from tests.processes.firestore import Firestore

THINGS = "things"


def counted(before: Document | None, after: Document | None) -> Sequence[Event]:
    """Tells of each step of a number."""
    known = 0 if before is None else before["n"]
    new = 0 if after is None else after["n"]
    return [
        Event(f"evt_{n}", "message.received", "shop", 1.5, {"n": n, "text": "João"})
        for n in range(known + 1, new + 1)
    ]


def raising(to: int, identity: str = "x") -> Write:
    def change(document: Document | None) -> Document | None:
        known = 0 if document is None else document["n"]
        return {"n": to} if to > known else None

    return Write("change", THINGS, identity, change=change, events=counted)


async def wanted(documents: Documents) -> None:
    await EventLog(documents).want(time.time() + 1000)


async def outbox_events(documents: Documents) -> list[NumberedEvent]:
    log, seen = EventLog(documents), list[NumberedEvent]()
    while True:
        look = await log.after(seen[-1].seq if seen else 0)
        seen += look.events
        if not look.more:
            return seen


def ids(events: Sequence[NumberedEvent]) -> list[str]:
    return [each.event.id for each in events]


OPS: list[tuple[str, Callable[[int], Write]]] = [
    ("change", raising),
    ("set", lambda n: Write("set", THINGS, "x", {"n": n}, events=counted)),
    ("merge", lambda n: Write("merge", THINGS, "x", {"n": n}, events=counted)),
    ("advance", lambda n: Write("advance", THINGS, "x", {"n": n}, by=("n",), events=counted)),
]


@pytest.mark.parametrize(("op", "write"), OPS, ids=[op for op, _ in OPS])
async def test_a_repeated_write_tells_once(
    documents: Documents, op: str, write: Callable[[int], Write]
) -> None:
    await wanted(documents)
    for n in (1, 1, 3, 3):
        await documents.batch([write(n)])
    assert [(each.seq, each.event.id) for each in await outbox_events(documents)] == [
        (1, "evt_1"),
        (2, "evt_2"),
        (3, "evt_3"),
    ]
    assert await documents.get(THINGS, "x") == {"id": "x", "n": 3}


async def test_create_and_delete_tell_only_where_they_do_something(documents: Documents) -> None:
    await wanted(documents)

    def present(before: Document | None, after: Document | None) -> Sequence[Event]:
        kind = f"{before is not None} {after is not None}"
        return [Event(kind, "message.received", None, 1.0, {})]

    create = Write("create", THINGS, "x", {"n": 1}, events=present)
    delete = Write("delete", THINGS, "x", events=present)
    for write in (create, create, delete, delete, create):
        await documents.batch([write])
    assert ids(await outbox_events(documents)) == ["False True", "True False", "False True"]


async def test_an_event_comes_back_as_it_was(documents: Documents) -> None:
    await wanted(documents)
    before = time.time()
    await documents.batch([raising(1)])
    (only,) = await outbox_events(documents)
    data = {"n": 1, "text": "João"}
    assert only.event == Event("evt_1", "message.received", "shop", 1.5, data)
    assert before <= only.at <= time.time()
    assert not only.cut
    assert outbox.read(outbox.written(only)) == only


async def test_several_writes_of_one_document_in_a_batch_each_tell(documents: Documents) -> None:
    await wanted(documents)
    await documents.batch([raising(1), raising(1), raising(2), raising(1, "y")])
    assert ids(await outbox_events(documents)) == ["evt_1", "evt_2", "evt_1"]
    assert len((await documents.query(EVENTS)).items) == 1, "a batch is one document"


async def test_what_nobody_wants_is_not_written(documents: Documents) -> None:
    await documents.batch([raising(1)])
    assert await documents.get(EVENT_LOG, HEAD) is None
    assert (await documents.query(EVENTS)).items == []
    await documents.set(EVENT_LOG, HEAD, {"seq": 0, "webhooks": ["wh_1"], "until": 0.0})
    await documents.batch([raising(2)])
    assert ids(await outbox_events(documents)) == ["evt_2"]


async def test_a_batch_that_fails_tells_nothing(documents: Documents) -> None:
    await wanted(documents)

    def fail(_: Document | None) -> Document:
        raise LookupError("decided against it")

    with pytest.raises(LookupError):
        await documents.batch([raising(1), Write("change", THINGS, "y", change=fail)])
    assert await outbox_events(documents) == []
    await documents.batch([raising(1)])
    assert [each.seq for each in await outbox_events(documents)] == [1]


async def test_numbers_have_no_hole_with_several_writers(opened: Callable[[], Documents]) -> None:
    """Several processes at once, and a reader that follows: it sees each once, in order."""
    stores = [opened() for _ in range(3)]
    try:
        await wanted(stores[0])
        writing = asyncio.gather(
            *(
                stores[number % 3].batch([raising(2, f"{number}"), raising(1, f"{number}.y")])
                for number in range(30)
            )
        )
        seen: list[NumberedEvent] = []
        while True:
            over = writing.done()
            seen += (await EventLog(stores[0]).after(len(seen))).events
            assert [each.seq for each in seen] == list(range(1, len(seen) + 1))
            if over:
                break
            await asyncio.sleep(0)
        await writing
        assert len(seen) == 90
    finally:
        for store in stores:
            await store.close()


async def test_a_full_batch_of_long_events_fits(documents: Documents) -> None:
    """Firestore takes 1 MiB a document, 500 documents and 10 MiB a commit."""
    await wanted(documents)

    def long(_: Document | None, after: Document | None) -> Sequence[Event]:
        assert after is not None
        return [Event(after["id"], "message.received", None, 1.0, {"text": "ã" * 5000})]

    writes = [
        Write("set", THINGS, f"{n:03d}", {"n": n}, events=long) for n in range(WRITES_WITH_EVENTS)
    ]
    await documents.batch(writes)
    found = await outbox_events(documents)
    assert ids(found) == [write.id for write in writes]
    packs = (await documents.query(EVENTS)).items
    assert 5 < len(packs) < 16
    assert max(len(pack["events"].encode()) for pack in packs) < 2**20
    with pytest.raises(ValueError, match="at most"):
        await documents.batch([*writes, raising(1)])


async def test_an_event_too_long_for_any_document_is_cut(documents: Documents) -> None:
    await wanted(documents)
    data: dict[str, Any] = {"id": "x", "text": "x" * 2**20}

    def long(_: Document | None, __: Document | None) -> Sequence[Event]:
        return [Event("evt_1", "message.received", "shop", 1.0, data)]

    await documents.batch([Write("set", THINGS, "x", {"n": 1}, events=long)])
    (only,) = await outbox_events(documents)
    assert only.cut
    assert only.event.data == {"id": "x", "text": None}


async def test_the_log_is_read_backwards_too(documents: Documents) -> None:
    await wanted(documents)
    for n in (3, 5, 9):
        await documents.batch([raising(n)])
    log = EventLog(documents)
    first = await log.before(9, packs=1)
    assert ([each.seq for each in first.events], first.more) == ([8, 7, 6], True)
    rest = await log.before(5)
    assert ([each.seq for each in rest.events], rest.more) == ([4, 3, 2, 1], False)


async def test_an_answer_that_got_lost_tells_once(tmp_path: Path, firestore: Firestore) -> None:
    """The commit arrived, its answer did not: the repeat changes nothing."""
    store = open_documents(settings("firestore", tmp_path, firestore))
    try:
        await wanted(store)
        await store.batch([raising(1)])
        firestore.strike("lost", methods=["Commit"], times=1)
        with pytest.raises(StoreAway):
            await store.batch([raising(2)])
        assert firestore.heal() == 1
        await store.batch([raising(2)])
        assert ids(await outbox_events(store)) == ["evt_1", "evt_2"]
    finally:
        await store.close()


async def test_where_nobody_wants_events_no_document_more_is_written(
    tmp_path: Path, firestore: Firestore
) -> None:
    """As Firestore bills it; and two a batch where somebody does, however much it tells."""
    store = open_documents(settings("firestore", tmp_path, firestore))
    many = [raising(3, f"{n}") for n in range(10)]
    more = [raising(6, f"{n}") for n in range(10)]
    try:
        firestore.counts(reset=True)
        await store.batch(many)
        assert firestore.counts(reset=True)["writes"] == 10
        await wanted(store)
        firestore.counts(reset=True)
        await store.batch(more)
        assert firestore.counts(reset=True)["writes"] == 12
        await store.batch(more)
        assert firestore.counts()["writes"] == 0
    finally:
        await store.close()
