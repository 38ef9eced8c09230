"""The binary form, against pyaileys' and pywhats' codecs, and its bounds."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyaileys.wabinary import BinaryNode, decode_decompressed_binary_node, encode_binary_node
from pyaileys.wabinary.constants import DOUBLE_BYTE_TOKENS, SINGLE_BYTE_TOKENS

from actors.connection.protocol.wire_format import binary
from actors.connection.protocol.wire_format.binary import UnreadableStanza, read, write
from actors.connection.protocol.wire_format.codec import MalformedNode, decode, encode
from actors.connection.protocol.wire_format.nodes import Node
from actors.connection.protocol.wire_format.tokens import DOUBLE, SINGLE
from simulator.wire import protocol_library

WORDS = st.sampled_from(
    [
        "to",
        "15550100002@s.whatsapp.net",
        "15550100002:3@s.whatsapp.net",
        "90000000000002:33@lid",
        "15550100002:0@s.whatsapp.net",
        "15550100002:999@s.whatsapp.net",
        "15550100002_1:2@s.whatsapp.net",
        "@s.whatsapp.net",
        "5@hosted",
        "a:b@c",
        "@",
        "a@b@c",
        "3EB0AABB",
        "3eb0aabb",
        "1.5-7",
        "0" * 127,
        "0" * 128,
        "",
        "\0",
        "añadido",
        "x" * 255,
        "x" * 256,
    ]
)
TEXTS = WORDS | st.text(max_size=20)
CONTENTS = st.none() | st.binary(max_size=300)
NODES: st.SearchStrategy[Node] = st.recursive(
    st.builds(Node, TEXTS.filter(bool), st.dictionaries(TEXTS, TEXTS, max_size=4), CONTENTS),
    lambda inner: st.builds(
        Node,
        TEXTS.filter(bool),
        st.dictionaries(TEXTS, TEXTS, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=8,
)

# Addresses of the kind that pyaileys reads twice where the second reading fails.
ENTANGLED = b"\xf8\x04\x03" + (bytes.fromhex("f5f5f5f503f5f5f5") * 64)


def pyaileys(node: Node) -> Any:
    content: Any = node.content
    if content is not None and not isinstance(content, bytes):
        content = [pyaileys(child) for child in content]
    return BinaryNode(tag=node.tag, attrs=node.attrs, content=content)


def test_the_tokens_are_those_of_two_libraries() -> None:
    from pywhats.binary import tokens  # which warns unless the simulator's codec loaded it

    for singles, pages in (
        (SINGLE_BYTE_TOKENS, DOUBLE_BYTE_TOKENS),
        (tokens.SINGLE_BYTE_TOKENS, tokens.DOUBLE_BYTE_TOKENS),
    ):
        assert tuple(singles) == SINGLE
        assert tuple(map(tuple, pages)) == DOUBLE


def test_each_token_is_written_as_pyaileys_writes_it() -> None:
    for word in (*SINGLE[1:], *(word for page in DOUBLE for word in page)):
        node = Node(word)
        assert b"\0" + write(node) == encode_binary_node(pyaileys(node))
        assert read(write(node), Node) == node


@given(NODES)
def test_what_is_written_reads_the_same(node: Node) -> None:
    assert read(write(node), Node) == node


@given(NODES)
def test_pyaileys_reads_the_same(node: Node) -> None:
    assert decode_decompressed_binary_node(write(node)) == pyaileys(node)


def test_what_is_written_is_what_pyaileys_writes() -> None:
    attrs = {
        "id": "3EB0AABB",
        "to": "15550100002:3@s.whatsapp.net",
        "participant": "90000000000002@lid",
        "from": "@s.whatsapp.net",
        "t": "1700000000",
        "notify": "a name",
    }
    node = Node("message", attrs, (Node("enc", {"v": "2"}, bytes(300)), Node("meta")))
    assert b"\0" + write(node) == encode_binary_node(pyaileys(node))


def test_the_simulators_library_reads_the_same() -> None:
    node = Node("iq", {"id": "3EB0AABB.1", "to": "15550100002:3@s.whatsapp.net"}, (Node("ping"),))
    found = protocol_library.decode(b"\0" + write(node))
    assert (found.tag, str(found.attrs["id"])) == ("iq", "3EB0AABB.1")
    assert found.attrs["to"] == protocol_library.JID("15550100002", "s.whatsapp.net", 3)
    assert [child.tag for child in found.content] == ["ping"]


def test_text_that_is_not_utf8_is_repaired() -> None:
    """A sender chooses the name in a message: it must not end the connection at each login."""
    data = b"\xf8\x03\x13" + write(Node("notify"))[2:] + b"\xfc\x02\xff\xfe"
    assert read(data, Node).attrs == {"notify": "\ufffd\ufffd"}


def test_entangled_addresses_take_no_time() -> None:
    """The third-party reader needs more than the age of the universe for these 515 bytes."""
    began = time.process_time()
    with pytest.raises(MalformedNode):
        decode(b"\0" + ENTANGLED)
    assert time.process_time() - began < 10


def test_parts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = 25_000  # a tenth of what real stanzas may have: each part costs the same
    monkeypatch.setattr(binary, "MAX_PARTS", bound)
    leaf = b"\xf8\x01\x03"
    many = b"\xf8\x02\x03\xf9\x01\x00" + (b"\xf8\x02\x03\xf9\x1f\xff" + leaf * 0x1FFF) * 0x100
    attributes = b"\xf8\x02\x03\xf9\x01\x00" + (b"\xf9\x1f\xff\x03" + b"\0" * 0x1FFE) * 0x100
    for bomb in (many, attributes):
        tracemalloc.start()
        try:
            with pytest.raises(UnreadableStanza, match="too many parts"):
                read(bomb, Node)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < bound * 400


def test_sizes_that_are_not_there_are_not_reserved() -> None:
    for claim in (b"\xfe\xff\xff\xff\xff", b"\xfd\xff\xff\xff", b"\xf9\xff\xff"):
        with pytest.raises(UnreadableStanza):
            read(b"\xf8\x02\x03" + claim, Node)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("0900", 900),
        ("4294967295", 2**32 - 1),
        ("4294967296", None),
        ("9" * 5000, None),
        ("-1", None),
        ("²", None),
        ("\u0661", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_numbers(text: str, number: int | None) -> None:
    """Python reads no more than 4300 digits and raises, SQLite stores 64 bits and raises."""
    assert decode(encode(Node("x", {"t": text}))).number("t") == number
