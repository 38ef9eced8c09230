"""Declares what ffmpeg makes of files: voice notes, videos, thumbnails, waveforms; reads its samples."""

from __future__ import annotations

import os
from typing import IO, Final, NamedTuple

BARS: Final = 64
LOUDEST: Final = 100
"""A waveform has as many bytes, each up to this."""

WAVEFORM_RATE: Final = 4_000
"""Samples a second, of a byte each, from which length and waveform are read."""

SAMPLES: Final = 3 * 3600 * WAVEFORM_RATE
"""Bytes of samples that are read at most: of three hours."""

_SAMPLES_PER_BAR: Final = 500
"""Samples of which the loudness of a bar is the mean, at most."""


class Recipe(NamedTuple):
    """The arguments between a file and what is made of it, and the type of that."""

    arguments: tuple[str, ...]
    mime: str


_CLEAN: Final = ("-sn", "-dn", "-map_metadata", "-1")
VOICE: Final = Recipe(
    (
        *("-map", "0:a:0", "-vn", *_CLEAN, "-ac", "1", "-ar", "48000"),
        *("-c:a", "libopus", "-b:a", "32k", "-application", "voip", "-f", "ogg"),
    ),
    "audio/ogg; codecs=opus",
)
VIDEO: Final = Recipe(
    (
        *("-map", "0:v:0", "-map", "0:a:0?", *_CLEAN),
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-profile:v", "main"),
        *("-threads", "2", "-pix_fmt", "yuv420p", "-vf"),
        "scale=min(1280\\,iw):min(1280\\,ih):force_original_aspect_ratio=decrease:force_divisible_by=2",
        *("-c:a", "aac", "-b:a", "96k", "-ac", "2", "-movflags", "+faststart", "-f", "mp4"),
    ),
    "video/mp4",
)
SOUND: Final = ("-map", "0:a:0", "-vn", *_CLEAN, "-ac", "1", "-ar", str(WAVEFORM_RATE), "-f", "s8")


def thumbnail(side: int) -> tuple[str, ...]:
    """The arguments for a JPEG of the first picture, `side` pixels long and high at most."""
    scale = f"scale={side}:{side}:force_original_aspect_ratio=decrease"
    frame = ("-map", "0:v:0", "-frames:v", "1", "-an", *_CLEAN)
    jpeg = ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "5", "-f", "mjpeg")
    return (*frame, "-vf", scale, *jpeg)


def seconds_of(samples: IO[bytes]) -> int:
    """The length in whole seconds, at least one."""
    return max(1, round(os.fstat(samples.fileno()).st_size / WAVEFORM_RATE))


def waveform_of(samples: IO[bytes]) -> bytes:
    """The loudness over time: the mean of each bar, the loudest of them as `LOUDEST`."""
    size = max(1, os.fstat(samples.fileno()).st_size // BARS)
    samples.seek(0)
    means = []
    for _ in range(BARS):
        bar = memoryview(samples.read(size)).cast("b")[:: max(1, size // _SAMPLES_PER_BAR)]
        means.append(sum(map(abs, bar)) / max(1, len(bar)))
    most = max(means) or 1.0
    return bytes(int(LOUDEST * mean / most) for mean in means)
