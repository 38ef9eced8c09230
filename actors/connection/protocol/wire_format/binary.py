"""Encodes and decodes WhatsApp's binary stanzas, in bounded time and memory whatever the input.

Any bytes cost time and memory in proportion to their number, and no more than `MAX_PARTS` and `MAX_DEPTH` allow;
the token tables are in `tokens`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from actors.connection.protocol.wire_format.tokens import DOUBLE, SINGLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MAX_PARTS: Final = 250_000
"""Nodes and attributes of one stanza; a list of a thousand people with all their devices has some
thousands."""

MAX_DEPTH: Final = 64
"""Nodes in one another; WhatsApp's stanzas have less than ten levels."""

_LIST_EMPTY, _LIST_8, _LIST_16 = 0, 248, 249
_DICTIONARY_0, _DICTIONARY_3 = 236, 239
_INTEROP, _FACEBOOK, _DEVICE, _PAIR = 245, 246, 247, 250
_HEX, _NIBBLES = 251, 255
_SIZES = {252: 1, 253: 3, 254: 4}  # how many bytes tell the length of bytes
_DOMAINS = {0: "s.whatsapp.net", 1: "lid", 128: "hosted", 129: "hosted.lid"}
_NUMBERS = {server: number for number, server in _DOMAINS.items()}
# Characters of four bits beyond the digits; the last one of the nibbles fills up an odd number of them.
_ALPHABETS = {
    kind: str.maketrans("abcdef", last)
    for kind, last in ((_HEX, "ABCDEF"), (_NIBBLES, "-.\0\0\0\0"))
}
_DIGITS = str.maketrans("-.", "ab")

_TOKENS: Final = {
    **{
        token: bytes([_DICTIONARY_0 + page, index])
        for page, tokens in enumerate(DOUBLE)
        for index, token in enumerate(tokens)
    },
    **{token: bytes([index]) for index, token in enumerate(SINGLE) if token},
}
_PACKED = {_NIBBLES: re.compile(r"[0-9.-]{1,127}"), _HEX: re.compile(r"[0-9A-F]{1,127}")}
_ADDRESS = re.compile(r"([^@:]*)(?::([1-9]\d{0,2}))?@([^@:]+)", re.ASCII)

Made = TypeVar("Made")


class StanzaPart(Protocol):
    """A stanza or a part of one, as `write` reads it."""

    @property
    def tag(self) -> str: ...

    @property
    def attrs(self) -> Mapping[str, str]: ...

    @property
    def content(self) -> Sequence[StanzaPart] | bytes | None: ...


class UnreadableStanza(ValueError):  # noqa: N818 - reads as what it is
    """These bytes are no stanza, or a larger one than any real one."""


def read(data: bytes, make: Callable[[str, dict[str, str], Any], Made]) -> Made:
    """The stanza in `data`, each node made by `make` of tag, attributes and content.

    Content is a tuple of nodes, bytes or None. Text that is not UTF-8 is repaired and not refused:
    a sender chooses some of it, and a stanza that is refused ends the connection. Raises
    `UnreadableStanza`, whatever the bytes are.
    """
    try:
        return _Reader(data, make).node(0)
    except IndexError:
        raise UnreadableStanza("cut short") from None


class _Reader:
    def __init__(self, data: bytes, make: Callable[[str, dict[str, str], Any], Any]) -> None:
        self._data = data
        self._make = make
        self._at = 0
        self._parts = 0

    def node(self, depth: int) -> Any:
        size = self._list_size(self._byte())
        tag = self._value(self._byte()) if size else ""
        if not tag or depth > MAX_DEPTH:
            raise UnreadableStanza("a node without a tag, or too deep")
        count = (size - 1) >> 1
        self._parts += 1 + count
        if self._parts > MAX_PARTS:
            raise UnreadableStanza("too many parts")
        attrs = {}
        for _ in range(count):
            name = self._value(self._byte())
            attrs[name] = self._value(self._byte())
        return self._make(tag, attrs, None if size & 1 else self._content(depth))

    def _content(self, depth: int) -> Any:
        kind = self._byte()
        if kind in (_LIST_EMPTY, _LIST_8, _LIST_16):
            return tuple([self.node(depth + 1) for _ in range(self._list_size(kind))])
        if kind in _SIZES:
            return self._bytes(self._number(_SIZES[kind]))
        return self._value(kind).encode()

    def _byte(self) -> int:
        value = self._data[self._at]
        self._at += 1
        return value

    def _bytes(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise UnreadableStanza("cut short")
        found = self._data[self._at : end]
        self._at = end
        return found

    def _number(self, size: int) -> int:
        value = int.from_bytes(self._bytes(size), "big")
        return value & 0xF_FFFF if size == 3 else value

    def _list_size(self, kind: int) -> int:
        if kind == _LIST_8:
            return self._byte()
        if kind == _LIST_16:
            return self._number(2)
        if kind == _LIST_EMPTY:
            return 0
        raise UnreadableStanza("not a list")

    def _text(self, kind: int) -> str:
        """Text that is no address."""
        if kind < _DICTIONARY_0:
            return SINGLE[kind]
        if kind <= _DICTIONARY_3:
            return DOUBLE[kind - _DICTIONARY_0][self._byte()]
        if kind in _SIZES:
            return self._bytes(self._number(_SIZES[kind])).decode(errors="replace")
        if kind in _ALPHABETS:
            return self._packed(_ALPHABETS[kind])
        raise UnreadableStanza("not text")

    def _packed(self, alphabet: dict[int, int]) -> str:
        size = self._byte()
        text = self._bytes(size & 0x7F).hex().translate(alphabet)
        return text[:-1] if size & 0x80 else text

    def _value(self, kind: int) -> str:
        """Text or an address. The parts of an address are none themselves."""
        if kind == _PAIR:
            user, server = self._text(self._byte()), self._text(self._byte())
            if not server:
                raise UnreadableStanza("an address without a server")
            return f"{user}@{server}"
        if kind == _DEVICE:
            server = _DOMAINS.get(self._byte(), _DOMAINS[0])
            device, user = self._byte(), self._text(self._byte())
            return f"{user}:{device}@{server}" if device else f"{user}@{server}"
        if kind == _FACEBOOK:
            user, device = self._text(self._byte()), self._number(2)
            return f"{user}:{device}@{self._text(self._byte())}"
        if kind == _INTEROP:
            user, device, integrator = self._text(self._byte()), self._number(2), self._number(2)
            return f"{integrator}-{user}:{device}@{self._text(self._byte())}"
        return self._text(kind)


def write(stanza: StanzaPart) -> bytes:
    """The bytes that `read` makes the same stanza of.

    Raises `ValueError` for a node without a tag, and for more parts than a list can count.
    """
    out = bytearray()
    _write_node(out, stanza)
    return bytes(out)


def _write_node(out: bytearray, node: StanzaPart) -> None:
    if not node.tag:
        raise ValueError("a node without a tag")
    content = node.content
    _write_size(out, 2 * len(node.attrs) + (1 if content is None else 2))
    _write_value(out, node.tag)
    for name, value in node.attrs.items():
        _write_value(out, name)
        _write_value(out, value)
    if isinstance(content, bytes):
        _write_bytes(out, content)
    elif content is not None:
        _write_size(out, len(content))
        for child in content:
            _write_node(out, child)


def _write_size(out: bytearray, size: int) -> None:
    if size == 0:
        out.append(_LIST_EMPTY)
    elif size < 1 << 8:
        out += bytes([_LIST_8, size])
    elif size < 1 << 16:
        out.append(_LIST_16)
        out += size.to_bytes(2, "big")
    else:
        raise ValueError("a list that is too long")


def _write_value(out: bytearray, text: str) -> None:
    token = _TOKENS.get(text)
    if token is not None:
        out += token
        return
    for kind, pattern in _PACKED.items():
        if pattern.fullmatch(text):
            _write_packed(out, kind, text)
            return
    address = _ADDRESS.fullmatch(text) if "@" in text else None
    if address is None or not _write_address(out, *address.groups()):
        _write_bytes(out, text.encode())


def _write_packed(out: bytearray, kind: int, text: str) -> None:
    odd = len(text) & 1
    out += bytes([kind, (len(text) + 1) >> 1 | odd << 7])
    # Half a byte that nothing stands in is all ones.
    out += bytes.fromhex(text.translate(_DIGITS) + "f" * odd)


def _write_address(out: bytearray, user: str, device: str | None, server: str) -> bool:
    """Whether the address has a form of its own; one that has none goes as text."""
    if device is None:
        out.append(_PAIR)
    else:
        domain, number = _NUMBERS.get(server), int(device)
        if domain is None or number > 0xFF:
            return False
        out += bytes([_DEVICE, domain, number])
    if user or device is not None:
        _write_value(out, user)
    else:
        out.append(_LIST_EMPTY)
    if device is None:
        _write_value(out, server)
    return True


def _write_bytes(out: bytearray, data: bytes) -> None:
    size = len(data)
    if size < 1 << 8:
        out += bytes([252, size])
    elif size < 1 << 20:
        out.append(253)
        out += size.to_bytes(3, "big")
    else:
        out.append(254)
        out += size.to_bytes(4, "big")
    out += data
