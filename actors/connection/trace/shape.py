"""Converts an engine's stanza to JSON for a trace: structure and sizes, but no text, name or number.

Pure but for the running numbers of addresses and ids, which a `Shaper` remembers in memory alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from actors.connection.trace import allow_list
from actors.runtime.limits.bounded_map import BoundedMap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_PARTS: Final = 1000
"""Nodes of one stanza that are shown; of the others only the number is."""

MOST_NAMES: Final = 64
"""Attributes of one node that are shown; so with them."""

REMEMBERED: Final = 20_000
"""Addresses, and ids, that keep their running number; the one that was not met for longest loses it."""

WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9:._-]{0,47}", re.ASCII)
"""A word of the server, unless it has more than four digits in a row."""

NUMBER: Final = re.compile(r"[0-9]{1,4}", re.ASCII)
SMALL_NUMBER: Final = re.compile(r"[0-9]{1,2}", re.ASCII)
"""Numbers that are shown: in the server's own stanzas, and in those that a contact may have written."""

_ADDRESS = re.compile(r"([^@:]*)(?::([0-9]{1,3}))?@([a-z.]{1,16})", re.ASCII)
_DIGITS = re.compile(r"[0-9]{5}", re.ASCII)

STATUS: Final = "status@broadcast"


class Stanza(Protocol):
    """A stanza or a part of one, as an engine's codec makes it."""

    @property
    def tag(self) -> str: ...

    @property
    def attrs(self) -> Mapping[str, str]: ...

    @property
    def content(self) -> Sequence[Stanza] | bytes | None: ...


def bucket(size: int) -> str:
    """The smallest power of four that is not below `size` bytes, as ``~64``; ``~0`` for nothing."""
    bound = min(size, 1)
    while bound < size:
        bound *= 4
    return f"~{bound}"


def size(text: str) -> str:
    """The size of a text; its words are left out."""
    return bucket(len(text.encode(errors="replace")))


def is_word(text: str) -> bool:
    """Whether the server's own stanzas may show it."""
    return WORD.fullmatch(text) is not None and _DIGITS.search(text) is None


class Shaper:
    """Makes the shape of one stanza after the other.

    No value leaves it that is not in the allow-list; one that is met again under the same running
    number as before is the same.
    """

    def __init__(self) -> None:
        self._ids = _Numbers()
        self._users: dict[str, _Numbers] = {}

    def shape(self, stanza: Stanza, *, sent: bool) -> dict[str, Any]:
        """The shape of a stanza that this client sent, or got."""
        own = _is_servers_own(stanza, sent=sent)
        return _Walk(self, own).node(stanza)

    def number_of_id(self, value: str) -> str:
        return f"#{self._ids.of(value)}"

    def address(self, value: str) -> str | None:
        """Server, running number and device (``lid:7.2``); None for what is no address."""
        if value in allow_list.SERVERS or value == STATUS:
            return value
        found = _ADDRESS.fullmatch(value)
        if found is None or found[3] not in allow_list.SERVERS:
            return None
        user, device, server = found.groups()
        if not user:
            return f"@{server}"
        same = allow_list.SAME_PEOPLE.get(server, server)
        number = self._users.setdefault(same, _Numbers()).of(user)
        return f"{server}:{number}" + ("" if device is None else f".{int(device)}")


class _Numbers:
    """Running numbers, by what they stand for."""

    def __init__(self) -> None:
        self._numbers = BoundedMap[str, int](REMEMBERED)
        self._last = 0

    def of(self, value: str) -> int:
        number = self._numbers.get(value)
        if number is None:
            self._last = number = self._last + 1
        self._numbers[value] = number  # the youngest now
        return number


class _Walk:
    """One stanza; `own`: its words are the server's or this client's."""

    def __init__(self, shaper: Shaper, own: bool) -> None:
        self._shaper = shaper
        self._own = own
        self._left = MOST_PARTS

    def node(self, node: Stanza) -> dict[str, Any]:
        self._left -= 1
        shown: dict[str, Any] = {"tag": self._tag(node.tag)}
        if node.attrs:
            shown["attrs"] = self._attributes(node.tag, node.attrs)
        if isinstance(node.content, bytes):
            shown["bytes"] = bucket(len(node.content))
        elif node.content is not None:
            self._parts(shown, node.content)
        return shown

    def _parts(self, shown: dict[str, Any], nodes: Sequence[Stanza]) -> None:
        parts: list[dict[str, Any]] = []
        times = 1
        for place, node in enumerate(nodes):
            if self._left <= 0:
                shown["more"] = len(nodes) - place
                break
            part = self.node(node)
            if parts and part == {k: v for k, v in parts[-1].items() if k != "times"}:
                times += 1
                parts[-1]["times"] = times
            else:
                times = 1
                parts.append(part)
        shown["parts"] = parts

    def _tag(self, tag: str) -> str:
        if tag in allow_list.TAGS or (self._own and is_word(tag)):
            return tag
        return size(tag)

    def _attributes(self, tag: str, attrs: Mapping[str, str]) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for name, value in attrs.items():
            listed = name in allow_list.NAMES or (self._own and is_word(name))
            if listed and len(shown) < MOST_NAMES:
                shown[name] = self._value(tag, name, value)
        if len(shown) < len(attrs):
            shown["?"] = len(attrs) - len(shown)
        return shown

    def _value(self, tag: str, name: str, value: str) -> str:
        if self._is_shown(tag, name, value):
            return value
        if name in allow_list.IDS:
            return self._shaper.number_of_id(value)
        address = self._shaper.address(value) if name in allow_list.ADDRESSES else None
        return size(value) if address is None else address

    def _is_shown(self, tag: str, name: str, value: str) -> bool:
        if value in _values(tag, name):
            return True
        if (tag, name) in allow_list.NUMBERS:
            return (NUMBER if self._own else SMALL_NUMBER).fullmatch(value) is not None
        return self._own and (tag, name) in allow_list.WORDS and is_word(value)


def _values(tag: str, name: str) -> frozenset[str]:
    found = allow_list.VALUES.get((tag, name))
    return allow_list.VALUES.get((allow_list.ANY, name), frozenset()) if found is None else found


def _is_servers_own(stanza: Stanza, *, sent: bool) -> bool:
    if stanza.tag == "notification":
        return not sent and _is_server(stanza.attrs.get("from", ""))
    if stanza.tag == "iq" and not sent and "from" in stanza.attrs:
        return _is_server(stanza.attrs["from"])
    return stanza.tag in allow_list.SERVERS_OWN


def _is_server(source: str) -> bool:
    """Whether it is WhatsApp itself; ``@s.whatsapp.net`` is as well."""
    return source.removeprefix("@") in allow_list.SERVERS
