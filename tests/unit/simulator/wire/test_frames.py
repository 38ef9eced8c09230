"""Frames, however the WebSocket cuts them."""

from __future__ import annotations

import pytest

from simulator.wire.frames import MAX_FRAME, FrameError, FrameReader, framed


class Pieces:
    """A socket that delivers what it is given, piece by piece."""

    def __init__(self, *pieces: str | bytes) -> None:
        self._pieces = list(pieces)

    async def recv(self) -> str | bytes:
        if not self._pieces:
            raise EOFError
        return self._pieces.pop(0)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_header_and_frames_cut_anywhere(size: int) -> None:
    stream = b"WA\x06\x03" + framed(b"first") + framed(b"") + framed(b"x" * 300)
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    reader = FrameReader(Pieces(*pieces))
    assert await reader.header() == b"WA\x06\x03"
    assert [await reader.frame() for _ in range(3)] == [b"first", b"", b"x" * 300]
    with pytest.raises(EOFError):
        await reader.frame()


async def test_routing_info_comes_before_the_header() -> None:
    stream = b"ED\x00\x01" + (9).to_bytes(3, "big") + b"simulator" + b"WA\x06\x03" + framed(b"a")
    reader = FrameReader(Pieces(stream))
    assert await reader.header() == b"WA\x06\x03"
    assert await reader.frame() == b"a"


@pytest.mark.parametrize("first", ["WA\x06\x03", b"GET ", b"wa\x06\x03"])
async def test_anything_else_is_refused(first: str | bytes) -> None:
    with pytest.raises(FrameError):
        await FrameReader(Pieces(first)).header()


def test_a_frame_has_a_limit() -> None:
    with pytest.raises(FrameError):
        framed(bytes(MAX_FRAME + 1))
