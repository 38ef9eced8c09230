"""Generates example bodies for the OpenAPI document from the examples in the models' fields (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from pydantic import RootModel

if TYPE_CHECKING:
    from pydantic import BaseModel

TIME = "2030-01-01T09:00:00.000Z"
PATH = {
    "connection": "shop",
    "id": "shop--K7Q2M9XA4TBC.3EB0A1B2C3D4E5F6A7B8C9",
    "webhook": "wh_0c5a7b1e9d3f42868d17a2b4",
    "delivery": "42",
    "document": "4711",
    "key": "0c5a7b1e9d3f4286",
    "number": "15550100002",
    "chat": "15550100002",
    "group": "120363000000000001@g.us",
    "person": "15550100002",
    "code": "AbCdEfGhIjKlMnOpQrStUv",
    "who": "15550100002",
    "call": "3F0A1B2C3D4E5F6A7B8C9D0E1F2A3B4C",
}
"""Examples of path parameters."""

_NAMED: dict[str, Any] = {
    "connection": "shop",
    "message_id": "3EB0A1B2C3D4E5F6A7B8C9",
    "chat": "15550100002@s.whatsapp.net",
    "sender": "15550100002@s.whatsapp.net",
    "address": "15550100002@s.whatsapp.net",
    "account": "15550100001@s.whatsapp.net",
    "sha256": "0" * 64,
    "engine": "native",
    "type": "text",
    "text": "hi",
    "mime": "image/png",
    "name": "invoice.pdf",
    "code": "ack_timeout",
    "error": None,
    "next": None,
    "cause": None,
    "retry_at": None,
    "version_ends_at": None,
    "pairing_step": None,
    "limited_until": None,
    "limit_reason": None,
}
"""Examples of fields that have none themselves."""


def of_bodies(model: type[BaseModel]) -> dict[str, Any]:
    """A body for each kind that there is of it, by its name."""
    if issubclass(model, RootModel):
        kinds = [get_args(each)[0] for each in get_args(model.model_fields["root"].annotation)]
        return {_kind(each): _body(each) for each in kinds}
    return {"example": _body(model)}


def _kind(model: type[BaseModel]) -> str:
    found: str = model.model_json_schema()["properties"]["type"]["const"]
    return found


def _body(model: type[BaseModel]) -> dict[str, Any]:
    """The fields that must be given; where none must, those that give an example."""
    schema = model.model_json_schema()
    of = schema["properties"]
    named = schema.get("required") or [name for name in of if "examples" in of[name]]
    return {
        name: of[name]["examples"][0] if "examples" in of[name] else of[name]["const"]
        for name in named
    }


def of_answer(model: type[BaseModel]) -> Any:
    """An answer with every field in it."""
    schema = model.model_json_schema(mode="serialization")
    return _value("", schema, schema.get("$defs", {}))


def _value(name: str, schema: dict[str, Any], known: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _value(name, known[schema["$ref"].rsplit("/", 1)[1]], known)
    if "examples" in schema:
        return schema["examples"][0]
    for told in ("const", "default"):
        if told in schema:
            return schema[told]
    options = schema.get("anyOf") or schema.get("oneOf") or [schema]
    if _NAMED.get(name, "") is None and {"type": "null"} in options:
        return None
    return _plain(name, next(each for each in options if each.get("type") != "null"), known)


def _plain(name: str, schema: dict[str, Any], known: dict[str, Any]) -> Any:
    if schema.keys() & {"$ref", "anyOf", "oneOf", "const"}:
        return _value(name, schema, known)
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema:
        return {field: _value(field, of, known) for field, of in schema["properties"].items()}
    if schema.get("format") == "date-time":
        return TIME
    match schema.get("type"):
        case "array":
            return [_value("", schema["items"], known)]
        case "string":
            return _NAMED.get(name) or "shop"
        case kind:
            return {"boolean": False, "integer": 1, "number": 1.0, "object": {}}.get(str(kind), {})
