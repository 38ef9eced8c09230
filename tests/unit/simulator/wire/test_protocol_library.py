"""Stanzas are read as clients write them."""

from __future__ import annotations

import pytest

from simulator.wire.protocol_library import Node, decode, encode


@pytest.mark.parametrize("word", ["1", "read-self", "Chrome (Linux)"])
def test_text_is_read_as_it_is_written(word: str) -> None:
    """By its place in the dictionary, of one byte or two, or letter by letter."""
    assert decode(encode(Node("iq", {}, word))).content == word.encode()
    assert decode(encode(Node("iq", {}, word.encode()))).content == word.encode()
