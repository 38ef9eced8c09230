"""Generates the OpenAPI 3.1 document from the declared API operations and the pydantic models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from gateway.http import problems
from gateway.schemas import addresses, events, examples, response_models
from gateway.schemas.people.group_changes import INVITE_CODE_PATTERN
from gateway.schemas.request_models import CONNECTION_PATTERN, KEY_PATTERN, WEBHOOK_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import BaseModel

    from gateway.http.endpoint import Gives, Operation

VERSION = "3.1.0"
_REFERENCE = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_PATH_PARAMETERS = {
    "connection": "The connection's id, or its incarnation.",
    "id": "The message's id.",
    "webhook": "The webhook's id.",
    "key": "The id of the API key, not the key.",
    "delivery": "The delivery's id.",
    "number": "An international phone number of 7 to 15 digits.",
    "chat": "The person's phone number, canonical address or LID, or the address of a group.",
    "group": "The address of the group.",
    "person": "The person's phone number, canonical address or LID.",
    "code": "The code of an invitation: the end of its link.",
    "who": "The person's phone number, canonical address or LID, or the address of a group.",
    "call": "The call's id.",
    "document": "The id of a refused document.",
}
_ANY_CHAT = {
    "type": "string",
    "pattern": rf"^([1-9][0-9]{{6,14}}(@s\.whatsapp\.net)?|{addresses.LID_PATTERN}|{addresses.GROUP_PATTERN})$",
}
_PATH_SCHEMAS = {
    "connection": {"type": "string", "pattern": CONNECTION_PATTERN},
    "id": {"type": "string", "minLength": 1},
    "webhook": {"type": "string", "pattern": WEBHOOK_PATTERN},
    "key": {"type": "string", "pattern": KEY_PATTERN},
    "delivery": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "document": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "number": {"type": "string", "pattern": r"^[1-9][0-9]{6,14}$"},
    "chat": _ANY_CHAT,
    "group": {"type": "string", "pattern": f"^{addresses.GROUP_PATTERN}$"},
    "code": {"type": "string", "pattern": f"^{INVITE_CODE_PATTERN}$"},
    "person": {
        "type": "string",
        "pattern": rf"^([1-9][0-9]{{6,14}}(@s\.whatsapp\.net)?|{addresses.LID_PATTERN})$",
    },
    "who": _ANY_CHAT,
    "call": {"type": "string", "pattern": r"^[0-9A-Za-z_.-]{1,64}$"},
}
_EVERYWHERE = ("malformed_request", "head_timeout", "head_too_large", "internal_error")
_WITH_KEY = (
    "unauthorized",
    "missing_scope",
    "rate_limited",
    "quota_reached",
    "instance_limit_reached",
    "store_away",
    "unknown_parameter",
)
_WITH_QUERY = ("invalid_parameter",)
_WITH_BODY = (
    "malformed_json",
    "body_timeout",
    "body_too_large",
    "unsupported_media_type",
    "missing_field",
    "duplicate_field",
    "unknown_field",
    "invalid_field",
)
_WITH_UPLOAD = ("body_timeout", "unsupported_media_type")
_DESCRIPTION = """\
A service that holds WhatsApp accounts open, sends what it is given and keeps what it receives.

Every refusal is a problem (RFC 9457) with a stable `code`. Every answer has an `X-Request-Id`, which is in
each line that the log has of its request: the caller's own where it sent one of 8 to 64 letters, digits,
dots, dashes and underscores with no phone number in it. Each API key has a quota of requests, and each
answer tells what is left of it (`RateLimit`, `RateLimit-Policy`); how many it, and each connection, may have on their
way at once is bounded too (429 `quota_reached`). Times are RFC 3339 in UTC. Lists are
`{"items": [...], "next": cursor or null}`; the cursor goes into `after`. A page of long messages has fewer than `limit`."""


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The whole document, as JSON."""
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": VERSION,
        "info": {
            "title": "Teimoso",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "webhooks": {"event": {"post": _webhook()}},
        "components": {
            "schemas": _schemas(operations),
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def refusals(operation: Operation) -> dict[int, list[problems.ProblemKind]]:
    """Every problem that the operation may answer with, by status."""
    codes = dict.fromkeys(operation.refuses)
    codes.update(dict.fromkeys(_EVERYWHERE))
    if operation.scope is not None:
        codes.update(dict.fromkeys(_WITH_KEY))
        if "connection" in operation.path or "{id}" in operation.path or operation.query:
            codes["connection_forbidden"] = None
        if operation.body is not None:
            codes["connection_forbidden"] = None
        if "{connection}" in operation.path:
            codes["unknown_connection"] = None
    if operation.query is not None:
        codes.update(dict.fromkeys(_WITH_QUERY))
    if operation.body is not None:
        codes.update(dict.fromkeys(_WITH_BODY))
    if operation.upload:
        codes.update(dict.fromkeys(_WITH_UPLOAD))
    by_status: dict[int, list[problems.ProblemKind]] = {}
    for kind in (problems.PROBLEM_KINDS[code] for code in sorted(codes)):
        by_status.setdefault(kind.status, []).append(kind)
    return dict(sorted(by_status.items()))


def _operation(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {
        str(status): _response(gives) for status, gives in operation.gives.items()
    }
    for status, kinds in refusals(operation).items():
        responses.setdefault(str(status), _refused(status, kinds))
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": responses,
        "security": [] if operation.scope is None else [{"key": []}, {"bearer": []}],
    }
    if operation.scope is not None:
        scopes = " or ".join(f"`{one}`" for one in dict.fromkeys((operation.scope, "admin")))
        described["description"] = f"Needs a key with the scope {scopes}."
    if operation.instead is not None:
        described["deprecated"] = True
        former = f"A former name, which stays: use `{operation.instead}`."
        described["description"] = f"{described.get('description', '')} {former}".strip()
    if operation.optional_key:
        described["security"] = [{}, {"key": []}, {"bearer": []}]
    parameters = [*_path_parameters(operation), *_query(operation), *_headers(operation)]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = {
            "required": not operation.body_optional,
            "content": {
                "application/json": {
                    "schema": _reference(operation.body),
                    "examples": {
                        name: {"value": value}
                        for name, value in examples.of_bodies(operation.body).items()
                    },
                }
            },
        }
    if operation.upload:
        described["requestBody"] = {
            "required": True,
            "description": "The file itself, with any Content-Type that says what it is.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "minLength": 1}}},
        }
    return described


def _webhook() -> dict[str, Any]:
    """The events that webhooks receive; readers of `/api/events` receive the same."""
    named = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return {
        "operationId": "event",
        "summary": "Something happened",
        "description": "Signed as Standard Webhooks has it. A repetition has the same `webhook-id`.",
        "tags": ["webhooks"],
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
            for name in named
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [_reference(model) for model in events.SENT]},
                    "example": events.example(),
                }
            },
        },
        "responses": {
            "2XX": {"description": "It arrived."},
            "410": {"description": "Nobody is there any more: the webhook is switched off."},
            "default": {"description": "It is sent again later."},
        },
        "security": [],
    }


def _response(gives: Gives) -> dict[str, Any]:
    given: dict[str, Any] = {"description": gives.description}
    if gives.headers:
        given["headers"] = {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in gives.headers.items()
        }
    media_types = gives.media_types or (("application/json",) if gives.models else ())
    content: dict[str, Any] = {}
    for media_type in media_types:
        if media_type == "application/json" and gives.models:
            references = [_reference(model) for model in gives.models]
            content[media_type] = {
                "schema": references[0] if len(references) == 1 else {"oneOf": references},
                "examples": {
                    _name(model): {"value": examples.of_answer(model)} for model in gives.models
                },
            }
        else:
            content[media_type] = {}
    if content:
        given["content"] = content
    return given


def _refused(status: int, kinds: list[problems.ProblemKind]) -> dict[str, Any]:
    model = response_models.InvalidAnswer if status == 422 else response_models.ProblemAnswer
    schema = {
        "allOf": [
            _reference(model),
            {
                "properties": {
                    "status": {"const": status},
                    "code": {"enum": [kind.code for kind in kinds]},
                }
            },
        ]
    }
    refused: dict[str, Any] = {
        "description": "; ".join(f"{kind.title} (`{kind.code}`)" for kind in kinds) + ".",
        "content": {problems.PROBLEM_TYPE: {"schema": schema}},
    }
    if status in (429, 503):
        refused["headers"] = {
            "Retry-After": {
                "description": "Seconds after which it is worth trying again.",
                "schema": {"type": "integer"},
            }
        }
    return refused


def _path_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name in _PARAMETER.findall(operation.path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": _PATH_PARAMETERS[name],
            "schema": _PATH_SCHEMAS[name],
            "example": examples.PATH[name],
        }


def _query(operation: Operation) -> Iterator[dict[str, Any]]:
    if operation.query is None:
        return
    schema = operation.query.model_json_schema()
    required = schema.get("required", [])
    for name, found in schema["properties"].items():
        described = {key: value for key, value in found.items() if key != "title"}
        options = described.pop("anyOf", None)
        if options:  # a parameter that is not given is not null: it is absent
            described |= next(option for option in options if option.get("type") != "null")
            described.pop("default", None)
        parameter = {"name": name, "in": "query", "required": name in required}
        text = described.pop("description", None)
        yield parameter | ({"description": text} if text else {}) | {"schema": described}


def _headers(operation: Operation) -> Iterator[dict[str, Any]]:
    for name, (text, pattern) in operation.headers.items():
        yield {
            "name": name,
            "in": "header",
            "required": False,
            "description": text,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": pattern},
        }


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    requests = {operation.body for operation in operations if operation.body is not None}
    given: set[type[BaseModel]] = {response_models.ProblemAnswer, response_models.InvalidAnswer}
    given.update(events.SENT)
    for operation in operations:
        for gives in operation.gives.values():
            given.update(gives.models)
    models: list[Any] = [
        *((model, "validation") for model in sorted(requests, key=_name)),
        *((model, "serialization") for model in sorted(given, key=_name)),
    ]
    _, schema = models_json_schema(models, ref_template=_REFERENCE)
    definitions: dict[str, Any] = schema["$defs"]
    return definitions


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=_name(model))}


def _name(model: type[BaseModel]) -> str:
    return model.__name__
