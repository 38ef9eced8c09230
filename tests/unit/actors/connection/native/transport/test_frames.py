from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connection.native.transport.frames import MAX_FRAME, FrameBuffer, FrameTooLarge, frame


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 17))
def test_frames_come_out_whole_however_the_stream_is_cut(frames: list[bytes], size: int) -> None:
    stream = b"".join(frame(one) for one in frames)
    buffer = FrameBuffer()
    got = []
    for start in range(0, len(stream), size):
        got += buffer.feed(stream[start : start + size])
    assert got == frames


def test_a_frame_that_announces_too_much_is_refused_before_it_is_held() -> None:
    with pytest.raises(FrameTooLarge):
        FrameBuffer().feed((MAX_FRAME + 1).to_bytes(3, "big"))
    with pytest.raises(FrameTooLarge):
        frame(bytes(MAX_FRAME + 1))
