"""Declares how many bytes a message of WhatsApp has at most."""

from __future__ import annotations

from typing import Final

MAX_MESSAGE: Final = 512 * 1024
"""Bytes of one message, not encrypted: what WhatsApp's apps let a person write, and a quarter more.

A text has 65,536 UTF-16 units at most, of three bytes each in UTF-8: 192 KiB, and the text that it quotes as much. A group has
1,024 members to mention, of 32 bytes each: 32 KiB. 96 KiB are left for the thumbnails of both and for a preview. Files travel
elsewhere.
"""
