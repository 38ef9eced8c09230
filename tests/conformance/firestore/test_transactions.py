"""Transactions and listeners on Firestore and on the emulator."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore as google
from google.cloud.firestore_v1.base_query import FieldFilter

from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Callable

ATTEMPTS = 50


def test_a_transaction_reads_and_writes(client: Any, things: Any) -> None:
    document = things.document("a")
    document.set({"v": 1})

    @google.transactional
    def raise_it(transaction: Any) -> int:
        value: int = document.get(transaction=transaction).get("v")
        transaction.update(document, {"v": value + 1})
        return value

    assert raise_it(client.transaction()) == 1
    assert document.get().get("v") == 2


def test_of_transactions_that_collide_no_update_is_lost(
    connect: Callable[..., Any], things: Any
) -> None:
    document = things.document("a")
    document.set({"v": 0})
    tries: list[int] = []

    def work(_: int) -> None:
        mine = connect()
        counter = mine.document(document.path)

        @google.transactional
        def raise_it(transaction: Any) -> None:
            tries.append(1)
            value = counter.get(transaction=transaction).get("v")
            time.sleep(0.005)
            transaction.update(counter, {"v": value + 1})

        for _ in range(3):
            raise_it(mine.transaction(max_attempts=ATTEMPTS))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    assert document.get().get("v") == 9
    assert len(tries) > 9, "nothing collided"


def test_what_a_query_did_not_find_collides_too(client: Any, filled: Any) -> None:
    transaction = client.transaction()
    transaction._begin()
    found = list(filled.where(filter=FieldFilter("i", ">", 8)).stream(transaction=transaction))
    assert len(found) == 1
    filled.document("new").set({"i": 50})
    transaction.set(filled.document("d00"), {"i": -1})
    with pytest.raises(exceptions.Aborted):
        transaction._commit()
    assert filled.document("d00").get().get("i") == 0


def test_a_transaction_that_breaks_leaves_nothing(client: Any, filled: Any) -> None:
    @google.transactional
    def broken(transaction: Any) -> None:
        found = filled.where(filter=FieldFilter("i", ">=", 1)).stream(transaction=transaction)
        transaction.set(filled.document("new"), {"i": len(list(found))})
        raise LookupError("decided against it")

    with pytest.raises(LookupError):
        broken(client.transaction())
    assert not filled.document("new").get().exists


def test_a_listener_sees_a_document_change(things: Any) -> None:
    document = things.document("a")
    document.set({"v": 1})
    seen: list[Any] = []
    watch = document.on_snapshot(
        lambda snapshots, _, __: seen.append([each.to_dict() for each in snapshots])
    )
    try:
        until("the first snapshot", lambda: seen == [[{"v": 1}]], 10)
        document.update({"v": 2})
        until("the change", lambda: seen[-1] == [{"v": 2}], 10)
    finally:
        watch.unsubscribe()


def test_a_listener_sees_what_enters_and_leaves_its_query(things: Any) -> None:
    for n in range(2):
        things.document(f"d{n}").set({"i": n})
    seen: list[list[tuple[str, str]]] = []

    def note(_: Any, changes: Any, __: Any) -> None:
        seen.append([(change.type.name, change.document.id) for change in changes])

    def received(count: int) -> bool:
        return len(seen) == count

    watch = things.where(filter=FieldFilter("i", ">=", 0)).on_snapshot(note)
    new = things.document("new")
    try:
        until("it received the result", partial(received, 1), 10)
        steps = (lambda: new.set({"i": 5}), lambda: new.update({"i": 6}), new.delete)
        for step in steps:
            before = len(seen)
            step()
            until("it received the change", partial(received, before + 1), 10)
    finally:
        watch.unsubscribe()
    assert seen == [
        [("ADDED", "d0"), ("ADDED", "d1")],
        [("ADDED", "new")],
        [("MODIFIED", "new")],
        [("REMOVED", "new")],
    ]


async def test_the_asynchronous_client_does_the_same(connect: Callable[..., Any]) -> None:
    client = connect(google.AsyncClient)
    things = client.collection("asynchronous")
    document = things.document("a")
    await document.set({"v": 1})
    await document.update({"v": 2})
    assert (await document.get()).get("v") == 2
    with pytest.raises(exceptions.AlreadyExists):
        await document.create({"v": 1})
    await document.delete()
    assert not (await document.get()).exists
    batch = client.batch()
    for n in range(5):
        batch.set(things.document(f"d{n}"), {"i": n})
    await batch.commit()
    found = things.where(filter=FieldFilter("i", ">=", 2)).order_by("i")
    assert [snapshot.get("i") async for snapshot in found.stream()] == [2, 3, 4]
    assert (await things.count().get())[0][0].value == 5
    both = client.get_all([things.document("d0"), things.document("d9")])
    assert {snapshot.id: snapshot.exists async for snapshot in both} == {"d0": True, "d9": False}


async def test_asynchronous_transactions_collide_without_loss(connect: Callable[..., Any]) -> None:
    client = connect(google.AsyncClient)
    document = client.collection("colliding").document("a")
    await document.set({"v": 0})

    @google.async_transactional
    async def raise_it(transaction: Any) -> None:
        value = (await document.get(transaction=transaction)).get("v")
        await asyncio.sleep(0.002)
        transaction.update(document, {"v": value + 1})

    async def work() -> None:
        for _ in range(2):
            await raise_it(client.transaction(max_attempts=ATTEMPTS))

    await asyncio.gather(*(work() for _ in range(3)))
    assert (await document.get()).get("v") == 6


async def test_five_hundred_at_once(connect: Callable[..., Any]) -> None:
    things = connect(google.AsyncClient).collection("many")
    await asyncio.gather(*(things.document(f"d{n}").set({"n": n}) for n in range(500)))
    found = await asyncio.gather(*(things.document(f"d{n}").get() for n in range(500)))
    assert [snapshot.get("n") for snapshot in found] == list(range(500))
