"""Merges, reads and compares fields of SQLite or Firestore documents, given as dictionaries (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

API: Final = "api"
"""The source of messages that this service sent (`actors/queue/mirror/mirror_writes.py`)."""


def merge(document: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """`document` with `data` merged in: maps deeply; anything else, an empty map too, replaces."""
    merged = dict(document)
    for name, value in data.items():
        before = merged.get(name)
        if isinstance(value, dict) and value and isinstance(before, dict):
            merged[name] = merge(before, value)
        else:
            merged[name] = value
    return merged


def source_of(message: Mapping[str, Any]) -> Any:
    """The source of a message; one that names none was sent by this service."""
    return message.get("source") or API


def value_at(document: Mapping[str, Any], field: str) -> Any:
    """The value at a dotted path; raises `KeyError` where there is none."""
    value: Any = document
    for part in field.split("."):
        value = value[part]
    return value


def is_ahead(there: Mapping[str, Any], new: Mapping[str, Any], by: Sequence[str]) -> bool:
    """Whether `there` is ahead of `new` in the numbers of the fields `by`, a missing one being 0."""
    for field in by:
        one, other = _number_at(there, field), _number_at(new, field)
        if one != other:
            return one > other
    return False


def _number_at(document: Mapping[str, Any], field: str) -> float:
    try:
        return value_at(document, field) or 0
    except (KeyError, TypeError):
        return 0


OF_GROUP: Final = "group:"
"""Begins the name of what is noted of a group among the settings of its chat."""

GROUP_MEMBERS: Final = f"{OF_GROUP}members"
"""The newest change of a group's members; each other one is a setting of the group."""

LABEL_OF_CHAT: Final = "label:"
"""Begins the setting of a chat that says whether it has the label whose id follows."""

PERSON_PICTURE: Final = "picture"
"""The newest change of a person's picture, among the settings of the contact."""
