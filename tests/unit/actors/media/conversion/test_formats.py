"""Formats that WhatsApp's apps play, read off the heads of files; without ffmpeg."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.media.conversion.facts import Facts
from actors.media.conversion.formats import facts_of
from tests.media_samples import film, voice_note

if TYPE_CHECKING:
    from pathlib import Path


def of(directory: Path, content: bytes, kind: str, *, voice: bool = False) -> Facts:
    path = directory / "file"
    path.write_bytes(content)
    return facts_of(path, kind, voice=voice)


def test_a_voice_note_is_opus_of_one_channel(tmp_path: Path) -> None:
    assert of(tmp_path, voice_note(), "audio", voice=True) == Facts(True, 3)
    assert of(tmp_path, voice_note(channels=2), "audio", voice=True) == Facts(False, 3)
    other = voice_note().replace(b"OpusHead", b"\x01vorbis")
    assert of(tmp_path, other, "audio", voice=True) == Facts(False)
    assert of(tmp_path, film(), "audio", voice=True) == Facts(False)
    # As a file of sound it goes as it is.
    assert of(tmp_path, b"anything", "audio") == Facts(True)


@pytest.mark.parametrize(
    ("content", "plays"),
    [
        (film(), True),
        (film(sound=None), True),
        (film(profile=66), True),
        (film(profile=100), True),
        (film(profile=110), False),  # 10 bits
        (film(profile=244), False),  # 4:4:4
        (film(codec=b"hvc1"), False),
        (film(sound=0x6B), False),  # MP3
        (film(brand=b"qt  "), False),
        (film(pieces=True), False),
    ],
)
def test_a_video_is_h264_and_aac_in_mp4(tmp_path: Path, content: bytes, plays: bool) -> None:
    assert of(tmp_path, content, "video") == Facts(plays, 2, 320, 240)


def test_a_turned_video_is_higher_than_long(tmp_path: Path) -> None:
    assert of(tmp_path, film(turned=True), "video") == Facts(True, 2, 240, 320)


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 30, 20) + bytes(8),
        b"GIF89a" + struct.pack("<HH", 30, 20) + bytes(22),
        b"\xff\xd8\xff\xe0\x00\x10" + bytes(14) + b"\xff\xc2\x00\x0b\x08\x00\x14\x00\x1e",
        b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 30, 20) + bytes(2),
        b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + struct.pack("<I", 29 | 19 << 14) + bytes(7),
        b"RIFF\0\0\0\0WEBPVP8X\n\0\0\0\0\0\0\0\x1d\0\0\x13\0\0" + bytes(2),
    ],
)
def test_a_picture_has_its_size(tmp_path: Path, content: bytes) -> None:
    assert of(tmp_path, content, "image") == Facts(True, None, 30, 20)
    assert of(tmp_path, content, "document") == Facts(True)


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


FTYP = box(b"ftyp", b"isom\0\0\0\0")
ENDLESS = bytes((1, 0, 0, 0)) + bytes(16) + struct.pack(">IQ", 1, 2**63 + 5)


@pytest.mark.parametrize("size", [2**63 - 1, 2**63 + 16, 2**64 - 1])
def test_a_box_that_leads_beyond_every_file_ends_it(tmp_path: Path, size: int) -> None:
    content = FTYP + struct.pack(">I4sQ", 1, b"mdat", size) + bytes(8)
    assert of(tmp_path, content, "video") == Facts(False)
    assert of(tmp_path, content, "audio") == Facts(True)


def test_a_length_beyond_a_day_is_left_out(tmp_path: Path) -> None:
    """A message has 32 bits for it; of an endless film nothing would leave."""
    assert of(tmp_path, FTYP + box(b"moov", box(b"mvhd", ENDLESS)), "audio") == Facts(True)
    note = voice_note()
    last = note.rindex(b"OggS") + 6
    note = note[:last] + struct.pack("<q", 2**62) + note[last + 8 :]
    assert of(tmp_path, note, "audio", voice=True) == Facts(True)


@settings(max_examples=60, deadline=None)
@given(
    content=st.sampled_from([film(), voice_note(), b"\xff\xd8\xff\xe0\0\x10"]),
    end=st.integers(0, 700),
    at=st.integers(0, 700),
    new=st.binary(max_size=4),
)
def test_no_file_breaks_it(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, end: int, at: int, new: bytes
) -> None:
    directory = tmp_path_factory.mktemp("files")
    broken = content[:at] + new + content[at + len(new) : end]
    for kind, voice in (("audio", True), ("audio", False), ("video", False), ("image", False)):
        of(directory, broken, kind, voice=voice)
