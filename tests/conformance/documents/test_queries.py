"""Queries of all stores: by equality and range, in order, page after page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.state.documents import BATCH_LIMIT, InvalidCursor, Order, Where, Write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.state.documents import Comparison, Documents

THINGS = "things"


async def fill(documents: Documents, data: Mapping[str, Mapping[str, Any]]) -> None:
    await documents.batch([Write("set", THINGS, id_, fields) for id_, fields in data.items()])


async def ids(documents: Documents, *where: Where, order: Sequence[Order] = ()) -> list[str]:
    return [item["id"] for item in (await documents.query(THINGS, where=where, order=order)).items]


async def test_without_order_by_id_and_only_this_collection(documents: Documents) -> None:
    await documents.set("others", "z", {})
    await fill(documents, {"b": {"n": 1}, "a": {"n": 2}, "a.b": {}, "B": {}})
    page = await documents.query(THINGS)
    assert [item["id"] for item in page.items] == ["B", "a", "a.b", "b"]
    assert page.items[1] == {"id": "a", "n": 2}
    assert page.next is None
    assert (await documents.query("empty")).items == []


TYPES: dict[str, dict[str, Any]] = {
    "true": {"v": True},
    "false": {"v": False},
    "one": {"v": 1},
    "one_float": {"v": 1.0},
    "zero": {"v": 0},
    "text": {"v": "1"},
    "null": {"v": None},
    "list": {"v": [1]},
    "map": {"v": {"v": 1}},
    "missing": {},
}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (True, ["true"]),
        (False, ["false"]),
        (1, ["one", "one_float"]),
        (1.0, ["one", "one_float"]),
        (0, ["zero"]),
        ("1", ["text"]),
        ("[1]", []),
        (None, ["null"]),
    ],
)
async def test_equality_keeps_types_apart(
    documents: Documents, value: Any, found: list[str]
) -> None:
    await fill(documents, TYPES)
    assert await ids(documents, Where("v", "==", value)) == found


@pytest.mark.parametrize(
    ("op", "value", "found"),
    [
        ("<", 1, ["zero"]),
        ("<=", 1, ["zero", "one", "one_float"]),
        (">", 0, ["one", "one_float"]),
        (">=", 0.5, ["one", "one_float"]),
        (">", "0", ["text"]),
        ("<", "z", ["text"]),
    ],
)
async def test_a_range_is_within_its_type(
    documents: Documents, op: Comparison, value: Any, found: list[str]
) -> None:
    await fill(documents, TYPES)
    assert await ids(documents, Where("v", op, value)) == found


async def test_two_bounds_and_an_equality(documents: Documents) -> None:
    await fill(documents, {f"{n:02}": {"at": n, "odd": bool(n % 2)} for n in range(20)})
    found = await ids(
        documents, Where("at", ">=", 3), Where("at", "<", 10), Where("odd", "==", value=True)
    )
    assert found == ["03", "05", "07", "09"]


async def test_a_field_within_a_map(documents: Documents) -> None:
    await fill(documents, {"a": {"m": {"state": "open"}}, "b": {"m": {"state": "failed"}}, "c": {}})
    assert await ids(documents, Where("m.state", "==", "open")) == ["a"]
    assert await ids(documents, order=[Order("m.state")]) == ["b", "a"]


async def test_order_breaks_ties_by_id_in_its_own_direction(documents: Documents) -> None:
    await fill(documents, {"a": {"n": 1}, "b": {"n": 0}, "c": {"n": 1}, "d": {}})
    assert await ids(documents, order=[Order("n")]) == ["b", "a", "c"]
    assert await ids(documents, order=[Order("n", descending=True)]) == ["c", "a", "b"]
    assert await ids(documents, order=[Order("n"), Order("id", descending=True)]) == ["b", "c", "a"]
    assert await ids(documents, order=[Order("id", descending=True)]) == ["d", "c", "b", "a"]


ORDERS: list[tuple[Order, ...]] = [
    (),
    (Order("at"),),
    (Order("at", descending=True),),
    (Order("kind"), Order("at", descending=True)),
    (Order("kind", descending=True), Order("at")),
    (Order("id", descending=True),),
]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [1, 3, 7, 100])
async def test_pages_show_everything_once_and_in_order(
    documents: Documents, order: tuple[Order, ...], limit: int
) -> None:
    rows = {f"{n:02}": {"at": (n * 7) % 5 + 0.5, "kind": "ab"[n % 2]} for n in range(23)}
    await fill(documents, rows)
    whole = await ids(documents, order=order)
    assert sorted(whole) == sorted(rows)
    paged: list[str] = []
    after = None
    while True:
        page = await documents.query(THINGS, order=order, limit=limit, after=after)
        assert 0 < len(page.items) <= limit
        paged += [item["id"] for item in page.items]
        after = page.next
        if after is None:
            break
    assert paged == whole


async def test_a_page_of_long_documents_ends_early_and_goes_on(documents: Documents) -> None:
    """With the document by which it has so many bytes; the first one is on it, however long it is."""
    rows = {f"{n:02}": {"at": n, "text": "\u00e9" * (500 if n < 4 else 1)} for n in range(12)}
    await fill(documents, rows)
    pages: list[list[str]] = []
    after = None
    while not pages or after is not None:
        page = await documents.query(
            THINGS, order=[Order("at")], limit=6, most_bytes=1500, after=after
        )
        pages.append([item["id"] for item in page.items])
        after = page.next
    assert pages == [["00", "01"], ["02", "03"], [f"{n:02}" for n in range(4, 10)], ["10", "11"]]


async def test_a_page_goes_on_where_it_was_whatever_was_written_meanwhile(
    documents: Documents,
) -> None:
    newest = [Order("at", descending=True)]
    await fill(documents, {str(n): {"at": n} for n in range(6)})
    page = await documents.query(THINGS, order=newest, limit=3)
    await fill(documents, {"9": {"at": 9}, "4": {"at": 4, "more": True}})
    await documents.delete(THINGS, "3")  # the very document of the cursor
    after = await documents.query(THINGS, order=newest, limit=3, after=page.next)
    assert [item["id"] for item in page.items] == ["5", "4", "3"]
    assert [item["id"] for item in after.items] == ["2", "1", "0"]
    assert after.next is None


async def test_the_limit_may_change_between_pages(documents: Documents) -> None:
    await fill(documents, {str(n): {} for n in range(5)})
    page = await documents.query(THINGS, limit=2)
    rest = await documents.query(THINGS, after=page.next)
    assert [item["id"] for item in rest.items] == ["2", "3", "4"]


async def test_a_cursor_of_another_query_or_of_nobody_is_refused(documents: Documents) -> None:
    await fill(documents, {str(n): {"at": n, "k": "x"} for n in range(5)})
    where, order = [Where("k", "==", "x")], [Order("at")]
    page = await documents.query(THINGS, where=where, order=order, limit=2)
    assert page.next is not None
    others: list[dict[str, Any]] = [
        {"where": [], "order": order},
        {"where": [Where("k", "==", "y")], "order": order},
        {"where": where, "order": [Order("at", descending=True)]},
        {"where": where, "order": []},
    ]
    for other in others:
        with pytest.raises(InvalidCursor):
            await documents.query(THINGS, limit=2, after=page.next, **other)
    with pytest.raises(InvalidCursor):
        await documents.query("others", where=where, order=order, limit=2, after=page.next)
    for nobody in ["", "x", "....", "e30", page.next[:-4], page.next + "AAAA", "ü", "a" * 5000]:
        with pytest.raises(InvalidCursor):
            await documents.query(THINGS, where=where, order=order, after=nobody)


@pytest.mark.parametrize(
    ("where", "order"),
    [
        ([Where("a", "<", 1), Where("b", "<", 1)], []),  # two ranges
        ([Where("a", "<", 1)], [Order("b")]),  # the range is not the first order
        ([Where("a", "<", value=True)], []),
        ([Where("a", ">", None)], []),
        ([Where("a", "!=", 1)], []),  # type: ignore[arg-type]
        ([Where("a'b", "==", 1)], []),
        ([Where("a", "==", 2**63)], []),
        ([Where("a", "==", "\ud800")], []),
        ([], [Order("a"), Order("a")]),
        ([], [Order("id"), Order("a")]),
        ([], [Order("a.")]),
    ],
)
async def test_queries_that_no_store_takes(
    documents: Documents, where: list[Where], order: list[Order]
) -> None:
    with pytest.raises(ValueError, match=r"."):
        await documents.query(THINGS, where=where, order=order)
    with pytest.raises(ValueError, match="limit"):
        await documents.query(THINGS, limit=0)


async def test_more_than_a_batch_is_found(documents: Documents) -> None:
    for start in (0, BATCH_LIMIT):
        writes = [Write("set", THINGS, f"{start + n}", {"n": n}) for n in range(BATCH_LIMIT)]
        await documents.batch(writes)
    assert len((await documents.query(THINGS)).items) == 2 * BATCH_LIMIT
