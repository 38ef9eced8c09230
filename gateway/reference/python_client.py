"""Writes `docs/teimoso_client.py`, a typed client for Python programs, from the OpenAPI document."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader

from gateway.http import problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Schema = Mapping[str, Any]

_TEMPLATES: Final = Path(__file__).parent / "templates"
_TYPES: Final = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
}
_REFUSALS: Final = {"ProblemAnswer", "InvalidAnswer"}
"""Schemas of refusals: the exception `Problem` has their fields."""

_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_PATH: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a type: its name, and its type as Python writes it."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Type:
    """An object of a request or an answer; an alias has a `type` in place of fields."""

    name: str
    meaning: str = ""
    fields: tuple[Field, ...] = ()
    type: str = ""


@dataclass(frozen=True, slots=True)
class ClientMethod:
    """An operation: its parameters as a signature has them, and the statement that asks."""

    name: str
    parameters: tuple[str, ...]
    type: str
    meaning: str
    statement: str


def module(document: Schema) -> str:
    """The whole file."""
    environment = Environment(  # noqa: S701 - it writes Python
        loader=FileSystemLoader(_TEMPLATES), keep_trailing_newline=True
    )
    schemas = {
        name: schema
        for name, schema in document["components"]["schemas"].items()
        if name not in _REFUSALS
    }
    (event,) = document["webhooks"]["event"]["post"]["requestBody"]["content"].values()
    return environment.get_template("client.py.jinja").render(
        codes=sorted(problems.PROBLEM_KINDS),
        types=[_type(name, one) for name, one in schemas.items() if "properties" in one],
        aliases=[
            *(
                Type(name, type=type_of(one))
                for name, one in schemas.items()
                if "oneOf" in one and "properties" not in one
            ),
            Type("Event", type=type_of(event["schema"])),
        ],
        methods=list(_methods(document)),
    )


def type_of(schema: Schema) -> str:
    """The type of a value as an annotation. Raises `ValueError` for an object without a name."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(dict.fromkeys(type_of(one) for one in options))
    if "const" in schema or "enum" in schema:
        values = [schema["const"]] if "const" in schema else schema["enum"]
        return f"Literal[{', '.join(_value(one) for one in values)}]"
    if schema.get("type") == "array":
        return f"list[{type_of(schema.get('items', {}))}]"
    if schema.get("type") == "object":
        if "properties" in schema:
            raise ValueError("an object within another one has a schema of its own")
        more = schema.get("additionalProperties")
        return f"dict[str, {type_of(more) if isinstance(more, dict) else 'Any'}]"
    return _TYPES.get(schema.get("type", ""), "Any")


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _type(name: str, schema: Schema) -> Type:
    required = schema.get("required", ())
    fields = tuple(
        Field(each, type_of(one) if each in required else f"NotRequired[{type_of(one)}]")
        for each, one in schema["properties"].items()
    )
    return Type(name, _sentence(schema.get("description", name)), fields)


def _sentence(text: str) -> str:
    """The text as the docstring of one line."""
    return text.replace("\n", " ").replace("\\", "\\\\").replace('"', "'")


def _methods(document: Schema) -> Iterator[ClientMethod]:
    for path, methods in document["paths"].items():
        for verb, operation in methods.items():
            if operation["tags"] != ["pages"] and not operation.get("deprecated"):
                yield _method(verb.upper(), path, operation)


def _method(verb: str, path: str, operation: Schema) -> ClientMethod:
    places: dict[str, list[Schema]] = {"path": [], "query": [], "header": []}
    for one in operation.get("parameters", ()):
        places[one["in"]].append(one)
    parameters = [f"{one['name']}: str" for one in places["path"]]
    address = _PATH.sub(r"{quote(\1, safe='')}", path)
    parts = [f'"{verb}"', f'f"{address}"' if places["path"] else f'"{path}"']
    more: list[str] = []
    body = operation.get("requestBody")
    if body is not None:
        _take_body(body, parameters, more, parts)
    for name, of in (("query", places["query"]), ("headers", places["header"])):
        pairs = []
        for one in of:
            variable = one["name"].replace("-", "_").lower()
            kind, optional = type_of(one["schema"]), not one["required"]
            more.append(f"{variable}: {kind} | None = None" if optional else f"{variable}: {kind}")
            pairs.append(f'"{one["name"]}": {variable}')
        if name == "headers" and body is not None and "application/octet-stream" in body["content"]:
            pairs.append('"Content-Type": content_type')
        if pairs:
            parts.append(f"{name}={{{', '.join(pairs)}}}")
    kind, statement = _answer(operation, parts)
    signature = (*parameters, *(("*", *more) if more else ()))
    meaning = f"{operation['summary']}. {operation.get('description', '')}".strip()
    return ClientMethod(
        snake(operation["operationId"]), signature, kind, _sentence(meaning), statement
    )


def _take_body(body: Schema, parameters: list[str], more: list[str], parts: list[str]) -> None:
    """Add the body, or the file that an upload has in its place, to the parameters and to what is asked."""
    given = body["content"].get("application/json")
    if given is None:
        parameters.append("content: bytes")
        more.append('content_type: str = "application/octet-stream"')
        parts.append("content=content")
        return
    kind = type_of(given["schema"])
    parameters.append(f"body: {kind}" if body["required"] else f"body: {kind} | None = None")
    parts.append("body=body")


def _answer(operation: Schema, parts: list[str]) -> tuple[str, str]:
    """The type of the answer, and the statement that gives it."""
    given = [
        (media_type, content)
        for status, answer in operation["responses"].items()
        if int(status) < 300
        for media_type, content in answer.get("content", {}).items()
    ]
    words, media_types = ", ".join(parts), {media_type for media_type, _ in given}
    if not given:
        return "None", f"self._json({words})"
    if "text/event-stream" in media_types:
        return "Iterator[Event | Gap]", f"return self._events({words})"
    if "application/json" not in media_types:
        return "bytes", f"return self._bytes({words})"
    json_types = (type_of(one["schema"]) for name, one in given if name == "application/json")
    kind = " | ".join(dict.fromkeys(json_types))
    return kind, f"found: {kind} = self._json({words})\n        return found"


def snake(name: str) -> str:
    """The name of a method: `sendMessage` is `send_message`."""
    return _WORD.sub("_", name).lower()
