"""Generates examples of bodies for the OpenAPI document, and of fields for refusals, from the models' fields (pure)."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic import RootModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel

TIME = "2030-01-01T09:00:00.000Z"
FILE_EXAMPLE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
"""Example of the SHA-256 of a file that was uploaded."""

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

_TO: Mapping[str, Any] = {"connection": "shop", "to": "15550100002"}
_CHANGED: Mapping[str, Any] = {**_TO, "message": PATH["id"]}
MESSAGE_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "text": {**_TO, "text": "Your order 4711 is ready for collection."},
    "location": {
        **_TO,
        "type": "location",
        "latitude": -23.5614,
        "longitude": -46.6559,
        "name": "Our shop",
        "address": "Avenida Paulista 1578",
    },
    "contact": {
        **_TO,
        "type": "contact",
        "contacts": [{"name": "Ana Pereira", "phone": "15550100003"}],
    },
    "poll": {
        **_TO,
        "type": "poll",
        "question": "Tea or coffee?",
        "options": ["tea", "coffee"],
        "choices": 1,
    },
    "image": {
        **_TO,
        "type": "image",
        "media": {"sha256": FILE_EXAMPLE},
        "caption": "The menu of this week",
    },
    "video": {
        **_TO,
        "type": "video",
        "media": {"sha256": FILE_EXAMPLE},
        "caption": "How to set it up",
    },
    "audio": {
        **_TO,
        "type": "audio",
        "media": {"sha256": FILE_EXAMPLE},
        "voice": True,
        "seconds": 7,
    },
    "document": {
        **_TO,
        "type": "document",
        "media": {"sha256": FILE_EXAMPLE},
        "name": "invoice.pdf",
        "caption": "Your invoice",
    },
    "sticker": {**_TO, "type": "sticker", "media": {"sha256": FILE_EXAMPLE}},
    "poll_vote": {**_CHANGED, "type": "poll_vote", "options": ["tea"]},
    "reaction": {**_CHANGED, "type": "reaction", "emoji": "👍"},
    "pin": {**_CHANGED, "type": "pin", "seconds": 604_800},
    "edit": {**_CHANGED, "type": "edit", "text": "Your order 4712 is ready for collection."},
    "delete": {**_CHANGED, "type": "delete"},
}
"""A message of each type, as somebody sends it."""

_NAMED: dict[str, Any] = {
    "connection": "shop",
    "message_id": "3EB0A1B2C3D4E5F6A7B8C9",
    "chat": "15550100002@s.whatsapp.net",
    "sender": "15550100002@s.whatsapp.net",
    "address": "15550100002@s.whatsapp.net",
    "account": "15550100001@s.whatsapp.net",
    "sha256": FILE_EXAMPLE,
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
    "id": PATH["id"],
    "event_id": "evt_0c5a7b1e9d3f42868d17a2b4",
    "chat_name": "Ana Pereira",
    "subject": "Friends of tea",
    "url": f"/api/messages/{PATH['id']}/media",
    "by": "15550100002@s.whatsapp.net",
    "participant": "15550100002@s.whatsapp.net",
    "number": "15550100002",
    "emoji": "👍",
    "options": "tea",
    "excerpt": "At noon?",
    "reject_calls_text": "Please write to us.",
    "connections": "shop",
    "items": "shop",
    "reasons": "redis_away",
    "reason": "redis_away",
    "oldest_at": TIME,
    "before": "reconnecting",
    "after": "open",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}
"""Examples of fields that have none themselves."""

_OF_MODEL: Mapping[str, Mapping[str, Any]] = {
    "Message": {
        "direction": "out",
        "source": "api",
        "text": "Your order 4711 is ready for collection.",
        "sender": "15550100001@s.whatsapp.net",
        "author": {
            "address": "15550100001@s.whatsapp.net",
            "number": "15550100001",
            "lid": "90000000000001@lid",
            "name": "Shop",
        },
        "status": "read",
        **dict.fromkeys(
            (
                "content",
                "media",
                "reply_to",
                "quoted",
                "forwarding_score",
                "link_preview",
                "pinned_until",
            )
        ),
        **dict.fromkeys(("edited_at", "deleted_at", "send_at", "waiting_at", "dead_at")),
        **dict.fromkeys(("cancelled_at", "received_at")),
        **{name: [] for name in ("mentions", "votes", "edits", "crashes")},
    },
    "Connection": {"state": "open", "show_online": True, "proxy": None},
    "AddedConnection": {"state": "connecting", "account": None},
    "Number": {"on_whatsapp": True},
    "Webhook": {"enabled": True, "disabled_because": None, "failing_since": None},
    "AddedWebhook": {"enabled": True, "disabled_because": None, "failing_since": None},
    "Delivery": {"id": PATH["delivery"], "status": "delivered"},
    "Alert": {"id": "redis_away", "name": "redis_away", "connection": None, "incarnation": None},
    "RecoveryAction": {"id": PATH["document"], "before": "open", "cause": "crashed"},
    "ApiKey": {"name": "checkout", "scopes": ["send", "read"], "ended_at": None},
    "AddedKey": {"name": "checkout", "scopes": ["send", "read"], "ended_at": None},
    "Health": {"status": "healthy"},
    "FullHealth": {"status": "degraded"},
    "StoreHealth": {"up": True},
    "Ready": {"redis": True, "store": True},
}
"""Examples of fields, by the name of their model, where those of `_NAMED` would not fit together."""


def of_bodies(model: type[BaseModel]) -> dict[str, Any]:
    """A body for each kind that there is of it, by its name."""
    if issubclass(model, RootModel):
        return dict(MESSAGE_EXAMPLES)
    return {"example": _body(model)}


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


def _value(name: str, schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _value(name, schemas[schema["$ref"].rsplit("/", 1)[1]], schemas)
    if "examples" in schema:
        return schema["examples"][0]
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    options = schema.get("anyOf") or schema.get("oneOf") or [schema]
    if _NAMED.get(name, "") is None and {"type": "null"} in options:
        return None
    return _plain(name, next(each for each in options if each.get("type") != "null"), schemas)


def _plain(name: str, schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    if schema.keys() & {"$ref", "anyOf", "oneOf", "const"}:
        return _value(name, schema, schemas)
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema:
        own = _OF_MODEL.get(schema.get("title", ""), {})
        return {
            field: own[field] if field in own else _value(field, of, schemas)
            for field, of in schema["properties"].items()
        }
    if schema.get("format") == "date-time":
        return TIME
    match schema.get("type"):
        case "array":
            return [_value(name, schema["items"], schemas)]
        case "string":
            return _NAMED[name]
        case kind:
            return {"boolean": False, "integer": 1, "number": 1.0, "object": {}}.get(str(kind), {})


LONGEST_EXAMPLE: Final = 400
"""Characters of an example that a message has room for."""


def field_at(
    model: type[BaseModel], place: Sequence[int | str]
) -> tuple[tuple[int | str, ...], str | None]:
    """The field at the place of a validation error as a caller writes it, and its example; None without one.

    The example is as in JSON, and of a text the text.
    """
    names, nodes = _walk(model, place)
    for node in nodes:
        for found in _examples(_schema(model), node):
            text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
            if 0 < len(text) <= LONGEST_EXAMPLE:
                return names, text
    return names, None


def fields_at(model: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """The names of the fields that the object at the place of a validation error may have."""
    _, nodes = _walk(model, place)
    whole = _schema(model)
    found = (one for node in nodes for one in _alternatives(whole, node))
    return list(dict.fromkeys(name for one in found for name in one.get("properties", ())))


def _walk(
    model: type[BaseModel], place: Sequence[int | str]
) -> tuple[tuple[int | str, ...], list[dict[str, Any]]]:
    """The names on the way to a place, and the schemas there.

    A part of a place that is the kind or the model that a value was read as is no name.
    """
    whole = _schema(model)
    names: list[int | str] = []
    nodes: list[dict[str, Any]] = [whole]
    for part in place:
        within = [one for node in nodes for one in _alternatives(whole, node)]
        read_as = [one for node in (*nodes, *within) for one in _read_as(whole, node, part)]
        if not read_as:
            names.append(part)
        nodes = read_as or [found for node in within for found in _below(node, part)]
    return tuple(names), nodes


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _alternatives(whole: dict[str, Any], node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schemas that a value may fit, references resolved."""
    if (reference := node.get("$ref")) is not None:
        yield from _alternatives(whole, _referred(whole, reference))
    options = [*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())]
    for each in options:
        yield from _alternatives(whole, each)
    if reference is None and ("properties" in node or not options):
        yield node


def _referred(whole: dict[str, Any], reference: str) -> dict[str, Any]:
    found: dict[str, Any] = whole["$defs"][reference.rpartition("/")[2]]
    return found


def _read_as(
    whole: dict[str, Any], node: dict[str, Any], part: int | str
) -> Iterator[dict[str, Any]]:
    """The schema of an alternative by the name that validation errors have for it."""
    kinds = (node.get("discriminator") or {}).get("mapping", {})
    if part in kinds:
        yield _referred(whole, kinds[part])
    elif len(options := node.get("anyOf", ())) > 1:
        yield from (
            _referred(whole, one["$ref"])
            for one in options
            if one.get("$ref", "").rpartition("/")[2] == part
        )


def _below(node: dict[str, Any], part: int | str) -> Iterator[dict[str, Any]]:
    """The schema of a property, or of the items of a list."""
    if part in (found := node.get("properties", {})):
        yield found[part]
    if isinstance(part, int) and "items" in node:
        yield node["items"]
    if isinstance(node.get("additionalProperties"), dict):
        yield node["additionalProperties"]


def _examples(whole: dict[str, Any], node: dict[str, Any]) -> Iterator[Any]:
    """Examples of a value, the best first: those that are declared, then those that follow from its schema."""
    yield from (one for one in node.get("examples", ()) if one is not None)
    for found in _alternatives(whole, node):
        yield from (one for one in found.get("examples", ()) if one is not None)
        yield from (found[word] for word in ("const", "default") if found.get(word) is not None)
        yield from found.get("enum", ())[:1]
        match found.get("type"):
            case "boolean":
                yield True
            case "integer" | "number":
                yield found.get("minimum", 1)
            case "array":
                yield from ([one] for one in _examples(whole, found["items"]))
            case "object" if "properties" in found:
                named = found["properties"]
                needed = found.get("required") or [
                    name for name in named if "examples" in named[name]
                ]
                yield {name: next(_examples(whole, named[name]), None) for name in needed}
