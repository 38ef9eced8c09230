"""Reads a file's head for whether WhatsApp's apps play it, and for its length and size in pixels, without ffmpeg.

Voice notes have to be Opus in Ogg of one channel, videos H.264 and AAC in MP4; every other kind is sent as it is.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from actors.media.conversion import mp4_boxes, ogg_opus, picture_headers
from actors.media.conversion.facts import Facts

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_PLAY: Final = 86_400
"""Seconds of a sound or a video at most, as of the API; a head that tells of more is not believed."""


def facts_of(path: Path, kind: str, *, voice: bool = False) -> Facts:
    """The facts of a file that is sent as this kind; to be called in a thread. Raises OSError."""
    with path.open("rb") as file:
        try:
            if kind == "video" or (kind == "audio" and not voice):
                found = mp4_boxes.facts_of(file)
            elif kind == "audio":
                found = ogg_opus.facts_of(file)
            else:
                found = picture_headers.facts_of(file) if kind == "image" else None
        except (struct.error, IndexError):  # it ends where its numbers lead on
            found = None
    if found is None:
        return Facts(plays=not needs_format(kind, voice=voice))
    if found.seconds is not None and found.seconds > LONGEST_PLAY:
        found = replace(found, seconds=None)
    return found if needs_format(kind, voice=voice) else found.played


def needs_format(kind: str, *, voice: bool = False) -> bool:
    """Whether WhatsApp's apps play one format alone of files that are sent as this kind."""
    return kind == "video" or voice
