"""Queries of a client on Firestore and on the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.api_core import exceptions
from google.cloud.firestore_v1.base_query import And, FieldFilter, Or

from actors.state.documents import RECOVERY_ACTIONS
from tests.processes.firestore import Firestore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def numbers(query: Any) -> list[int]:
    return [snapshot.get("i") for snapshot in query.stream()]


def ids(query: Any) -> list[str]:
    return [snapshot.id for snapshot in query.stream()]


@pytest.mark.parametrize(
    ("field", "op", "value", "found"),
    [
        ("g", "==", "even", [0, 2, 4, 6, 8]),
        ("i", "in", [1, 2, 99], [1, 2]),
        ("tags", "array_contains", "t0", [0, 3, 6, 9]),
        ("tags", "array_contains_any", ["t0", "t1"], [0, 1, 3, 4, 6, 7, 9]),
        ("i", "!=", 3, [0, 1, 2, 4, 5, 6, 7, 8, 9]),
        ("i", "not-in", [3, 4], [0, 1, 2, 5, 6, 7, 8, 9]),
        ("m.x", "==", 4, [4]),
        ("i", ">", "text", []),
    ],
)
def test_a_condition(filled: Any, field: str, op: str, value: Any, found: list[int]) -> None:
    assert sorted(numbers(filled.where(filter=FieldFilter(field, op, value)))) == found


def test_a_range_backwards(filled: Any) -> None:
    query = filled.where(filter=FieldFilter("i", ">=", 3)).where(filter=FieldFilter("i", "<", 8))
    assert numbers(query.order_by("i", direction="DESCENDING").limit(3)) == [7, 6, 5]


def test_conditions_within_conditions(filled: Any) -> None:
    both = And([FieldFilter("i", ">", 7), FieldFilter("g", "==", "even")])
    found = numbers(filled.where(filter=Or([FieldFilter("i", "==", 1), both])))
    assert sorted(found) == [1, 8]


def test_null_is_a_value_and_a_missing_field_is_none(things: Any) -> None:
    things.document("null").set({"x": None})
    things.document("one").set({"x": 1})
    things.document("missing").set({"y": 1})
    assert ids(things.where(filter=FieldFilter("x", "==", None))) == ["null"]
    assert ids(things.order_by("x")) == ["null", "one"]


def test_values_are_ordered_across_types(things: Any) -> None:
    values: list[Any] = [
        *(None, False, True, float("nan"), -1, 0.5, 1, "", "a", "ü", b"", b"a"),
        *([], [1], [1, 2], ["a"], {}, {"a": 1}, {"a": 2}, {"b": 0}),
    ]
    for place, value in enumerate(values):
        # Ids that run against the order.
        things.document(f"{len(values) - place:02}").set({"v": value, "i": place})
    assert numbers(things.order_by("v")) == list(range(len(values)))
    assert numbers(things.order_by("v", direction="DESCENDING"))[0] == len(values) - 1


def test_without_an_order_by_name(things: Any) -> None:
    for name in ("b", "a", "c"):
        things.document(name).set({})
    assert ids(things) == ["a", "b", "c"]


def test_cursors_by_value(filled: Any) -> None:
    ordered = filled.order_by("i")
    assert numbers(ordered.start_after({"i": 3}).limit(2)) == [4, 5]
    assert numbers(ordered.start_at({"i": 3}).end_before({"i": 6})) == [3, 4, 5]
    assert numbers(ordered.end_at({"i": 1})) == [0, 1]


def test_pages_show_everything_once(filled: Any) -> None:
    ordered = filled.order_by("g").limit(4)
    seen: list[str] = []
    page = list(ordered.stream())
    while page:
        seen += [snapshot.id for snapshot in page]
        assert len(seen) <= 10
        page = list(ordered.start_after(page[-1]).stream())
    assert (len(seen), len(set(seen))) == (10, 10)


def test_the_last_and_the_rest(filled: Any) -> None:
    last = filled.order_by("i").limit_to_last(2).get()
    assert [snapshot.get("i") for snapshot in last] == [8, 9]
    assert numbers(filled.order_by("i").offset(7)) == [7, 8, 9]


def test_a_selection_of_fields(filled: Any) -> None:
    found = [snapshot.to_dict() for snapshot in filled.select(["i", "m.x"]).limit(2).stream()]
    assert found == [{"i": 0, "m": {"x": 0}}, {"i": 1, "m": {"x": 1}}]


def test_a_range_of_names(filled: Any) -> None:
    condition = FieldFilter("__name__", ">=", filled.document("d07"))
    assert ids(filled.where(filter=condition)) == ["d07", "d08", "d09"]


def test_sums(filled: Any) -> None:
    odd = filled.where(filter=FieldFilter("g", "==", "odd"))
    assert odd.count().get()[0][0].value == 5
    found = filled.sum("i", alias="sum").avg("i", alias="mean").get()[0]
    assert {each.alias: each.value for each in found} == {"sum": 45, "mean": 4.5}


def test_a_group_of_collections(client: Any, things: Any) -> None:
    group = f"below_{things.id}"
    for name, value in (("a", 1), ("b", 2)):
        things.document(name).collection(group).document("x").set({"v": value})
    found = client.collection_group(group).stream()
    assert sorted(snapshot.get("v") for snapshot in found) == [1, 2]


def test_a_query_that_no_index_serves_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connect: Callable[..., Any]
) -> None:
    with Firestore(tmp_path) as server:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", server.host)
        actions = connect().collection(RECOVERY_ACTIONS)
        actions.document("a").set({"connection": "shop", "at": 1, "role": "queue", "cause": "x"})
        shop = FieldFilter("connection", "==", "shop")
        queue = FieldFilter("role", "==", "queue")
        newest: dict[str, Any] = {"field_path": "at", "direction": "DESCENDING"}
        for served in (
            actions,
            actions.order_by(**newest),
            actions.where(filter=shop),
            actions.where(filter=shop).where(filter=queue),
            actions.where(filter=shop).order_by(**newest),
            actions.where(filter=shop).order_by("at"),
        ):
            assert ids(served) == ["a"]
        for unserved in (
            actions.where(filter=queue).order_by(**newest),
            actions.where(filter=shop).where(filter=queue).order_by(**newest),
            actions.where(filter=shop).order_by("cause"),
            actions.order_by("connection").order_by("role"),
        ):
            with pytest.raises(exceptions.FailedPrecondition):
                ids(unserved)
