"""Firestore's order and comparison of values of all types (pure)."""

from __future__ import annotations

import math
import re
from typing import Any

_NUMERIC_ID = re.compile(r"__id(-?\d+)__")

Key = tuple[Any, ...]

NULL, BOOLEAN, NUMBER, TIME, TEXT, BYTES, REFERENCE, PLACE, LIST, MAP = range(10)


def key(value: Any) -> Key:  # noqa: C901 - a decision table
    """A `Value` as what Python sorts alike; its first element is the rank of its type.

    An integer and a double that are the same number are equal, NaN is below all numbers.
    """
    kind = value.WhichOneof("value_type")
    match kind:
        case "null_value":
            return (NULL,)
        case "boolean_value":
            return (BOOLEAN, value.boolean_value)
        case "integer_value":
            return (NUMBER, 1, value.integer_value)
        case "double_value":
            number = value.double_value
            return (NUMBER, 0, 0) if math.isnan(number) else (NUMBER, 1, number)
        case "timestamp_value":
            return (TIME, value.timestamp_value.seconds, value.timestamp_value.nanos)
        case "string_value":
            return (TEXT, value.string_value.encode())
        case "bytes_value":
            return (BYTES, value.bytes_value)
        case "reference_value":
            return (REFERENCE, name_key(value.reference_value))
        case "geo_point_value":
            return (PLACE, value.geo_point_value.latitude, value.geo_point_value.longitude)
        case "array_value":
            return (LIST, tuple(key(each) for each in value.array_value.values))
        case "map_value":
            fields = value.map_value.fields
            return (MAP, tuple((name.encode(), key(fields[name])) for name in sorted(fields)))
    raise ValueError(f"a value without a known type: {kind}")


def name_key(name: str) -> Key:
    """A document's name by its segments; numeric ids come first."""
    return tuple(_segment(segment) for segment in name.split("/"))


def _segment(segment: str) -> Key:
    numeric = _NUMERIC_ID.fullmatch(segment)
    return (0, int(numeric[1])) if numeric else (1, segment.encode())


def is_nan(value: Any) -> bool:
    return value.WhichOneof("value_type") == "double_value" and math.isnan(value.double_value)


def is_null(value: Any) -> bool:
    return value.WhichOneof("value_type") == "null_value"
