"""Evaluates structured queries: filter, order, cursors, offset, limit, projection."""

from __future__ import annotations

from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

from google.cloud.firestore_v1.types import document as document_types
from google.cloud.firestore_v1.types import query as query_types

from tests.emulators.firestore import fields
from tests.emulators.firestore.documents import PbDocument
from tests.emulators.firestore.filters import inequality_fields, key_of, matches
from tests.emulators.firestore.refusals import invalid
from tests.emulators.firestore.values import NUMBER, key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.emulators.firestore.documents import Documents
    from tests.emulators.firestore.values import Key

_Value: Any = document_types.Value.pb()
DESCENDING: Any = query_types.StructuredQuery.Direction.DESCENDING

Orders = tuple[tuple[str, bool], ...]
"""Fields to order by, each with whether it descends."""


def find(documents: Documents, parent: str, query: Any) -> list[Any]:
    """The documents, whole, that the query finds. Raises `Refused`."""
    if len(query.from_) != 1:
        raise invalid("a query has one selector")
    selector = query.from_[0]
    orders = complete(query)
    found: list[tuple[list[Any], Any]] = []
    for document in documents.within(
        parent, selector.collection_id, descendants=selector.all_descendants
    ):
        if matches(document, query.where):
            keys = [key_of(document, path) for path, _ in orders]
            if None not in keys:
                found.append((keys, document))

    def compare(one: tuple[list[Any], Any], other: tuple[list[Any], Any]) -> int:
        return _compare(one[0], other[0], orders)

    found.sort(key=cmp_to_key(compare))
    if query.HasField("start_at"):
        start = _bound(query.start_at, orders)
        # `before` at the start takes what is equal, at the end it leaves it out.
        least = 0 if query.start_at.before else 1
        found = [each for each in found if _compare(each[0], start, orders) >= least]
    if query.HasField("end_at"):
        end = _bound(query.end_at, orders)
        most = -1 if query.end_at.before else 0
        found = [each for each in found if _compare(each[0], end, orders) <= most]
    found = found[query.offset :]
    if query.HasField("limit"):
        found = found[: query.limit.value]
    return [document for _, document in found]


def project(document: Any, query: Any) -> Any:
    """The document with the selected fields alone."""
    if not query.HasField("select"):
        return document
    return masked(document, [field.field_path for field in query.select.fields])


def masked(document: Any, paths: Sequence[str]) -> Any:
    """The document with the fields of `paths` alone."""
    made = PbDocument(name=document.name)
    made.create_time.CopyFrom(document.create_time)
    made.update_time.CopyFrom(document.update_time)
    for path in paths:
        if path != fields.NAME:
            parts = fields.parts(path)
            value = fields.find(document, parts)
            if value is not None:
                fields.put(made, parts, value)
    return made


def complete(query: Any) -> Orders:
    """The order with what is implied: fields of inequalities, and the name in the last direction."""
    orders = [(order.field.field_path, order.direction == DESCENDING) for order in query.order_by]
    descending = bool(orders) and orders[-1][1]
    named = {path for path, _ in orders}
    orders += [(path, descending) for path in inequality_fields(query.where) if path not in named]
    if fields.NAME not in {path for path, _ in orders}:
        orders.append((fields.NAME, descending))
    return tuple(orders)


def aggregate(found: Sequence[Any], aggregation: Any) -> Any:
    """The value of one aggregation."""
    value = _Value()
    match aggregation.WhichOneof("operator"):
        case "count":
            upto = aggregation.count.up_to.value
            value.integer_value = min(len(found), upto) if upto else len(found)
        case "sum":
            total = sum(_numbers(found, aggregation.sum.field.field_path))
            if isinstance(total, float):
                value.double_value = total
            else:
                value.integer_value = total
        case "avg":
            numbers = _numbers(found, aggregation.avg.field.field_path)
            if numbers:
                value.double_value = sum(numbers) / len(numbers)
            else:
                value.null_value = 0
        case _:
            raise invalid("not an aggregation")
    return value


def _numbers(found: Sequence[Any], path: str) -> list[float]:
    values = (fields.find(document, fields.parts(path)) for document in found)
    return [
        getattr(value, value.WhichOneof("value_type"))
        for value in values
        if value is not None and key(value)[0] == NUMBER
    ]


def _bound(cursor: Any, orders: Orders) -> list[Key]:
    if len(cursor.values) > len(orders):
        raise invalid("a cursor has more values than the query orders by")
    return [key(value) for value in cursor.values]


def _compare(one: Sequence[Any], other: Sequence[Any], orders: Orders) -> int:
    """Below, equal or above in the order; a cursor may name the first fields only."""
    for mine, theirs, (_, descending) in zip(one, other, orders, strict=False):
        if mine != theirs:
            return 1 if (mine < theirs) == descending else -1
    return 0
