"""Writes of all stores: replace, merge, create once, change, delete, batch."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from actors.state.documents import BATCH_LIMIT, StoreAway, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actors.state.documents import Document, Documents

THINGS = "things"

JSON: dict[str, Any] = {
    "text": "João-teimoso \u0000 \U0001f9f8",
    "empty": "",
    "int": 2**53,
    "float": 1_764_000_000.123456,
    "yes": True,
    "no": False,
    "null": None,
    "list": [1, "two", [3.5], {"four": None}],
    "map": {"a": {"b": {"c": []}}, "empty": {}},
}


async def test_a_document_comes_back_as_it_went_with_its_id(documents: Documents) -> None:
    await documents.set(THINGS, "a.b-c_1", JSON)
    found = await documents.get(THINGS, "a.b-c_1")
    assert found == {**JSON, "id": "a.b-c_1"}
    assert found["yes"] is True
    assert isinstance(found["float"], float)


async def test_what_is_not_there_is_none_and_deleted_twice_without_harm(
    documents: Documents,
) -> None:
    assert await documents.get(THINGS, "x") is None
    await documents.set(THINGS, "x", {"n": 1})
    await documents.delete(THINGS, "x")
    await documents.delete(THINGS, "x")
    assert await documents.get(THINGS, "x") is None


async def test_the_same_id_in_two_collections_is_two_documents(documents: Documents) -> None:
    await documents.set(THINGS, "x", {"n": 1})
    await documents.set("others", "x", {"n": 2})
    assert await documents.get(THINGS, "x") == {"id": "x", "n": 1}


async def test_set_replaces_the_whole_document(documents: Documents) -> None:
    await documents.set(THINGS, "x", {"a": 1, "b": {"c": 2}})
    await documents.set(THINGS, "x", {"b": {"d": 3}})
    assert await documents.get(THINGS, "x") == {"id": "x", "b": {"d": 3}}


@pytest.mark.parametrize(
    ("before", "merged", "after"),
    [
        (None, {"a": 1}, {"a": 1}),  # creates
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": None}, {"a": None}),  # null is a value, not a removal
        (
            {"m": {"a": 1, "b": {"c": 2}}},
            {"m": {"b": {"d": 3}}},
            {"m": {"a": 1, "b": {"c": 2, "d": 3}}},
        ),
        ({"l": [1, 2]}, {"l": [3]}, {"l": [3]}),  # lists replace
        ({"m": {"a": 1}}, {"m": {}}, {"m": {}}),  # an empty map replaces
        ({"m": 1}, {"m": {"a": 1}}, {"m": {"a": 1}}),
        ({"m": {"a": 1}}, {"m": 1}, {"m": 1}),
        ({"a": 1}, {}, {"a": 1}),
    ],
)
async def test_merge_merges_maps_deeply(
    documents: Documents,
    before: Mapping[str, Any] | None,
    merged: Mapping[str, Any],
    after: Mapping[str, Any],
) -> None:
    if before is not None:
        await documents.set(THINGS, "x", before)
    await documents.set(THINGS, "x", merged, merge=True)
    assert await documents.get(THINGS, "x") == {"id": "x", **after}


async def test_create_writes_once(documents: Documents) -> None:
    assert await documents.create(THINGS, "x", {"n": 1}) is True
    assert await documents.create(THINGS, "x", {"n": 2}) is False
    assert await documents.get(THINGS, "x") == {"id": "x", "n": 1}


async def test_of_many_creations_at_once_one_wins(opened: Callable[[], Documents]) -> None:
    stores = [opened() for _ in range(3)]
    try:
        outcomes = await asyncio.gather(
            *(stores[n % 3].create(THINGS, "x", {"n": n}) for n in range(30))
        )
        assert outcomes.count(True) == 1
        found = await stores[0].get(THINGS, "x")
        assert found is not None
        assert found["n"] == outcomes.index(True)
    finally:
        for store in stores:
            await store.close()


async def test_changes_at_once_are_each_made_on_the_last(opened: Callable[[], Documents]) -> None:
    def count(document: Document | None) -> Document:
        return {"n": (document or {"n": 0})["n"] + 1}

    stores = [opened() for _ in range(3)]
    try:
        await asyncio.gather(*(stores[n % 3].change(THINGS, "x", count) for n in range(60)))
        assert await stores[0].get(THINGS, "x") == {"id": "x", "n": 60}
    finally:
        for store in stores:
            await store.close()


async def test_change_sees_the_id_and_may_leave_things_as_they_are(documents: Documents) -> None:
    seen: list[Document | None] = []

    def look(document: Document | None) -> None:
        seen.append(document)

    assert await documents.change(THINGS, "x", look) is None
    await documents.set(THINGS, "x", {"n": 1})
    assert await documents.change(THINGS, "x", look) == {"id": "x", "n": 1}
    assert (seen[0], seen[-1]) == (None, {"id": "x", "n": 1})
    assert await documents.change(THINGS, "x", lambda d: {**(d or {}), "m": 2}) == {
        "id": "x",
        "n": 1,
        "m": 2,
    }


async def test_a_change_that_raises_changes_nothing_and_tells_its_caller(
    documents: Documents,
) -> None:
    def fail(_: Document | None) -> Document:
        raise LookupError("decided against it")

    await documents.set(THINGS, "x", {"n": 1})
    others = [documents.set(THINGS, f"y{n}", {}) for n in range(5)]
    outcomes = await asyncio.gather(
        documents.change(THINGS, "x", fail), *others, return_exceptions=True
    )
    assert isinstance(outcomes[0], LookupError)
    assert outcomes[1:] == [None] * 5
    assert await documents.get(THINGS, "x") == {"id": "x", "n": 1}


async def test_a_batch_applies_its_writes_in_order(documents: Documents) -> None:
    await documents.set(THINGS, "there", {"n": 0})
    await documents.set(THINGS, "gone", {"n": 0})
    await documents.batch(
        [
            Write("set", THINGS, "a", {"n": 1}),
            Write("merge", THINGS, "a", {"m": 2}),
            Write("create", THINGS, "there", {"n": 9}),  # exists: skipped, harmless
            Write("create", THINGS, "new", {"n": 3}),
            Write("delete", THINGS, "gone"),
            Write("change", THINGS, "a", change=lambda d: {**(d or {}), "k": 3}),
            Write("change", THINGS, "never", change=lambda _: None),
        ]
    )
    assert await documents.get(THINGS, "a") == {"id": "a", "n": 1, "m": 2, "k": 3}
    assert await documents.get(THINGS, "there") == {"id": "there", "n": 0}
    assert await documents.get(THINGS, "new") == {"id": "new", "n": 3}
    assert await documents.get(THINGS, "gone") is None
    assert await documents.get(THINGS, "never") is None


@pytest.mark.parametrize(
    ("there", "new", "replaced"),
    [
        (None, (1, 1), True),
        ((1, 1), (1, 2), True),
        ((1, 1), (1, 1), True),
        ((1, 2), (1, 1), False),
        ((1, 9), (2, 1), True),
        ((2, 1), (1, 9), False),
        ((None, 5), (1, 1), True),
        ((-1, 5), (None, 1), True),
        ((1, None), (1, 1), True),
    ],
)
async def test_an_advance_replaces_unless_what_is_there_is_ahead(
    documents: Documents,
    there: tuple[int | None, int | None] | None,
    new: tuple[int | None, int | None],
    replaced: bool,
) -> None:
    def fields(name: str, values: tuple[int | None, int | None]) -> dict[str, Any]:
        named = zip(("at", "revision"), values, strict=True)
        return {name: True, **{field: each for field, each in named if each is not None}}

    if there is not None:
        await documents.set(THINGS, "x", fields("old", there))
    write = Write("advance", THINGS, "x", fields("new", new), by=("at", "revision"))
    await documents.batch([write])
    expected = fields("new", new) if replaced or there is None else fields("old", there)
    assert await documents.get(THINGS, "x") == {**expected, "id": "x"}


async def test_an_advance_takes_a_number_as_equal_to_itself(documents: Documents) -> None:
    """SQLite reads this one back as a little more."""
    for revision in (1, 2):
        data = {"at": 1_727_753_584.274526, "revision": revision}
        await documents.batch([Write("advance", THINGS, "x", data, by=("at", "revision"))])
    found = await documents.get(THINGS, "x")
    assert found is not None
    assert found["revision"] == 2


@pytest.mark.parametrize("there", ['a "word"', {"type": "poll"}, ["a"], 1.5, None])
async def test_an_advance_keeps_what_is_there(documents: Documents, there: Any) -> None:
    await documents.set(THINGS, "x", {"at": 1, "text": there})
    write = Write("advance", THINGS, "x", {"at": 2, "text": None}, by=("at",), keep=("text", "n"))
    await documents.batch([write])
    assert await documents.get(THINGS, "x") == {"at": 2, "text": there, "id": "x"}


async def test_an_advance_says_by_what(documents: Documents) -> None:
    for by in ((), ("a'b",)):
        with pytest.raises(ValueError, match="field"):
            await documents.batch([Write("advance", THINGS, "x", {"at": 1}, by=by)])


async def test_a_batch_that_fails_leaves_nothing(documents: Documents) -> None:
    def fail(_: Document | None) -> Document:
        raise LookupError("decided against it")

    writes = [Write("set", THINGS, f"a{n}", {}) for n in range(3)]
    with pytest.raises(LookupError):
        await documents.batch([*writes, Write("change", THINGS, "x", change=fail)])
    assert (await documents.query(THINGS)).items == []


async def test_a_batch_has_a_bound_that_is_the_same_everywhere(documents: Documents) -> None:
    await documents.batch([])
    await documents.batch([Write("set", THINGS, str(n), {}) for n in range(BATCH_LIMIT)])
    with pytest.raises(ValueError, match="500"):
        await documents.batch([Write("set", THINGS, str(n), {}) for n in range(BATCH_LIMIT + 1)])


@pytest.mark.parametrize("identity", ["", "a/b", "x" * 1501, "ü" * 751])
async def test_ids_that_no_store_takes(documents: Documents, identity: str) -> None:
    for call in (
        documents.get(THINGS, identity),
        documents.set(THINGS, identity, {}),
        documents.create(THINGS, identity, {}),
        documents.delete(THINGS, identity),
        documents.change(THINGS, identity, lambda _: None),
    ):
        with pytest.raises(ValueError, match="document id"):
            await call


@pytest.mark.parametrize(
    "data",
    [
        {"n": float("nan")},
        {"n": float("inf")},
        {"n": object()},
        {"n": b"bytes"},
        {"n": {1, 2}},
        {"n": "\ud800"},
        {1: "no name"},
        {"id": "another"},
    ],
)
async def test_data_that_is_not_json_is_refused_and_spoils_nothing(
    documents: Documents, data: dict[str, Any]
) -> None:
    async def wrong(call: Any) -> None:
        with pytest.raises(ValueError, match=r"."):
            await call

    await asyncio.gather(
        wrong(documents.set(THINGS, "x", data)),
        wrong(documents.create(THINGS, "x", data)),
        wrong(documents.change(THINGS, "x", lambda _: data)),
        documents.set(THINGS, "beside", {"n": 1}),
    )
    assert await documents.get(THINGS, "x") is None
    assert await documents.get(THINGS, "beside") == {"id": "beside", "n": 1}


async def test_the_caller_may_go_on_with_his_own(documents: Documents) -> None:
    data: dict[str, Any] = {"n": 1}
    writing = asyncio.ensure_future(documents.set(THINGS, "x", data))
    await asyncio.sleep(0)
    data["n"] = 2
    await writing
    assert await documents.get(THINGS, "x") == {"id": "x", "n": 1}


async def test_another_process_reads_what_one_wrote(opened: Callable[[], Documents]) -> None:
    one, other = opened(), opened()
    try:
        assert await other.get(THINGS, "x") is None
        await one.set(THINGS, "x", {"n": 1})
        assert await other.get(THINGS, "x") == {"id": "x", "n": 1}
    finally:
        await one.close()
        await other.close()
    again = opened()
    assert await again.get(THINGS, "x") == {"id": "x", "n": 1}
    await again.close()


async def test_a_closed_store_is_away_and_closes_again(documents: Documents) -> None:
    pending = [asyncio.ensure_future(documents.set(THINGS, str(n), {})) for n in range(20)]
    await asyncio.sleep(0)
    await documents.close()
    await asyncio.gather(*pending)
    await documents.close()
    with pytest.raises(StoreAway):
        await documents.get(THINGS, "x")
