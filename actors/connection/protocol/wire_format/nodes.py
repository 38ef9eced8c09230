"""Defines stanzas as `Node` values, builds iq requests, and parses protobuf bytes without trusting them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError

from actors.connection.protocol.identities.addresses import SERVER
from actors.connection.protocol.wire_format import whatsapp_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_NUMBER: Final = 2**32 - 1
"""No time, count or code in a stanza is larger."""

proto: Any = whatsapp_pb2
"""The classes of `whatsapp.proto`; they have no types."""


class MalformedMessage(Exception):
    """These bytes are not the protobuf message they should be."""


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
