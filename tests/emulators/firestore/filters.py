"""Which documents a query's filter takes: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.cloud.firestore_v1.types import query as query_types

from tests.emulators.firestore import fields
from tests.emulators.firestore.refusals import invalid
from tests.emulators.firestore.values import REFERENCE, is_nan, is_null, key, name_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.emulators.firestore.values import Key

_Query: Any = query_types.StructuredQuery
Composite: Any = _Query.CompositeFilter.Operator
Op: Any = _Query.FieldFilter.Operator
Unary: Any = _Query.UnaryFilter.Operator
INEQUALITIES = frozenset(
    {
        Op.LESS_THAN,
        Op.LESS_THAN_OR_EQUAL,
        Op.GREATER_THAN,
        Op.GREATER_THAN_OR_EQUAL,
        Op.NOT_EQUAL,
        Op.NOT_IN,
    }
)


def matches(document: Any, condition: Any) -> bool:
    """Whether the document meets the filter; raises `Refused` for one that is none."""
    match condition.WhichOneof("filter_type"):
        case None:
            return True
        case "composite_filter":
            each = (matches(document, part) for part in condition.composite_filter.filters)
            return any(each) if condition.composite_filter.op == Composite.OR else all(each)
        case "unary_filter":
            return _unary(document, condition.unary_filter)
    return _field(document, condition.field_filter)


def leaves(condition: Any) -> Iterator[Any]:
    """The filters on single fields, whatever holds them together."""
    if condition.WhichOneof("filter_type") == "composite_filter":
        for part in condition.composite_filter.filters:
            yield from leaves(part)
    elif condition.WhichOneof("filter_type") is not None:
        yield condition


def inequality_fields(condition: Any) -> list[str]:
    """The fields that are compared by other than equality, in the order of their names."""
    found = set()
    for leaf in leaves(condition):
        if leaf.field_filter.op in INEQUALITIES:
            found.add(leaf.field_filter.field.field_path)
        elif leaf.unary_filter.op in (Unary.IS_NOT_NULL, Unary.IS_NOT_NAN):
            found.add(leaf.unary_filter.field.field_path)
    return sorted(found)


def key_of(document: Any, path: str) -> Key | None:
    """The key of the field, or of the name; None where the document lacks the field."""
    if path == fields.NAME:
        return (REFERENCE, name_key(document.name))
    value = fields.find(document, fields.parts(path))
    return None if value is None else key(value)


def _unary(document: Any, condition: Any) -> bool:
    value = fields.find(document, fields.parts(condition.field.field_path))
    if value is None:
        return False
    match condition.op:
        case Unary.IS_NULL:
            return is_null(value)
        case Unary.IS_NAN:
            return is_nan(value)
        case Unary.IS_NOT_NULL:
            return not is_null(value)
        case Unary.IS_NOT_NAN:
            return not is_nan(value) and not is_null(value)
    raise invalid("not an operator on one field")


def _field(document: Any, condition: Any) -> bool:  # noqa: C901 - a decision table
    there = key_of(document, condition.field.field_path)
    if there is None:
        return False
    value = condition.value
    wanted = key(value)
    match condition.op:
        case Op.EQUAL:
            return there == wanted
        case Op.NOT_EQUAL:
            return there not in (wanted, (0,))
        case Op.IN:
            return there in _keys(value)
        case Op.NOT_IN:
            return there not in _keys(value) and there != (0,)
        case Op.ARRAY_CONTAINS:
            return wanted in _elements(document, condition)
        case Op.ARRAY_CONTAINS_ANY:
            return not _elements(document, condition).isdisjoint(_keys(value))
    if there[0] != wanted[0]:  # a range stays within the type of its bound
        return False
    match condition.op:
        case Op.LESS_THAN:
            return there < wanted
        case Op.LESS_THAN_OR_EQUAL:
            return there <= wanted
        case Op.GREATER_THAN:
            return there > wanted
        case Op.GREATER_THAN_OR_EQUAL:
            return there >= wanted
    raise invalid("not a comparison")


def _keys(value: Any) -> set[Key]:
    if value.WhichOneof("value_type") != "array_value":
        raise invalid("in and not-in need a list")
    return {key(each) for each in value.array_value.values}


def _elements(document: Any, condition: Any) -> set[Key]:
    there = fields.find(document, fields.parts(condition.field.field_path))
    if there is None or there.WhichOneof("value_type") != "array_value":
        return set()
    return {key(each) for each in there.array_value.values}
