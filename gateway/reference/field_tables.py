"""Flattens a JSON schema of the OpenAPI document into the rows of a table: field, type, limits, meaning (pure)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Schema = Mapping[str, Any]

_DEEPEST: Final = 3
"""Levels of objects within objects that are shown."""

_TYPES: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "null": "null",
}
_FORMATS: Final = {"date-time": "time", "uri": "URL"}
_LIMITS: Final = (
    ("minLength", "maxLength", "character"),
    ("minItems", "maxItems", "item"),
    ("minimum", "maximum", ""),
)


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field: its path from the body (`media.sha256`, `contacts[].name`) and texts for a person.

    `default` is JSON, empty where there is none; `limits` is empty where there are none.
    """

    name: str
    type: str
    required: bool
    default: str
    limits: str
    meaning: str


def rows(schema: Schema, schemas: Mapping[str, Schema]) -> list[FieldRow]:
    """The fields of an object, each before those within it. `schemas` are the document's schemas by name."""
    return list(_rows(_resolved(schema, schemas), schemas, "", 1))


def kinds(schema: Schema, schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """The objects that it may be instead of one another, by their `type`; none where it is one object."""
    found = _resolved(schema, schemas).get("oneOf", ())
    return {
        one["properties"]["type"]["const"]: one
        for one in (_resolved(each, schemas) for each in found)
    }


def _rows(
    schema: Schema, schemas: Mapping[str, Schema], above: str, depth: int
) -> Iterator[FieldRow]:
    required = set(schema.get("required", ()))
    for name, found in schema.get("properties", {}).items():
        path = f"{above}{name}"
        yield FieldRow(
            path,
            type_of(found, schemas),
            name in required,
            _default(found),
            ", ".join(_limits(found)),
            _meaning(found),
        )
        if depth < _DEEPEST:
            yield from _united(
                list(_rows(inner, schemas, f"{path}{suffix}.", depth + 1))
                for suffix, inner in _inner(found, schemas)
            )


def _united(kinds: Iterable[list[FieldRow]]) -> Iterator[FieldRow]:
    """The rows of all kinds of object that a field may be; one is required where each kind requires it."""
    found: dict[str, list[FieldRow]] = {}
    kinds = list(kinds)
    for row in chain.from_iterable(kinds):
        found.setdefault(row.name, []).append(row)
    for same in found.values():
        everywhere = len(same) == len(kinds) and all(one.required for one in same)
        yield replace(same[0], required=everywhere)


def _inner(schema: Schema, schemas: Mapping[str, Schema]) -> Iterator[tuple[str, Schema]]:
    """The objects that a field may be, or be a list of."""
    for one in _options(schema, schemas):
        if one.get("properties"):
            yield "", one
        elif "items" in one:
            yield from ((f"[]{suffix}", inner) for suffix, inner in _inner(one["items"], schemas))


def type_of(schema: Schema, schemas: Mapping[str, Schema]) -> str:
    """The type in words, as in "text or null"."""
    found = dict.fromkeys(_type(one, schemas) for one in _options(schema, schemas))
    return " or ".join(found)


def _type(schema: Schema, schemas: Mapping[str, Schema]) -> str:
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}), schemas)}"
    return _FORMATS.get(schema.get("format", "")) or _TYPES.get(schema.get("type", ""), "any")


def _options(schema: Schema, schemas: Mapping[str, Schema]) -> list[Schema]:
    """The schema, or what it may be instead, without references."""
    schema = _resolved(schema, schemas)
    given = [] if schema.get("properties") else schema.get("anyOf") or schema.get("oneOf") or []
    return [each for one in given for each in _options(one, schemas)] or [schema]


def _resolved(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
    return schema


def _meaning(schema: Schema) -> str:
    """Its description, or that of its type where it has none of its own."""
    found = (
        one["description"] for one in (schema, *schema.get("anyOf", ())) if "description" in one
    )
    return str(next(found, ""))


def _default(schema: Schema) -> str:
    given = schema.get("default")
    if given is None:
        return ""
    return str(given).lower() if isinstance(given, bool) else str(given)


def _limits(schema: Schema) -> Iterator[str]:
    """Those of the type that the field has besides null."""
    for one in (schema, *schema.get("anyOf", ())):
        for least, most, noun in _LIMITS:
            if least not in one and most not in one:
                continue
            low, high = one.get(least), one.get(most)
            if high is None:
                text = f"{low} or more"
            elif low is None or (low == 0 and noun):
                text = f"at most {high}"
            else:
                text = f"{low} to {high}"
            yield f"{text} {noun}{'' if high == 1 else 's'}" if noun else text
        if one.get("uniqueItems"):
            yield "each once"
