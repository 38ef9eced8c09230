"""The one typed door to pyaileys: binary nodes, and the protobuf messages of WhatsApp.

Frames come from outside: whatever bytes arrive, `decode` returns a `Node` or raises
`MalformedNode`, and it never inflates a frame beyond `MAX_NODE`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from pyaileys.exceptions import PyaileysError
from pyaileys.proto import WAProto_pb2
from pyaileys.wabinary import BinaryNode, decode_decompressed_binary_node, encode_binary_node

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_NODE: Final = 16 * 1024 * 1024
"""Bytes; the length prefix of a frame allows no more either."""

proto: Any = WAProto_pb2
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

    def bytes_of(self, tag: str) -> bytes:
        """The bytes of the first child with this tag; empty where it is missing."""
        found = self.child(tag)
        return found.data if found is not None else b""


def parse(kind: Any, data: bytes) -> Any:
    """The message of this generated class. Raises `MalformedMessage`, whatever the bytes are."""
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise MalformedMessage(kind.__name__) from None
    return message


def encode(node: Node) -> bytes:
    """The plaintext of a frame: a flag byte (not compressed) and the node."""
    encoded: bytes = encode_binary_node(_outward(node))
    return encoded


def decode(frame: bytes) -> Node:
    """The node in a decrypted frame. Raises `MalformedNode`, whatever the bytes are."""
    try:
        if not frame:
            raise MalformedNode("empty frame")
        body = _inflate(frame[1:]) if frame[0] & 2 else frame[1:]
        return _inward(decode_decompressed_binary_node(body))
    except (PyaileysError, zlib.error, ValueError, LookupError, TypeError, RecursionError) as error:
        raise MalformedNode(type(error).__name__) from error


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    body = inflater.decompress(data, MAX_NODE)
    if inflater.unconsumed_tail or not inflater.eof:
        raise MalformedNode("inflates beyond the bound, or ends early")
    return body


def _outward(node: Node) -> Any:
    content: Any = node.content
    if content is not None and not isinstance(content, bytes):
        content = [_outward(child) for child in content]
    return BinaryNode(tag=node.tag, attrs=node.attrs, content=content)


def _inward(node: Any) -> Node:
    content = node.content
    if isinstance(content, list):
        content = tuple(_inward(child) for child in content)
    elif isinstance(content, str):
        content = content.encode()
    return Node(node.tag, node.attrs, content)
