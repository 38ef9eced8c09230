"""Stanzas as nodes, and the protobuf messages of WhatsApp (their classes are pyaileys').

Frames come from outside: whatever bytes arrive, `decode` returns a `Node` or raises
`MalformedNode`, it never inflates a frame beyond `MAX_NODE`, and a node has no more parts than
`binary` bounds.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError

from actors.connection.native.identities.addresses import SERVER
from actors.connection.native.transport import binary, tables

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_NODE: Final = 8 * 1024 * 1024
"""Bytes of a stanza once inflated; as many as a frame may have."""

MAX_NUMBER: Final = 2**32 - 1
"""No time, count or code in a stanza is larger."""

proto: Any = tables.proto
"""The generated classes; they have no types."""


class MalformedMessage(Exception):  # noqa: N818 - reads as what it is
    """These bytes are not the protobuf message they should be."""


class MalformedNode(Exception):  # noqa: N818 - reads as what it is
    """These bytes are not a binary node."""


@dataclass(frozen=True, slots=True)
class Node:
    """A stanza or a part of one: attributes are text, content is children or bytes."""

    tag: str
    attrs: dict[str, str] = field(default_factory=dict)
    content: Sequence[Node] | bytes | None = None

    def child(self, tag: str) -> Node | None:
        """The first child with this tag."""
        return next(iter(self.children(tag)), None)

    def children(self, tag: str | None = None) -> list[Node]:
        """The children, or those with this tag; none where the content is bytes."""
        if self.content is None or isinstance(self.content, bytes):
            return []
        return [child for child in self.content if tag is None or child.tag == tag]

    @property
    def data(self) -> bytes:
        """The content's bytes; empty where there are none."""
        return self.content if isinstance(self.content, bytes) else b""

    def number(self, name: str) -> int | None:
        """The attribute's number; None where it is missing or no number of 32 bits."""
        text = self.attrs.get(name, "")
        # The length first: reading thousands of digits takes long, and Python refuses to.
        if len(text) > 10 or not (text.isascii() and text.isdigit()):
            return None
        value = int(text)
        return value if value <= MAX_NUMBER else None

    def bytes_of(self, tag: str) -> bytes:
        """The bytes of the first child with this tag; empty where it is missing."""
        found = self.child(tag)
        return found.data if found is not None else b""


def iq(kind: str, namespace: str, content: Sequence[Node], to: str = SERVER) -> Node:
    """A request stanza; `kind` is ``get`` or ``set``."""
    return Node("iq", {"to": to, "type": kind, "xmlns": namespace}, content)


def parse(kind: Any, data: bytes) -> Any:
    """The message of this generated class. Raises `MalformedMessage`, whatever the bytes are."""
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise MalformedMessage(kind.__name__) from None
    return message


def encode(node: Node) -> bytes:
    """The plaintext of a frame: a flag byte (not compressed) and the node.

    Raises `ValueError` for a node without a tag or with too many parts.
    """
    return b"\0" + binary.write(node)


def decode(frame: bytes) -> Node:
    """The node in a decrypted frame. Raises `MalformedNode`, whatever the bytes are."""
    if not frame:
        raise MalformedNode("empty frame")
    try:
        return binary.read(_inflate(frame[1:]) if frame[0] & 2 else frame[1:], Node)
    except (binary.Unreadable, zlib.error) as error:
        raise MalformedNode(type(error).__name__) from error


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    body = inflater.decompress(data, MAX_NODE)
    if inflater.unconsumed_tail or not inflater.eof:
        raise MalformedNode("inflates beyond the bound, or ends early")
    return body
