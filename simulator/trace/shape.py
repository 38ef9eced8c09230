"""Reduces a stanza of the simulator to its shape without texts and names: parts, attributes, sizes, running numbers."""

from __future__ import annotations

import re
from itertools import count
from typing import Any, Final

from simulator.trace import allow_list
from simulator.wire.protocol_library import JID

MOST_PARTS: Final = 1000
"""Nodes of one stanza that are shown."""
MOST_ATTRIBUTES: Final = 64
"""Attributes of one node that are shown."""
REMEMBERED: Final = 20_000
"""Users of a server, and ids, that keep their running number; the one unused for longest loses it."""

_WORD: Final = re.compile(r"(?!.*\d{5})[A-Za-z][A-Za-z0-9:._-]{0,47}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,4}", re.ASCII)
_SMALL_NUMBER: Final = re.compile(r"[0-9]{1,2}", re.ASCII)
_ADDRESS: Final = re.compile(r"([^@:]*)(?::([0-9]{1,3}))?@([a-z.]+)", re.ASCII)
_STATUS: Final = "status@broadcast"


def bucket(size: int) -> str:
    """The smallest power of four that is not below `size` bytes, as `~64`; `~0` for none."""
    bound = 1 if size else 0
    while bound < size:
        bound *= 4
    return f"~{bound}"


def is_word(text: str) -> bool:
    """Returns whether a trace may show a word of a server stanza: short, and without a long number."""
    return _WORD.fullmatch(text) is not None


class Shaper:
    """Shapes the stanzas of one trace, with one running number for each address and id."""

    def __init__(self) -> None:
        self._ids = _RunningNumbers()
        self._users: dict[str, _RunningNumbers] = {}
        self._own = False
        self._left = 0

    def shape(self, stanza: Any, *, to_server: bool) -> dict[str, Any]:
        """Returns the stanza without texts and names, as JSON.

        `to_server`: the client sent it.
        """
        self._own, self._left = _is_servers_own(stanza, to_server), MOST_PARTS
        return self._node(stanza)

    def _node(self, node: Any) -> dict[str, Any]:
        self._left -= 1
        listed = node.tag in allow_list.TAGS or (self._own and is_word(node.tag))
        shown: dict[str, Any] = {"tag": node.tag if listed else _size(node.tag)}
        if node.attrs:
            shown["attrs"] = self._attributes(node)
        if isinstance(node.content, list):
            self._children(shown, node.content)
        elif node.content is not None:
            content = node.content
            shown["bytes"] = _size(content) if isinstance(content, str) else bucket(len(content))
        return shown

    def _children(self, shown: dict[str, Any], nodes: list[Any]) -> None:
        parts: list[dict[str, Any]] = []
        last = None
        for index, node in enumerate(nodes):
            if self._left <= 0:
                shown["more"] = len(nodes) - index
                break
            part = self._node(node)
            if part == last:
                parts[-1]["times"] = parts[-1].get("times", 1) + 1
            else:
                parts.append(dict(part))
                last = part
        shown["parts"] = parts

    def _attributes(self, node: Any) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for name, value in node.attrs.items():
            listed = name in allow_list.NAMES or (self._own and is_word(name))
            if listed and len(shown) < MOST_ATTRIBUTES:
                shown[name] = self._value(node.tag, name, value)
        if len(shown) < len(node.attrs):
            shown["?"] = len(node.attrs) - len(shown)
        return shown

    def _value(self, tag: str, name: str, value: Any) -> str:
        text = _text(value)
        if self._is_shown(tag, name, text):
            return text
        if name in allow_list.IDS:
            return f"#{self._ids.of(text)}"
        if name in allow_list.ADDRESSES and (address := self._address(text)) is not None:
            return address
        return _size(text)

    def _is_shown(self, tag: str, name: str, text: str) -> bool:
        pair = (tag, name)
        anywhere = allow_list.VALUES.get((allow_list.ANY, name), frozenset())
        if text in allow_list.VALUES.get(pair, anywhere):
            return True
        if pair in allow_list.NUMBERS:
            return (_NUMBER if self._own else _SMALL_NUMBER).fullmatch(text) is not None
        return self._own and pair in allow_list.WORDS and is_word(text)

    def _address(self, text: str) -> str | None:
        """Returns server, running number of the user, and device; None for a text that is no address."""
        if text == _STATUS or text in allow_list.SERVERS:
            return text
        found = _ADDRESS.fullmatch(text)
        if found is None or found[3] not in allow_list.SERVERS:
            return None
        user, device, server = found.groups()
        if not user:
            return f"@{server}"
        same = allow_list.SAME_PEOPLE.get(server, server)
        number = self._users.setdefault(same, _RunningNumbers()).of(user)
        return f"{server}:{number}" if device is None else f"{server}:{number}.{int(device)}"


class _RunningNumbers:
    """A number for each text, by the order in which they came."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._next = count(1)

    def of(self, text: str) -> int:
        number = self._numbers.pop(text, None) or next(self._next)
        self._numbers[text] = number  # last, as the most recent one
        if len(self._numbers) > REMEMBERED:
            del self._numbers[next(iter(self._numbers))]
        return number


def _is_servers_own(stanza: Any, to_server: bool) -> bool:
    """Returns whether the words of a stanza are by the server or the client, and not by a contact."""
    source = _text(stanza.attrs.get("from", "")).removeprefix("@")
    if stanza.tag == "notification":
        return not to_server and source in allow_list.SERVERS
    if stanza.tag == "iq" and not to_server and "from" in stanza.attrs:
        return source in allow_list.SERVERS
    return stanza.tag in allow_list.SERVERS_OWN


def _text(value: Any) -> str:
    """Returns an attribute as on the wire: the library writes a device behind a dot."""
    if isinstance(value, JID):
        device = f":{value.device}" if value.device else ""
        return f"{value.user}{device}@{value.server}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _size(text: str) -> str:
    return bucket(len(text.encode(errors="replace")))
