"""The real ffmpeg: what it makes of pictures, and that no file makes it break its bounds or read another one."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from gateway.conversion import ffmpeg, recipes
from gateway.conversion.ffmpeg import Ffmpeg, NotConverted, NotInstalled

if TYPE_CHECKING:
    from pathlib import Path

needs_ffmpeg = pytest.mark.skipif(not ffmpeg.is_installed(), reason="ffmpeg is not installed here")


def picture(directory: Path, name: str = "a.png") -> Path:
    """A picture of 900 by 600 pixels."""
    made = ("-f", "lavfi", "-i", "testsrc=size=900x600", "-frames:v", "1", "-y")
    command = ("ffmpeg", "-nostdin", "-loglevel", "error", *made, str(directory / name))
    subprocess.run(command, check=True, timeout=60)
    return directory / name


async def run(source: Path | bytes, *, limit: int = 2**14, within: float = 30) -> bytes:
    return await Ffmpeg().run(
        source, recipes.thumbnail(192), unit="shop", limit=limit, within=within
    )


@needs_ffmpeg
async def test_a_thumbnail_is_a_small_jpeg(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.gif", "a.webp"):
        made = picture(tmp_path, name)
        for source in (made, made.read_bytes()):
            small = await run(source)
            assert small.startswith(b"\xff\xd8\xff")
            assert small[small.index(b"\xff\xc0") + 5 :][:4] == bytes((0, 128, 0, 192))


@needs_ffmpeg
async def test_no_bound_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = picture(tmp_path)
    with pytest.raises(NotConverted, match="more than 600 bytes"):
        await run(made, limit=600)
    with pytest.raises(NotConverted, match="longer than"):
        await run(made, within=0.001)
    with pytest.raises(NotConverted, match="damaged"):
        await run(os.urandom(10_000))
    monkeypatch.setattr(ffmpeg, "MEMORY", 20_000)
    with pytest.raises(NotConverted, match="memory"):
        await run(made)


@needs_ffmpeg
async def test_a_file_leads_to_no_other_one(tmp_path: Path) -> None:
    made = picture(tmp_path)
    for text in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{made}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{made}'\n",
    ):
        with pytest.raises(NotConverted):
            await run(text.encode())


async def test_a_host_without_ffmpeg_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not ffmpeg.is_installed()
    with pytest.raises(NotInstalled):
        await run(b"GIF89a")
