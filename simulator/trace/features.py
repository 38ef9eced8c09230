"""Extracts features of recorded stanzas: kind, parts, attributes and values, without sizes and running numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from actors.connection.trace import allow_list

if TYPE_CHECKING:
    from collections.abc import Iterator

UNLISTED: Final = "~"
"""The value of an attribute whose real value is not on its list."""

_NAMED_BY_CHILD: Final = frozenset({"call", "chatstate", "failure", "ib", "stream:error"})
"""Stanzas whose first part determines their kind."""
_CODES: Final = frozenset({"code", "error", "reason"})
"""Attributes whose numbers are codes; other numbers are counts."""
_MEASURED: Final = re.compile(r"[#~]\d+|\d+")
_ADDRESS: Final = re.compile(r"([a-z.]+):\d+(\.\d+)?")


class Feature(NamedTuple):
    """A kind of stanza in one direction, or a part, an attribute or a value of it.

    `part` is the path of tags below the stanza, empty for the stanza itself. `name` and `value` are
    empty where the feature is the part alone, or an attribute whose values are not listed.
    """

    direction: str
    kind: str
    part: str = ""
    name: str = ""
    value: str = ""

    @property
    def above(self) -> Feature | None:
        """The next wider feature; None for a kind."""
        if self.value:
            return self._replace(value="")
        if self.name:
            return self._replace(name="")
        if self.part:
            return self._replace(part=self.part.rpartition("/")[0])
        return None

    @property
    def is_unknown(self) -> bool:
        """Whether the kind has a word that is on no list, so that two such kinds may differ."""
        return any(word.startswith(UNLISTED) for word in self.kind.split(" "))


class Conversation:
    """Names the kinds of a trace's stanzas; an answer to a query is of the kind of the query."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str], str] = {}

    def kind(self, stanza: dict[str, Any]) -> str | None:
        """The kind, such as `notification encrypt`; None for the answer to an unknown query."""
        tag, attrs = stanza["tag"], stanza.get("attrs", {})
        if tag == "iq":
            return self._query(stanza["dir"], attrs)
        words = [tag]
        if tag in _NAMED_BY_CHILD:
            words += [part["tag"] for part in stanza.get("parts", [])[:1]]
        else:
            name = "class" if tag == "ack" else "type"
            words.append(_value(tag, name, attrs.get(name, "")))
        return " ".join(filter(None, words))

    def _query(self, direction: str, attrs: dict[str, Any]) -> str | None:
        kind, id_ = str(attrs.get("type", "")), str(attrs.get("id", ""))
        if kind in ("get", "set"):
            space = f"{kind} {attrs.get('xmlns', '')}".strip()
            self._requests[direction, id_] = space
            return f"iq {space}"
        question = self._requests.get(("in" if direction == "out" else "out", id_))
        return None if question is None else f"iq {kind} of {question}"


def features(stanza: dict[str, Any], kind: str) -> Iterator[Feature]:
    """All features of a stanza of that kind, each before those that narrow it."""
    yield from _of_node(stanza, Feature(stanza["dir"], kind))


def _of_node(node: dict[str, Any], whole: Feature) -> Iterator[Feature]:
    yield whole
    for name, value in node.get("attrs", {}).items():
        named = whole._replace(name=f"?{value}" if name == "?" else name)
        yield named
        if name != "?" and (word := _value(node["tag"], name, value)):
            yield named._replace(value=word)
    for part in node.get("parts", []):
        path = f"{whole.part}/{part['tag']}" if whole.part else part["tag"]
        yield from _of_node(part, whole._replace(part=path))


def _value(tag: str, name: str, value: str) -> str:
    """Returns the value for a feature; empty for one that differs between stanzas."""
    if name in allow_list.ADDRESSES:
        if value in allow_list.SERVERS:
            return f"@{value}"  # as an address without a user is written, too
        if address := _ADDRESS.fullmatch(value):
            return address[1]
    listed = (tag, name) in allow_list.VALUES or (allow_list.ANY, name) in allow_list.VALUES
    if _MEASURED.fullmatch(value) is None:
        return value
    if value.startswith("~"):
        return UNLISTED if listed and (tag, name) not in allow_list.NUMBERS else ""
    return value if (listed or name in _CODES) and value.isdecimal() else ""
