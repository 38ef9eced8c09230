"""Declares how many bytes a message of WhatsApp has at most: one that is sent, and one of another account."""

from __future__ import annotations

from typing import Final

MAX_MESSAGE: Final = 512 * 1024
"""Bytes of one message, not encrypted: what WhatsApp's apps let a person write, and a quarter more.

A text has 65,536 UTF-16 units at most, of three bytes each in UTF-8: 192 KiB, and the text that it quotes as much. A group has
1,024 members to mention, of 32 bytes each: 32 KiB. 96 KiB are left for the thumbnails of both and for a preview. Files travel
elsewhere.
"""

MAX_CIPHERTEXT: Final = MAX_MESSAGE + 1024
"""Bytes of one message of another account, encrypted: keys, counters, padding and MAC take a few hundred.

The account's own devices send more than messages to each other: histories, and messages that they hand on."""
