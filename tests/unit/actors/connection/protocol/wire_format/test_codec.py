from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connection.protocol.wire_format.codec import MAX_NODE, MalformedNode, decode, encode
from actors.connection.protocol.wire_format.nodes import Node

STANZA = Node(
    "message",
    {"id": "3EB0AABB", "to": "15550100002@s.whatsapp.net", "type": "text"},
    (
        Node("participants", {}, (Node("to", {"jid": "15550100002:3@s.whatsapp.net"}),)),
        Node("enc", {"v": "2", "type": "msg"}, bytes(range(256)) * 5),
    ),
)


def test_what_was_encoded_decodes_to_the_same() -> None:
    assert decode(encode(STANZA)) == STANZA


def test_a_compressed_frame() -> None:
    assert decode(b"\x02" + zlib.compress(encode(STANZA)[1:])) == STANZA


def test_content_that_is_a_token_is_bytes() -> None:
    assert decode(bytes([0, 248, 2, 3, 3])).data != b""


@given(st.binary(max_size=300))
def test_any_bytes_are_a_node_or_malformed(data: bytes) -> None:
    try:
        decode(data)
    except MalformedNode:
        return


@given(st.integers(1, 400), st.integers(0, 255))
def test_a_damaged_stanza_is_a_node_or_malformed(position: int, value: int) -> None:
    data = bytearray(encode(STANZA))
    data[position % len(data)] = value
    try:
        decode(bytes(data))
    except MalformedNode:
        return


def test_depth_is_bounded() -> None:
    with pytest.raises(MalformedNode):
        decode(b"\x00" + b"\xf8\x02\x03\xf8\x01" * 100_000)


def test_inflation_is_bounded() -> None:
    with pytest.raises(MalformedNode):
        decode(b"\x02" + zlib.compress(bytes(MAX_NODE + 1)))
