from __future__ import annotations

from typing import Any

import pytest

from gateway.reference.field_tables import kinds, rows
from gateway.schemas.content.outbound_messages import NewMessage
from gateway.schemas.examples import MESSAGE_EXAMPLES
from tests.api_document import DOCUMENT

KNOWN: dict[str, Any] = DOCUMENT["components"]["schemas"]
BODIES = {
    operation["operationId"]: operation["requestBody"]["content"]["application/json"]["schema"]
    for of in DOCUMENT["paths"].values()
    for operation in of.values()
    if "application/json" in operation.get("requestBody", {}).get("content", {})
}


def lines(properties: dict[str, Any], required: list[str] | None = None) -> list[tuple[Any, ...]]:
    schema = {"type": "object", "properties": properties, "required": required or []}
    return [(row.name, row.type, row.required, row.limits) for row in rows(schema, KNOWN)]


@pytest.mark.parametrize(
    ("schema", "kind", "limits"),
    [
        ({"type": "string", "minLength": 1, "maxLength": 9}, "text", "1 to 9 characters"),
        ({"type": "string", "maxLength": 1}, "text", "at most 1 character"),
        ({"type": "integer", "minimum": 0, "maximum": 9}, "whole number", "0 to 9"),
        ({"type": "integer", "minimum": 1}, "whole number", "1 or more"),
        ({"type": "string", "format": "date-time"}, "time", ""),
        ({"enum": ["a", "b"]}, "`a`, `b`", ""),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "true or false or null", ""),
        (
            {"type": "array", "items": {"type": "string"}, "maxItems": 3, "uniqueItems": True},
            "list of text",
            "at most 3 items, each once",
        ),
    ],
)
def test_a_field_has_type_and_limits_in_words(
    schema: dict[str, Any], kind: str, limits: str
) -> None:
    assert lines({"x": schema}) == [("x", kind, False, limits)]
    assert lines({"x": schema}, ["x"])[0][2] is True


def test_the_fields_of_an_object_follow_it() -> None:
    """One that only some of the possible objects require is not required."""
    found = [
        line[:3] for line in lines({"contacts": KNOWN["NewContact"]["properties"]["contacts"]})
    ]
    assert found == [
        ("contacts", "list of object", False),
        ("contacts[].name", "text", True),
        ("contacts[].phone", "text", False),
        ("contacts[].vcard", "text", False),
    ]


def test_each_body_is_an_object_or_one_of_several() -> None:
    assert {name for name, body in BODIES.items() if kinds(body, KNOWN)} == {"sendMessage"}
    assert set(kinds(BODIES["sendMessage"], KNOWN)) == set(MESSAGE_EXAMPLES)


@pytest.mark.parametrize("operation", BODIES)
def test_each_field_of_a_body_has_a_meaning(operation: str) -> None:
    body = BODIES[operation]
    for schema in kinds(body, KNOWN).values() or [body]:
        found = rows(schema, KNOWN)
        assert found
        assert not [row.name for row in found if not row.meaning and row.name != "type"]


@pytest.mark.parametrize("kind", MESSAGE_EXAMPLES)
def test_the_example_of_a_message_is_a_message_of_its_type(kind: str) -> None:
    assert NewMessage.model_validate(MESSAGE_EXAMPLES[kind]).root.type == kind  # type: ignore[union-attr]
