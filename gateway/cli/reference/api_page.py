"""Generates `docs/api.md` and `docs/teimoso_client.py` from the OpenAPI document that a gateway serves."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from gateway.app import OPERATIONS
from gateway.http import problems
from gateway.http.openapi import document
from gateway.reference import field_tables, python_client
from gateway.reference.code_samples import samples

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.reference.field_tables import FieldRow

INTRO = """\
# API

{description}

A running instance shows the same at `/docs`, and `/openapi.json` is the document that this page is
made of (`make docs`). The API key goes into `X-Api-Key` or `Authorization: Bearer`. Problems of any
request are listed [once](#problems).

"""
_ORDER = ("messages", "queue", "connections")
"""The first groups of the page; the others follow by name."""

_SCOPES = {operation.id: operation.scope for operation in OPERATIONS}
_CODE = re.compile(r"`(\w+)`")
_FENCES = {"curl": "sh", "Python": "python", "JavaScript": "js"}
_EVERYWHERE = 30
"""A refusal of so many operations is said once and not with each."""


def markdown() -> str:
    """The page: a section for each group of operations, and all problems at its end."""
    api = json.loads(json.dumps(document(OPERATIONS, "")))
    groups: dict[str, list[str]] = {}
    refused, schemas = _common(api), api["components"]["schemas"]
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            lines = "".join(_operation(method.upper(), path, operation, refused, schemas))
            groups.setdefault(operation["tags"][0], []).append(lines)
    rest = sorted(groups.keys() - set(_ORDER))
    sections = "".join(
        f"## {group.capitalize()}\n\n{''.join(groups[group])}" for group in (*_ORDER, *rest)
    )
    return INTRO.format(description=api["info"]["description"]) + sections + _problems(refused)


def client() -> str:
    """The client for Python programs."""
    return python_client.module(json.loads(json.dumps(document(OPERATIONS, ""))))


def _common(api: Mapping[str, Any]) -> set[str]:
    counts: dict[str, int] = {}
    for methods in api["paths"].values():
        for operation in methods.values():
            for code in _refusals(operation):
                counts[code] = counts.get(code, 0) + 1
    return {code for code, count in counts.items() if count >= _EVERYWHERE}


def _refusals(operation: Mapping[str, Any]) -> list[str]:
    return [
        code
        for status, answer in operation["responses"].items()
        if int(status) >= 400
        for code in _CODE.findall(answer["description"])
        if code in problems.PROBLEM_KINDS
    ]


def _operation(
    method: str,
    path: str,
    operation: Mapping[str, Any],
    common: set[str],
    schemas: Mapping[str, Any],
) -> Iterator[str]:
    yield f"### `{method} {path}`\n\n{operation['summary']}.\n\n"
    if scope := _SCOPES[operation["operationId"]]:
        yield f"The key needs the scope `{scope}`.\n\n"
    if operation.get("deprecated"):
        yield "A former name" + operation["description"].partition("A former name")[2] + "\n\n"
    if given := [one for one in operation.get("parameters", ()) if one["in"] != "path"]:
        yield "| parameter | in | what it is |\n|---|---|---|\n"
        for one in given:
            yield f"| `{one['name']}` | {one['in']} | {_cell(_description(one))} |\n"
        yield "\n"
    yield from _bodies(method, path, operation, schemas)
    for status, answer in operation["responses"].items():
        if int(status) < 400 and not operation.get("deprecated"):
            yield from _answer(status, answer)
    if special := [code for code in _refusals(operation) if code not in common]:
        yield f"Refused as {', '.join(f'`{code}`' for code in special)}.\n\n"


def _bodies(
    method: str, path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]
) -> Iterator[str]:
    for media in operation.get("requestBody", {}).get("content", {}).values():
        kinds = field_tables.kinds(media["schema"], schemas)
        if kinds and not operation.get("deprecated"):
            yield from _kinds(method, path, kinds, media["examples"], schemas)
        elif "examples" in media:
            yield _table(field_tables.rows(media["schema"], schemas))
            yield _json(next(iter(media["examples"].values()))["value"])


def _kinds(
    method: str,
    path: str,
    kinds: Mapping[str, Any],
    examples: Mapping[str, Any],
    schemas: Mapping[str, Any],
) -> Iterator[str]:
    """The fields of most kinds once, then those of each kind with a request in three languages."""
    tables = {kind: field_tables.rows(schema, schemas) for kind, schema in kinds.items()}
    counts = Counter(row for rows in tables.values() for row in rows)
    common = [row for row, count in counts.items() if count > len(kinds) / 2]
    yield f"Fields of most types of body:\n\n{_table(common)}"
    for kind, rows in tables.items():
        missing = [f"`{row.name}`" for row in common if row not in rows]
        without = f" It has no {', '.join(missing)}." if missing else ""
        yield f"#### `{kind}`\n\n{kinds[kind]['description']}{without}\n\n"
        yield _table([row for row in rows if row not in common])
        for language, source in samples(method, path, examples[kind]["value"]).items():
            yield f"{language}:\n\n```{_FENCES[language]}\n{source}\n```\n\n"


def _table(rows: Sequence[FieldRow]) -> str:
    if not rows:
        return ""
    lines = "".join(
        f"| `{row.name}` | {_cell(row.type)} | {'yes' if row.required else ''} | {row.limits} |"
        f" {_cell(row.meaning)}{f' Default: `{row.default}`.' if row.default else ''} |\n"
        for row in rows
    )
    return f"| field | type | required | limits | what it is |\n|---|---|---|---|---|\n{lines}\n"


def _answer(status: str, answer: Mapping[str, Any]) -> Iterator[str]:
    yield f"**{status}** {answer['description']}\n\n"
    for media in answer.get("content", {}).values():
        for example in list(media.get("examples", {}).values())[:1]:
            if isinstance(example["value"], dict | list):
                yield _json(example["value"])


def _description(parameter: Mapping[str, Any]) -> str:
    words = parameter.get("description") or parameter["schema"].get("description")
    if words:
        return str(words)
    values = [value for one in _schemas(parameter["schema"]) for value in one.get("enum", ())]
    return ", ".join(f"`{value}`" for value in values) or str(parameter["name"]).replace("_", " ")


def _schemas(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [schema, *schema.get("anyOf", ())]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _json(value: object) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n\n"


def _problems(common: set[str]) -> str:
    kinds = sorted(problems.PROBLEM_KINDS.values(), key=lambda kind: (kind.status, kind.code))
    rows = "".join(
        f"| {kind.status} | `{kind.code}` | {kind.title}{' *' if kind.code in common else ''} |\n"
        for kind in kinds
    )
    return (
        "## Problems\n\nA code never changes its meaning. One with a star may refuse nearly any"
        f" request.\n\n| status | code | what it is |\n|---|---|---|\n{rows}"
    )
