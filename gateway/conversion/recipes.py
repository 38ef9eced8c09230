"""Declares what ffmpeg makes of files, as the arguments between a file and its output (pure)."""

from __future__ import annotations


def thumbnail(side: int) -> tuple[str, ...]:
    """The arguments for a JPEG of the first picture, `side` pixels long and high at most."""
    scale = f"scale={side}:{side}:force_original_aspect_ratio=decrease"
    frame = ("-map", "0:v:0", "-frames:v", "1", "-an", "-sn", "-dn", "-map_metadata", "-1")
    jpeg = ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-q:v", "5", "-f", "mjpeg")
    return (*frame, "-vf", scale, *jpeg)
