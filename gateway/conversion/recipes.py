"""Declares what ffmpeg makes of files: voice notes, videos, thumbnails, waveforms; reads its answers (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Target = Literal["voice", "video"]

VOICE_MIME: Final = "audio/ogg; codecs=opus"
VIDEO_MIME: Final = "video/mp4"
_PLAYED: Final = frozenset({"video/mp4", "video/3gpp"})
"""Types of films that WhatsApp's apps play."""

BARS: Final = 64
LOUDEST: Final = 100
"""A waveform has as many bytes, each up to this."""

RATE: Final = 4_000
"""Samples a second, of a byte each, from which length and waveform are read."""

SAMPLES: Final = 3 * 3600 * RATE
"""Bytes of samples that are read at most: of three hours."""

_MOST_OF_A_BAR: Final = 500
"""Samples of a bar that are looked at."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The arguments between a file and what is made of it, and the type of that."""

    arguments: tuple[str, ...]
    mime: str


_CLEAN: Final = ("-sn", "-dn", "-map_metadata", "-1")
CONVERSIONS: Final[dict[Target, Recipe]] = {
    "voice": Recipe(
        (
            *("-map", "0:a:0", "-vn", *_CLEAN, "-ac", "1", "-ar", "48000"),
            *("-c:a", "libopus", "-b:a", "32k", "-application", "voip", "-f", "ogg"),
        ),
        VOICE_MIME,
    ),
    "video": Recipe(
        (
            *("-map", "0:v:0", "-map", "0:a:0?", *_CLEAN),
            *("-c:v", "libx264", "-preset", "veryfast", "-crf", "26", "-profile:v", "main"),
            *("-pix_fmt", "yuv420p", "-vf"),
            "scale=min(1280\\,iw):min(1280\\,ih):force_original_aspect_ratio=decrease:force_divisible_by=2",
            *("-c:a", "aac", "-b:a", "96k", "-ac", "2", "-movflags", "+faststart", "-f", "mp4"),
        ),
        VIDEO_MIME,
    ),
}
SOUND: Final = ("-map", "0:a:0", "-vn", *_CLEAN, "-ac", "1", "-ar", str(RATE), "-f", "s8")


def thumbnail(side: int) -> tuple[str, ...]:
    """The arguments for a JPEG of the first picture, `side` pixels long and high at most."""
    scale = f"scale={side}:{side}:force_original_aspect_ratio=decrease"
    frame = ("-map", "0:v:0", "-frames:v", "1", "-an", *_CLEAN, "-vf", scale)
    return (*frame, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "5", "-f", "mjpeg")


def target_of(kind: str, mime: str, *, voice: bool) -> Target | None:
    """The conversion that a file of this type needs to be played by WhatsApp's apps; None for one that they play."""
    plain = mime.partition(";")[0].strip().lower()
    if kind == "audio" and voice and plain not in {"audio/ogg", "audio/opus"}:
        return "voice"
    if kind == "video" and plain not in _PLAYED:
        return "video"
    return None


def seconds_of(samples: bytes) -> int:
    """The length in whole seconds, at least one."""
    return max(1, round(len(samples) / RATE))


def waveform_of(samples: bytes) -> bytes:
    """The loudness over time: the mean of each bar, the loudest of them as `LOUDEST`."""
    signed = memoryview(samples).cast("b")
    size = max(1, len(signed) // BARS)
    means = []
    for number in range(BARS):
        bar = signed[number * size : (number + 1) * size][:: max(1, size // _MOST_OF_A_BAR)]
        means.append(sum(map(abs, bar)) / max(1, len(bar)))
    most = max(means) or 1.0
    return bytes(int(LOUDEST * mean / most) for mean in means)
