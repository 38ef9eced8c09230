"""Finds the example of a field in a request model, for refusals that name the field (pure)."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import BaseModel

LONGEST: Final = 100
"""Characters of an example that a message has room for."""


def example_of(model: type[BaseModel], place: Sequence[int | str]) -> str | None:
    """The example of the field at this place of a validation error, as JSON has it but for a text; None without one."""
    whole = _schema(model)
    nodes: list[dict[str, Any]] = [whole]
    for part in place:
        nodes = [found for node in nodes for found in _below(whole, node, part)]
    for node in nodes:
        for found in node.get("examples") or ():
            text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
            if 0 < len(text) <= LONGEST:
                return text
    return None


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _below(
    whole: dict[str, Any], node: dict[str, Any], part: int | str
) -> Iterator[dict[str, Any]]:
    """The nodes at a part of a place: a property, an item of a list, or the kind that a body was read as."""
    if (reference := node.get("$ref")) is not None:
        yield from _below(whole, whole["$defs"][reference.rpartition("/")[2]], part)
    if part in (found := node.get("properties") or {}):
        yield found[part]
    if isinstance(part, int) and "items" in node:
        yield node["items"]
    if (reference := (node.get("discriminator") or {}).get("mapping", {}).get(part)) is not None:
        yield whole["$defs"][reference.rpartition("/")[2]]
        return
    for each in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())):
        yield from _below(whole, each, part)
