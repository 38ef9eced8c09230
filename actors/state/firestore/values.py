"""Converts JSON documents and queries to Firestore's protobuf messages, and documents back (pure).

Firestore has every type of JSON but a list right within a list; such a list travels in a map with
the one field ``[]``, a name that no document has.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from google.cloud.firestore_v1.types import document as document_types
from google.cloud.firestore_v1.types import query as query_types

from actors.state.queries import ID_FIELD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.state.documents import Where
    from actors.state.queries import Request

Document: Any = document_types.Document.pb()
Query: Any = query_types.StructuredQuery.pb()
_Value: Any = document_types.Value.pb()
_QueryTypes: Any = query_types.StructuredQuery
_OPS: Any = _QueryTypes.FieldFilter.Operator
_OPERATORS = {
    "==": _OPS.EQUAL,
    "<": _OPS.LESS_THAN,
    "<=": _OPS.LESS_THAN_OR_EQUAL,
    ">": _OPS.GREATER_THAN,
    ">=": _OPS.GREATER_THAN_OR_EQUAL,
}
_NAME = "__name__"
_NESTED = "[]"


def encode(name: str, data: Mapping[str, Any]) -> Any:
    """The `Document` under its full `name`; raises `ValueError` for what is not JSON."""
    identity = name.rpartition("/")[2]
    if data.get(ID_FIELD, identity) != identity:
        raise ValueError("the data names another id")
    made = Document(name=name)
    for field, value in data.items():
        if field != ID_FIELD:
            _put(made.fields, field, value)
    return made


def decode(document: Any) -> dict[str, Any]:
    """The document's data, with its id."""
    data = {field: _decoded(value) for field, value in document.fields.items()}
    return {**data, ID_FIELD: document.name.rpartition("/")[2]}


def paths(data: Mapping[str, Any]) -> list[str]:
    """The field paths of what a merge replaces: maps are gone into, empty ones are values."""
    return sorted(
        ".".join(_quoted(part) for part in path) for path in _leaves(data) if path != (ID_FIELD,)
    )


def query(parent: str, request: Request) -> Any:
    """The `StructuredQuery`, which finds one document more than the page has."""
    made = Query()
    made.from_.add(collection_id=request.collection)
    if len(request.where) == 1:
        _set_condition(made.where, request.where[0])
    elif request.where:
        made.where.composite_filter.op = _QueryTypes.CompositeFilter.Operator.AND
        for condition in request.where:
            _set_condition(made.where.composite_filter.filters.add(), condition)
    for order in request.orders:
        added = made.order_by.add()
        added.field.field_path = _NAME if order.field == ID_FIELD else order.field
        directions = _QueryTypes.Direction
        added.direction = directions.DESCENDING if order.descending else directions.ASCENDING
    if request.limit is not None:
        made.limit.value = request.limit + 1
    if request.after is not None:
        for order, value in zip(request.orders, request.after, strict=True):
            if order.field == ID_FIELD:
                name = f"{parent}/{request.collection}/{value}"
                made.start_at.values.add(reference_value=name)
            else:
                made.start_at.values.append(_encoded(value))
    return made


def _set_condition(one: Any, condition: Where) -> None:
    if condition.value is None:
        one.unary_filter.field.field_path = condition.field
        one.unary_filter.op = _QueryTypes.UnaryFilter.Operator.IS_NULL
        return
    one.field_filter.field.field_path = condition.field
    one.field_filter.op = _OPERATORS[condition.op]
    one.field_filter.value.CopyFrom(_encoded(condition.value))


def _put(fields: Any, name: object, value: Any) -> None:
    if not isinstance(name, str):
        raise ValueError("a field name is a string")  # noqa: TRY004 - the port's word for it
    if name == _NESTED:
        raise ValueError("[] is no field name")
    fields[name].CopyFrom(_encoded(value))


def _encoded(value: Any) -> Any:  # noqa: C901 - one case a type
    """Raises `ValueError` (also its kind for a lone surrogate or an integer over 64 bits)."""
    made = _Value()
    match value:
        case None:
            made.null_value = 0
        case bool():
            made.boolean_value = value
        case int():
            made.integer_value = value
        case float() if math.isfinite(value):
            made.double_value = value
        case str():
            made.string_value = value
        case dict():
            made.map_value.SetInParent()
            for name, each in value.items():
                _put(made.map_value.fields, name, each)
        case list() | tuple():
            made.array_value.SetInParent()
            for each in value:
                inner = _encoded(each)
                if inner.WhichOneof("value_type") == "array_value":
                    wrapped = _Value()
                    wrapped.map_value.fields[_NESTED].CopyFrom(inner)
                    inner = wrapped
                made.array_value.values.append(inner)
        case _:
            raise ValueError("the data is not JSON")
    return made


def _decoded(value: Any) -> Any:
    match value.WhichOneof("value_type"):
        case "null_value":
            return None
        case "map_value":
            fields = value.map_value.fields
            if list(fields) == [_NESTED]:
                return _decoded(fields[_NESTED])
            return {name: _decoded(each) for name, each in fields.items()}
        case "array_value":
            return [_decoded(each) for each in value.array_value.values]
        case "boolean_value" | "integer_value" | "double_value" | "string_value" as kind:
            return getattr(value, kind)
        case kind:
            # Somebody else wrote it: shown as text, so that one document hides no other.
            return str(getattr(value, kind))


def _leaves(data: Mapping[str, Any]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, value in data.items():
        if isinstance(value, dict) and value:
            found += [(name, *rest) for rest in _leaves(value)]
        else:
            found.append((name,))
    return found


def _quoted(name: str) -> str:
    if name.isidentifier() and name.isascii():
        return name
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"
