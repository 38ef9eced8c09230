from __future__ import annotations

import pytest

from actors.messages.field_types import MAX_TEXT_CHARACTERS, InvalidText, sendable


@pytest.mark.parametrize(
    "text", ["hi", "two\nlines\tand a tab\r\n", "x" * MAX_TEXT_CHARACTERS, "👋🏽", " a "]
)
def test_sendable(text: str) -> None:
    assert sendable(text) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "text_empty"),
        (" \n\t", "text_empty"),
        ("x" * (MAX_TEXT_CHARACTERS + 1), "text_too_long"),
        ("a\0b", "control_character"),
        ("a\x1bb", "control_character"),
        ("a\x7f", "control_character"),
    ],
)
def test_not_sendable(text: str, code: str) -> None:
    with pytest.raises(InvalidText) as refused:
        sendable(text)
    assert refused.value.code == code


def test_the_place_of_a_control_character_is_named() -> None:
    with pytest.raises(InvalidText, match=r"character 3 is U\+0000"):
        sendable("ab\0")
