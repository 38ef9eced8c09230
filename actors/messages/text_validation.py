"""Validates the characters and length of a message text that a caller sends, and rejects a bad one (pure)."""

from __future__ import annotations

import re

MAX_TEXT_CHARACTERS = 65_536  # WhatsApp's limit for a text message

# C0 except tab, line feed and carriage return; DEL. No client of WhatsApp can show them.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

# The texts that `sendable` takes, as a pattern for JSON Schema: no control character, and at least one
# that is no white space.
_REFUSED = r"\x00-\x08\x0B\x0C\x0E-\x1F\x7F"
_WHITE = r"\t\n\r \x85\xA0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000"
TEXT_PATTERN = f"^[^{_REFUSED}]*[^{_REFUSED}{_WHITE}][^{_REFUSED}]*$"


class InvalidText(ValueError):
    """A text that cannot be sent; the message never repeats it. `code` is stable."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def sendable(text: str) -> str:
    """The text itself; raises `InvalidText` when WhatsApp would refuse or mangle it."""
    if not text or text.isspace():
        raise InvalidText("text_empty", "write a text that is more than white space")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InvalidText(
            "text_too_long",
            f"write at most {MAX_TEXT_CHARACTERS} characters, not {len(text)}",
        )
    found = None if text.isprintable() else _CONTROL.search(text)
    if found:
        raise InvalidText(
            "control_character",
            f"write it without control characters; character {found.start() + 1} is U+{ord(found[0]):04X}",
        )
    return text
