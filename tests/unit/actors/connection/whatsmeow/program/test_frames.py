"""Frames of the pipe: what is written is read, and whatever else comes is malformed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connection.whatsmeow.program.frames import (
    MAX_FRAME_BYTES,
    Frame,
    Frames,
    MalformedFrame,
    decode,
    encode,
)

HEADERS: list[dict[str, Any]] = [
    {"id": 1, "do": "send", "chat": "15550100002@lid"},
    {"event": "é"},
    {"id": 3},
]


@given(st.lists(st.binary(max_size=40), min_size=3, max_size=3), st.lists(st.integers(1, 200)))
def test_what_is_written_is_read_in_whatever_pieces_it_comes(
    bodies: list[bytes], cuts: list[int]
) -> None:
    written = list(zip(HEADERS, bodies, strict=True))
    stream = b"".join(encode(*one) for one in written)
    places = [0, *sorted({min(cut, len(stream)) for cut in cuts}), len(stream)]
    arriving = Frames()
    found: list[Frame] = []
    for begin, end in pairwise(places):
        found += arriving.take(stream[begin:end])
    assert found == [Frame(*one) for one in written]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\0",
        b"\0\0\0\x05{}",
        b"\xff\xff\xff\xff{}",
        b"\0\0\0\x02[]",
        b"\0\0\0\x03{]}",
        b"\0\0\0\x02\xff\xfe",
    ],
)
def test_what_is_no_frame_is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedFrame):
        decode(content)


@given(st.binary(max_size=200))
def test_nothing_else_is_raised(content: bytes) -> None:
    try:
        decode(content)
    except MalformedFrame:
        return


def test_a_frame_beyond_the_bound_is_not_read() -> None:
    with pytest.raises(MalformedFrame, match="too large"):
        list(Frames().take((MAX_FRAME_BYTES + 1).to_bytes(4) + b"x"))
    with pytest.raises(ValueError, match="too large"):
        encode({}, bytes(MAX_FRAME_BYTES))
