"""The client for Python: types of schemas, and a method for each operation; the file is compared in the tests of pages."""

from __future__ import annotations

from typing import Any

import pytest

from docs.teimoso_client import Teimoso
from gateway.app import OPERATIONS
from gateway.reference.python_client import snake, type_of


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ({"type": "string", "format": "date-time"}, "str"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "int | None"),
        ({"anyOf": [{"type": "string"}, {"type": "string", "minLength": 1}]}, "str"),
        ({"enum": ["a", "b"], "type": "string"}, 'Literal["a", "b"]'),
        ({"const": 7}, "Literal[7]"),
        ({"items": {"$ref": "#/components/schemas/Chat"}, "type": "array"}, "list[Chat]"),
        ({"additionalProperties": {"type": "number"}, "type": "object"}, "dict[str, float]"),
        ({"additionalProperties": True, "type": "object"}, "dict[str, Any]"),
        ({}, "Any"),
    ],
)
def test_a_schema_has_a_type(schema: dict[str, Any], wanted: str) -> None:
    assert type_of(schema) == wanted


def test_an_object_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="a schema of its own"):
        type_of({"type": "object", "properties": {"a": {"type": "string"}}})


def test_each_operation_has_a_method() -> None:
    wanted = {snake(one.id) for one in OPERATIONS if one.tag != "pages" and one.instead is None}
    assert wanted == {name for name in vars(Teimoso) if not name.startswith("_")}


@pytest.mark.parametrize("url", ["127.0.0.1:8090", "ftp://127.0.0.1", "https://"])
def test_an_address_names_a_host(url: str) -> None:
    with pytest.raises(ValueError, match="begins with"):
        Teimoso(url, "tmo_")
