"""Converts decrypted frames (a flag byte and a binary stanza) to nodes and back; raises on malformed bytes.

Frames come from outside: for any bytes, `decode` returns a `Node` or raises
`MalformedNode`, it never inflates a frame beyond `MAX_NODE`, and a node has no more parts than
`binary` bounds.
"""

from __future__ import annotations

import zlib
from typing import Final

from actors.connection.protocol.wire_format import binary
from actors.connection.protocol.wire_format.nodes import Node

MAX_NODE: Final = 8 * 1024 * 1024
"""Bytes of a stanza once inflated; as many as a frame may have."""


class MalformedNode(Exception):  # noqa: N818 - reads as what it is
    """These bytes are not a binary node."""


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
    except (binary.UnreadableStanza, zlib.error) as error:
        raise MalformedNode(type(error).__name__) from error


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    body = inflater.decompress(data, MAX_NODE)
    if inflater.unconsumed_tail or not inflater.eof:
        raise MalformedNode("inflates beyond the bound, or ends early")
    return body
