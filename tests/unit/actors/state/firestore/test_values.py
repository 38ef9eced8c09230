from __future__ import annotations

import json
from typing import Any

import pytest

from actors.state.documents import (
    DELIVERED,
    DELIVERIES,
    EVENTS,
    FILTERS,
    MESSAGES,
    QUERIES,
    Order,
    Where,
)
from actors.state.firestore.values import decode, encode, paths, query
from actors.state.queries import Request
from tests.processes.firestore import INDEXES

ROOT = "projects/p/databases/d/documents"
NAME = f"{ROOT}/things/x"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"n": 2**63 - 1, "f": 0.1, "t": "", "yes": True, "no": False, "nothing": None},
        {"lists": [[], [1, [2, [3]]], {"a": [[]]}], "empty": {}},
        {"a.b": 1, "`": 2, "é": {"\\": 3}},
    ],
)
def test_what_is_encoded_comes_back(data: dict[str, Any]) -> None:
    found = decode(encode(NAME, data))
    expected = json.dumps({**data, "id": "x"}, sort_keys=True)
    assert json.dumps(found, sort_keys=True) == expected


@pytest.mark.parametrize("data", [{"n": 2**63}, {"[]": 1}, {"m": {1: 2}}, {"l": [float("nan")]}])
def test_what_firestore_has_no_value_for_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode(NAME, data)


def test_a_merge_names_leaves_and_quotes_what_is_no_plain_name() -> None:
    data = {"id": "x", "m": {"a": 1, "b": {}}, "a.b": 1, "a`\\": {"é": 2}}
    assert paths(data) == sorted(["m.a", "m.b", "`a.b`", "`a\\`\\\\`.`é`"])


def test_a_value_that_somebody_else_wrote_hides_no_document() -> None:
    document = encode(NAME, {"n": 1})
    document.fields["place"].geo_point_value.latitude = 1.5
    found = decode(document)
    assert (found["n"], "1.5" in found["place"]) == (1, True)


def test_a_page_begins_behind_its_cursor() -> None:
    where, order = [Where("k", "==", "v")], [Order("at", descending=True)]
    first = Request.of("things", where, order, 10, None)
    cursor = first.cursor({"id": "x", "at": 1.5, "k": "v"})
    made = query(ROOT, Request.of("things", where, order, 10, cursor))
    assert [value.WhichOneof("value_type") for value in made.start_at.values] == [
        "double_value",
        "reference_value",
    ]
    assert made.start_at.values[1].reference_value == NAME
    assert made.start_at.before is False
    assert made.limit.value == 11


def test_the_file_of_indexes_has_what_the_queries_need() -> None:
    """Of one field Firestore has an index by itself; each order needs one of its own."""
    asked = [
        *((collection, fields) for collection, queries in QUERIES.items() for fields in queries),
        *((collection, (each, "at")) for collection, fields in FILTERS.items() for each in fields),
    ]
    needed = [
        {
            "collectionGroup": collection,
            "queryScope": "COLLECTION",
            "fields": [
                *({"fieldPath": field, "order": "ASCENDING"} for field in fields[:-1]),
                {"fieldPath": fields[-1], "order": direction},
            ],
        }
        for collection, fields in asked
        if len(fields) > 1
        for direction in ("ASCENDING", "DESCENDING")
    ]
    there = json.loads(INDEXES.read_text())
    assert there["indexes"] == needed
    # Nobody looks for a text, and an index of it is paid for with each message.
    texts = (
        *((MESSAGES, "text"), (EVENTS, "events"), (DELIVERIES, "event")),
        (DELIVERED, "attempts"),
    )
    assert there["fieldOverrides"] == [
        {"collectionGroup": collection, "fieldPath": field, "indexes": []}
        for collection, field in texts
    ]
