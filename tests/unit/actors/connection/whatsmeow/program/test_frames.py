"""Frames of the pipe: what is written is read, and whatever else comes is malformed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connection.whatsmeow.program import frames
from actors.connection.whatsmeow.program.frames import MOST, Frame, Malformed, decode, encode


def reader(*parts: bytes) -> asyncio.StreamReader:
    made = asyncio.StreamReader()
    for part in parts:
        made.feed_data(part)
    made.feed_eof()
    return made


@pytest.mark.parametrize("body", [b"", b"\0raw\xff"])
async def test_what_is_written_is_read(body: bytes) -> None:
    first, second = {"id": 1, "do": "send", "chat": "15550100002@lid"}, {"event": "é"}
    made = reader(encode(first, body), encode(second))
    assert await frames.read(made) == Frame(first, body)
    assert await frames.read(made) == Frame(second, b"")
    with pytest.raises(asyncio.IncompleteReadError):
        await frames.read(made)


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
    with pytest.raises(Malformed):
        decode(content)


@given(st.binary(max_size=200))
def test_nothing_else_is_raised(content: bytes) -> None:
    try:
        decode(content)
    except Malformed:
        return


async def test_a_frame_beyond_the_bound_is_not_read() -> None:
    with pytest.raises(Malformed, match="too large"):
        await frames.read(reader((MOST + 1).to_bytes(4), b"x"))
    with pytest.raises(ValueError, match="too large"):
        encode({}, bytes(MOST))
