"""The real ffmpeg: what it makes of files, and that no file makes it break its bounds or read another one."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from actors.media.conversion import ffmpeg, formats, recipes
from actors.media.conversion.ffmpeg import Ffmpeg, NotConverted, NotInstalled, TooSlow
from actors.runtime.limits.host_turns import HostTurns
from tests.media_samples import avi, made, needs_ffmpeg, probed, wav
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST = 2**20
THUMBNAIL = recipes.thumbnail(192)
ENDLESS = ("-f", "lavfi", "-i", "sine", "-map", "1:a:0", "-f", "null")
GREEDY_SECONDS = 60.0
GROWING = ("-re", *ENDLESS[:-1], "s16le")


def picture(directory: Path, name: str = "a.png") -> Path:
    """A picture of 900 by 600 pixels."""
    made(directory / name, "-f", "lavfi", "-i", "testsrc=size=900x600", "-frames:v", "1")
    return directory / name


def runner(directory: Path) -> Ffmpeg:
    return Ffmpeg(directory, "runs")


async def run(
    directory: Path,
    source: Path | bytes,
    arguments: Sequence[str] = recipes.VOICE.arguments,
    *,
    limit: int = LARGEST,
    within: float = 300,
) -> bytes:
    return await runner(directory).run(source, arguments, unit="shop", limit=limit, within=within)


@needs_ffmpeg
async def test_a_thumbnail_is_a_small_jpeg(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.gif", "a.webp"):
        made = picture(tmp_path, name)
        for source in (made, made.read_bytes()):
            small = await run(tmp_path, source, THUMBNAIL, limit=2**14)
            assert small.startswith(b"\xff\xd8\xff")
            assert small[small.index(b"\xff\xc0") + 5 :][:4] == bytes((0, 128, 0, 192))


@needs_ffmpeg
async def test_a_voice_note_is_opus_in_ogg(tmp_path: Path) -> None:
    wav(tmp_path)
    note = await run(tmp_path, tmp_path / "tone.wav")
    found = probed(note)
    assert (found["format"], found["codecs"], found["channels"]) == ("ogg", {"audio": "opus"}, [1])
    (tmp_path / "note").write_bytes(note)
    assert formats.facts_of(tmp_path / "note", "audio", voice=True).plays
    with await runner(tmp_path).make(
        note, recipes.SOUND, unit="shop", limit=recipes.SAMPLES, within=300
    ) as samples:
        assert recipes.seconds_of(samples) == 3
        assert min(recipes.waveform_of(samples)) > 50, "a tone is loud from beginning to end"


@needs_ffmpeg
async def test_a_video_is_an_mp4_that_begins_with_its_index(tmp_path: Path) -> None:
    avi(tmp_path)
    film = await run(tmp_path, tmp_path / "film.avi", recipes.VIDEO.arguments)
    found = probed(film)
    assert found["codecs"] == {"video": "h264", "audio": "aac"}
    assert (found["pixels"], found["size"]) == (["yuv420p"], [(320, 240)])
    assert film.index(b"moov") < film.index(b"mdat")
    (tmp_path / "film").write_bytes(film)
    assert formats.facts_of(tmp_path / "film", "video").plays
    silent = made(tmp_path / "silent.avi", "-i", str(tmp_path / "film.avi"), "-an")
    assert b"moov" in await run(tmp_path, silent, recipes.VIDEO.arguments)
    large = made(
        tmp_path / "l.avi", "-f", "lavfi", "-i", "testsrc=duration=1:size=1920x1080:rate=5"
    )
    film = await run(tmp_path, large, recipes.VIDEO.arguments)
    assert probed(film)["size"] == [(1280, 720)]


@needs_ffmpeg
async def test_no_bound_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = picture(tmp_path)
    with pytest.raises(NotConverted, match="more than 600 bytes"):
        await run(tmp_path, made, THUMBNAIL, limit=600)
    with pytest.raises(NotConverted, match="more than 600 bytes"):
        await run(tmp_path, made, GROWING, limit=600, within=60)
    with pytest.raises(TooSlow, match="longer than"):
        await run(tmp_path, made, THUMBNAIL, within=0.001)
    with pytest.raises(NotConverted, match="damaged"):
        await run(tmp_path, os.urandom(10_000), THUMBNAIL)
    monkeypatch.setattr(ffmpeg, "MAX_ADDRESS_SPACE", 20_000)
    with pytest.raises(NotConverted, match="memory"):
        await run(tmp_path, made, THUMBNAIL)


@needs_ffmpeg
async def test_a_file_leads_to_no_other_one(tmp_path: Path) -> None:
    source = "testsrc=duration=1:size=90x60:rate=5"
    # Of a type that lists may lead to, if they were read.
    film = tmp_path / "a.ts"
    made(film, "-f", "lavfi", "-i", source, "-c:v", "mpeg2video")
    assert (await run(tmp_path, film, THUMBNAIL)).count(b"\xff\xd8\xff") == 1
    for text in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{tmp_path / 'a.ts'}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{tmp_path}/a.ts'\n",
    ):
        with pytest.raises(NotConverted):
            await run(tmp_path, text.encode(), THUMBNAIL)


def running(word: str) -> set[int]:
    """The process ids of this process's children with this word in their command."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if word in child.cmdline():
                found.add(child.pid)
    return found


def opened_by(pid: int) -> set[str]:
    """The names of the files that a process has open."""
    return {file.readlink().name for file in Path(f"/proc/{pid}/fd").iterdir()}


@needs_ffmpeg
async def test_nothing_goes_on_for_a_caller_that_left(tmp_path: Path) -> None:
    wav(tmp_path)
    named = f"title={tmp_path}"  # among what other tests run
    endless = ("-metadata", named, *ENDLESS)
    task = asyncio.create_task(run(tmp_path, tmp_path / "tone.wav", endless))
    while not running(named):  # noqa: ASYNC110 - a process says nothing
        await asyncio.sleep(0.05)
    (child,) = running(named)
    assert "runs-short-0.lock" in opened_by(child), (
        "it would run beyond its turn if this process died"
    )
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually("it is dead", lambda: not running(named), 10)  # killed, at the least
    async with HostTurns(tmp_path, "runs-short", 1).turn():
        pass


@needs_ffmpeg
async def test_files_that_never_end_hold_up_no_other_tenants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenant has two connections, each with two such files; another one has a voice note."""
    monkeypatch.setattr(ffmpeg, "SHORT_RUN_SECONDS", 0.5)
    wav(tmp_path)

    async def greedy(own: Ffmpeg) -> None:
        endless = ("-re", *ENDLESS)
        with suppress(TooSlow):
            await own.run(
                tmp_path / "tone.wav", endless, unit="", limit=LARGEST, within=GREEDY_SECONDS
            )

    connections = [runner(tmp_path) for _ in range(2)]
    files = [asyncio.create_task(greedy(own)) for own in connections for _ in range(2)]
    while len(running("lavfi")) < 2:  # noqa: ASYNC110 - a process says nothing
        await asyncio.sleep(0.05)
    monkeypatch.setattr(ffmpeg, "SHORT_RUN_SECONDS", 10.0)  # of the note, on a slow machine
    assert await run(tmp_path, tmp_path / "tone.wav")
    assert not any(file.done() for file in files), "the note waited for one of them"
    for file in files:
        file.cancel()
    await asyncio.gather(*files, return_exceptions=True)
    assert not running("lavfi")


@needs_ffmpeg
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_run_that_is_ended_from_outside_may_be_tried_again(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A host without memory kills it: that tells nothing of the file."""
    wav(tmp_path)
    task = asyncio.create_task(run(tmp_path, tmp_path / "tone.wav", ENDLESS))
    while not running("lavfi"):  # noqa: ASYNC110 - a process says nothing
        await asyncio.sleep(0.05)
    (child,) = running("lavfi")
    while psutil.Process(child).name() != "ffmpeg":  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    os.kill(child, number)
    with pytest.raises(TooSlow, match="ended"):
        await task


async def test_a_host_without_ffmpeg_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not ffmpeg.is_installed()
    with pytest.raises(NotInstalled):
        await run(tmp_path, b"GIF89a")
