"""Fields of a document by their paths, nested maps included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.cloud.firestore_v1.field_path import FieldPath

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "__name__"


def parts(path: str) -> tuple[str, ...]:
    """The names of a path as it is on the wire: ``a.`b.c` `` has two."""
    return tuple(FieldPath.from_api_repr(path).parts)


def find(document: Any, path: Sequence[str]) -> Any | None:
    """The `Value` at `path`, None where the document has none."""
    fields = document.fields
    for depth, name in enumerate(path):
        if name not in fields:
            return None
        value = fields[name]
        if depth == len(path) - 1:
            return value
        if value.WhichOneof("value_type") != "map_value":
            return None
        fields = value.map_value.fields
    return None


def put(document: Any, path: Sequence[str], value: Any) -> None:
    """Set the field; what is on the way and no map is replaced by one."""
    fields = document.fields
    for name in path[:-1]:
        step = fields[name]
        if step.WhichOneof("value_type") != "map_value":
            step.map_value.SetInParent()
        fields = step.map_value.fields
    fields[path[-1]].CopyFrom(value)


def drop(document: Any, path: Sequence[str]) -> None:
    """Remove the field; harmless where there is none."""
    fields = document.fields
    for name in path[:-1]:
        if name not in fields or fields[name].WhichOneof("value_type") != "map_value":
            return
        fields = fields[name].map_value.fields
    if path[-1] in fields:
        del fields[path[-1]]
