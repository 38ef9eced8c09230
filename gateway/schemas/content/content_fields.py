"""Derives fields of request and answer models from the kinds of message content (`actors.messages.content`).

A field of a kind is declared there alone. References to other things stay with the models that use these: a request
names a message by its id, a file by where it is and people by any address of theirs; an answer has ids, and content has neither.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from types import GenericAlias, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import Field

from actors.messages import content, field_types
from actors.messages.field_types import AS_TEXT, GIVEN, HIDDEN, AnswerDescription

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REFERENCES: Final = frozenset({"target", "reply_to", "file", "cards", "mentions", "link_preview"})
_NAMES: Final = {**vars(content), **vars(field_types)}


def requested(kind: type) -> Mapping[str, Any]:
    """The fields that a caller gives of a kind, as `create_model` takes them."""
    found: dict[str, Any] = {}
    defaults = {each.name: each.default for each in fields(kind)}
    for name, hint in _declared(kind):
        if GIVEN in _marks(hint):
            found[name] = next(each for each in get_args(hint) if each is not type(None))
        elif defaults[name] is MISSING:
            found[name] = hint
        else:
            found[name] = (hint, defaults[name])
    return found


def shown(kind: type) -> Mapping[str, Any]:
    """The fields that an answer has of a kind, without limits and all of them required."""
    plain = get_type_hints(kind, localns=_NAMES)
    found: dict[str, Any] = {}
    for name, hint in _declared(kind):
        marks = list(_marks(hint))
        if AS_TEXT in marks:
            continue
        described = [mark.description for mark in marks if isinstance(mark, AnswerDescription)]
        found[name] = (_listed(plain[name]), Field(description=described[0]) if described else ...)
    return found


def _declared(kind: type) -> Iterator[tuple[str, Any]]:
    """Name and type of each field that the API has as it is."""
    hints = get_type_hints(kind, localns=_NAMES, include_extras=True)
    for each in fields(kind):
        if each.name not in REFERENCES and HIDDEN not in _marks(hints[each.name]):
            yield each.name, _listed(hints[each.name])


def _marks(hint: Any) -> Iterator[Any]:
    """The annotations of a type, and of the types that it is made of."""
    yield from getattr(hint, "__metadata__", ())
    for each in get_args(hint):
        yield from _marks(each)


def _listed(hint: Any) -> Any:
    """The type with lists in place of tuples, as JSON has them."""
    if hasattr(hint, "__metadata__"):
        return Annotated[(_listed(hint.__origin__), *hint.__metadata__)]
    if get_origin(hint) is tuple:
        return GenericAlias(list, get_args(hint)[:1])
    if get_origin(hint) in (Union, UnionType):
        return Union[tuple(map(_listed, get_args(hint)))]  # noqa: UP007
    return hint
