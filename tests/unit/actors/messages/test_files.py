"""Contents that are played as a voice."""

from __future__ import annotations

import pytest

from actors.messages.content import Audio, File, Text, Video, is_voice_note

FILE = File("00" * 32, 3, "audio/ogg", None)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (Audio(FILE, voice=True), True),
        (Audio(FILE), False),
        (Video(FILE), False),
        (Text("a voice"), False),
    ],
)
def test_a_voice_note_is_a_sound_that_says_so(content: object, expected: bool) -> None:
    assert is_voice_note(content) is expected
