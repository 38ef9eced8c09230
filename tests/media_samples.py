"""Sound and film for tests: small files that WhatsApp's apps would play, and real ones that ffmpeg makes."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from actors.media.conversion import ffmpeg

needs_ffmpeg = pytest.mark.skipif(not ffmpeg.is_installed(), reason="ffmpeg is not installed here")

SINE = ("-f", "lavfi", "-i", "sine=frequency=440:duration=3")
FILM = ("-f", "lavfi", "-i", "testsrc=duration=2:size=321x241:rate=10")


def voice_note(*, channels: int = 1, seconds: int = 3, filling: int = 64) -> bytes:
    """The frame of a voice note, Opus in Ogg; its sound is noise that no decoder takes."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, channels, 312, 48_000, 0, 0)
    return _page(0, head) + _page(312 + seconds * 48_000, os.urandom(filling))


def _page(position: int, content: bytes) -> bytes:
    lengths = bytes([255] * (len(content) // 255) + [len(content) % 255])
    header = struct.pack("<4sBBqIIIB", b"OggS", 0, 2, position, 7, 0, 0, len(lengths))
    return header + lengths + content


def film(
    *,
    brand: bytes = b"isom",
    codec: bytes = b"avc1",
    profile: int = 77,
    sound: int | None = 0x40,
    turned: bool = False,
    pieces: bool = False,
    filling: int = 64,
) -> bytes:
    """The boxes of a film of 2 seconds and 320 by 240 pixels, around noise that no decoder takes."""
    matrix = (0, 65_536, -65_536, 0) if turned else (65_536, 0, 0, 65_536)
    shown = struct.pack(">iiiiiiiii", *matrix[:2], 0, *matrix[2:], 0, 0, 0, 1 << 30)
    picture = bytes(24) + struct.pack(">HH", 320, 240) + bytes(50)
    tracks = _track(
        b"vide",
        bytes(40) + shown + bytes(8),
        _box(codec, picture + _box(b"avcC", bytes((1, profile, 0, 31)))),
    )
    if sound is not None:
        described = bytes(4) + b"\x03\x19\0\0\0\x04\x11" + bytes((sound,)) + bytes(16)
        tracks += _track(b"soun", bytes(84), _box(b"mp4a", bytes(28) + _box(b"esds", described)))
    header = _box(b"mvhd", bytes(12) + struct.pack(">II", 1000, 2000) + bytes(80))
    index = _box(b"moov", header + tracks + (_box(b"mvex", b"") if pieces else b""))
    return _box(b"ftyp", brand + bytes(4)) + _box(b"mdat", os.urandom(filling)) + index


def _track(kind: bytes, header: bytes, entry: bytes) -> bytes:
    tables = _box(b"stbl", _box(b"stsd", struct.pack(">II", 0, 1) + entry))
    handler = _box(b"hdlr", bytes(8) + kind + bytes(13))
    return _box(b"trak", _box(b"tkhd", header) + _box(b"mdia", handler + _box(b"minf", tables)))


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def made(path: Path, *arguments: str) -> bytes:
    """The bytes of a file that ffmpeg writes there."""
    command = ("ffmpeg", "-nostdin", "-loglevel", "error", *arguments, "-y", str(path))
    subprocess.run(command, check=True, timeout=300)
    return path.read_bytes()


def wav(directory: Path) -> bytes:
    return _written(directory / "tone.wav", SINE)


def avi(directory: Path) -> bytes:
    return _written(directory / "film.avi", (*FILM, *SINE, "-shortest"))


def _written(path: Path, arguments: tuple[str, ...]) -> bytes:
    """Writes what ffmpeg makes of these arguments, which it does once for all tests of a process."""
    content = _made_once(arguments, path.suffix)
    path.write_bytes(content)
    return content


@cache
def _made_once(arguments: tuple[str, ...], suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        return made(Path(directory, f"sample{suffix}"), *arguments)


def probed(content: bytes) -> dict[str, Any]:
    """Format, codecs and sizes of a file, as ffprobe reads it."""
    command = ("ffprobe", "-loglevel", "error", "-of", "json", "-show_format", "-show_streams", "-")
    answer = subprocess.run(command, input=content, capture_output=True, check=True, timeout=300)
    found = json.loads(answer.stdout)
    return {
        "format": found["format"]["format_name"],
        "codecs": {one["codec_type"]: one["codec_name"] for one in found["streams"]},
        "channels": [one["channels"] for one in found["streams"] if "channels" in one],
        "pixels": [one["pix_fmt"] for one in found["streams"] if "pix_fmt" in one],
        "size": [(one["width"], one["height"]) for one in found["streams"] if "width" in one],
    }
