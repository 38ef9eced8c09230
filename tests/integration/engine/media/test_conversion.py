"""Voice notes and videos of other formats, converted by the real ffmpeg while they are sent; the contact is the judge."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import SendError, SendRequest
from actors.connection.protocol.media import outgoing_files
from actors.media.conversion import ffmpeg
from actors.messages.content import Audio, Image, Media, Video, pack
from actors.runtime.limits.host_turns import HostTurns
from tests.integration.engine.media.test_media import arrived, kept
from tests.integration.engine.simulated import (
    CONTACT,
    Simulator,
    chat,
    counted,
    device,
    died,
    message_id,
    pair,
    prepare,
    start,
    until,
)
from tests.media_samples import avi, film, made, needs_ffmpeg, probed, voice_note, wav

if TYPE_CHECKING:
    from pathlib import Path

STRANGER = "15550100009"
LEFT = "SELECT count(*) FROM uploads"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine leaves no thumbnail out."""
    monkeypatch.setattr(outgoing_files, "FILE_PREVIEW_SECONDS", 600.0)


async def received(simulator: Simulator, id_: str) -> bytes:
    """The bytes of a message's file, as a phone shows it."""
    answer = await simulator.control.get(f"/media/{id_}")
    return answer.raise_for_status().content


def left_over(directory: Path) -> list[str]:
    """The names of files that are in the store under no hash."""
    return [one.name for one in directory.rglob("*") if one.is_file() and len(one.name) != 64]


@needs_ffmpeg
async def test_other_formats_arrive_as_apps_play_them(simulator: Simulator, tmp_path: Path) -> None:
    tone = await kept(tmp_path, wav(tmp_path), "audio/wav")
    clip = await kept(tmp_path, avi(tmp_path), "video/x-msvideo")
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        note, video = message_id(1, 3), message_id(2, 3)
        await phone.engine.send(SendRequest(note, chat(CONTACT), Audio(tone, voice=True)))
        await phone.engine.send(SendRequest(video, chat(CONTACT), Video(clip, "look")))
        got = (await arrived(simulator, note))["content"]
        assert (got["media"], got["mimetype"]) == ("ok", "audio/ogg; codecs=opus")
        assert (got["seconds"], got["ptt"]) == (3, True)
        assert len(base64.b64decode(got["waveform"])) == 64
        found = probed(await received(simulator, note))
        assert (found["format"], found["codecs"], found["channels"]) == (
            "ogg",
            {"audio": "opus"},
            [1],
        )
        item = await arrived(simulator, video)
        got = item["content"]
        assert (item["text"], got["media"], got["mimetype"]) == ("look", "ok", "video/mp4")
        assert (got["width"], got["height"], got["seconds"]) == (320, 240, 2)
        found = probed(await received(simulator, video))
        assert (found["codecs"], found["pixels"]) == (
            {"video": "h264", "audio": "aac"},
            ["yuv420p"],
        )
        thumbnail = probed(base64.b64decode(got["thumbnail"]))
        assert (thumbnail["codecs"]["video"], max(thumbnail["size"][0])) == ("mjpeg", 100)
    assert not left_over(tmp_path / "media")


@needs_ffmpeg
async def test_one_file_is_converted_once_and_sent_the_same_again(
    simulator: Simulator, tmp_path: Path
) -> None:
    """G3: another attempt says the same, also by the next owner."""
    said = Audio(await kept(tmp_path, wav(tmp_path), "audio/wav"), voice=True)
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        first, second = message_id(1, 3), message_id(2, 3)
        await phone.engine.send(SendRequest(first, chat(CONTACT), said))
        before = (await arrived(simulator, first))["content"]
        # Neither the file nor ffmpeg is needed once more.
        shutil.rmtree(tmp_path / "media")
        await phone.engine.send(SendRequest(second, chat(STRANGER), said))
        inbox = await until(lambda: simulator.inbox(STRANGER))
        assert inbox[0]["content"] == before
    async with device(simulator, tmp_path, epoch=3) as phone:
        await until(phone.opened.is_set)
        await phone.engine.send(SendRequest(first, chat(CONTACT), said))
        assert [one["id"] for one in await simulator.inbox(CONTACT)].count(first) == 1
    assert counted(tmp_path, LEFT) == 2
    assert counted(tmp_path, "SELECT count(*) FROM file_details") == 1


@needs_ffmpeg
async def test_a_file_that_changed_since_it_was_accepted_is_not_converted(
    simulator: Simulator, tmp_path: Path
) -> None:
    said = Audio(await kept(tmp_path, wav(tmp_path), "audio/wav"), voice=True)
    (file,) = (each for each in (tmp_path / "media").rglob("*") if each.name == said.file.sha256)
    other = bytearray(file.read_bytes())
    other[-2000:] = bytes(2000)
    file.write_bytes(other)
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        with pytest.raises(SendError, match="media_missing") as refused:
            await phone.engine.send(SendRequest(message_id(1, 3), chat(CONTACT), said))
        assert refused.value.permanent
        assert await simulator.inbox(CONTACT) == []


@needs_ffmpeg
async def test_what_apps_play_goes_as_it_is(simulator: Simulator, tmp_path: Path) -> None:
    wav(tmp_path)
    tone = ("-i", str(tmp_path / "tone.wav"))
    note = made(tmp_path / "a.ogg", *tone, "-c:a", "libopus", "-ac", "1")
    picture = made(tmp_path / "a.png", "-f", "lavfi", "-i", "testsrc=size=90x60", "-frames:v", "1")
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        sent: list[tuple[bytes, Media]] = [
            (note, Audio(await kept(tmp_path, note, "audio/ogg"), voice=True)),
            (picture, Image(await kept(tmp_path, picture, "image/png"))),
        ]
        for number, (data, said) in enumerate(sent):
            id_ = message_id(number, 3)
            await phone.engine.send(SendRequest(id_, chat(CONTACT), said))
            got = (await arrived(simulator, id_))["content"]
            assert got["sha256"] == hashlib.sha256(data).hexdigest()
            if isinstance(said, Audio):
                assert (got["seconds"], len(base64.b64decode(got["waveform"]))) == (3, 64)
            else:
                assert (got["width"], got["height"]) == (90, 60)
                assert base64.b64decode(got["thumbnail"]).startswith(b"\xff\xd8\xff")


@needs_ffmpeg
async def test_what_cannot_be_converted_is_refused_for_good(
    simulator: Simulator, tmp_path: Path
) -> None:
    noise = await kept(tmp_path, os.urandom(9000), "audio/mpeg")
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        said = Audio(noise, voice=True)
        with pytest.raises(SendError) as refused:
            await phone.engine.send(SendRequest(message_id(1, 3), chat(CONTACT), said))
        assert (refused.value.code, refused.value.permanent) == ("media_not_converted", True)
        # As a file of sound it goes as it is.
        id_ = message_id(2, 3)
        await phone.engine.send(SendRequest(id_, chat(CONTACT), Audio(noise)))
        assert (await arrived(simulator, id_))["content"]["sha256"] == noise.sha256
        assert not left_over(tmp_path / "media")


@needs_ffmpeg
async def test_a_message_waits_for_no_thumbnail_that_takes_too_long(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = made(tmp_path / "a.png", "-f", "lavfi", "-i", "testsrc=size=90x60", "-frames:v", "1")
    said = Image(await kept(tmp_path, picture, "image/png"))
    monkeypatch.setattr(outgoing_files, "FILE_PREVIEW_SECONDS", 0.5)
    async with device(simulator, tmp_path) as phone, AsyncExitStack() as stack:
        await pair(simulator, phone)
        for length in ("short", "long"):  # others have all turns
            turns = HostTurns(tmp_path, f"{ffmpeg.PREVIEWS}-{length}", 1)
            await stack.enter_async_context(turns.turn())
        id_ = message_id(1, 3)
        await phone.engine.send(SendRequest(id_, chat(CONTACT), said))
        got = (await arrived(simulator, id_))["content"]
        assert (got["media"], got["width"], "thumbnail" in got) == ("ok", 90, False)


@needs_ffmpeg
async def test_a_slow_conversion_and_a_full_disk_may_be_tried_again(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tone = await kept(tmp_path, wav(tmp_path), "audio/wav")
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)

        async def refused(number: int) -> tuple[str, bool]:
            said = SendRequest(message_id(number, 3), chat(CONTACT), Audio(tone, voice=True))
            with pytest.raises(SendError) as error:
                await phone.engine.send(said)
            return error.value.code, error.value.permanent

        engine: Any = phone.engine
        monkeypatch.setattr(engine._carrying.uploader._files, "_within", 0.001)
        assert await refused(1) == ("conversion_too_slow", False)
        monkeypatch.setattr(outgoing_files, "CONVERTED_BYTES", 2**60)
        assert await refused(2) == ("disk_reserve", False)


async def test_without_ffmpeg_what_apps_play_is_sent_and_the_rest_is_refused(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = await kept(tmp_path, voice_note(), "audio/ogg")
    clip = await kept(tmp_path, film(), "video/mp4")
    other = await kept(tmp_path, b"RIFF of sound", "audio/wav")
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        monkeypatch.setenv("PATH", str(tmp_path))
        played: list[Media] = [Audio(note, voice=True), Video(clip)]
        for number, said in enumerate(played):
            id_ = message_id(number, 3)
            await phone.engine.send(SendRequest(id_, chat(CONTACT), said))
            got = (await arrived(simulator, id_))["content"]
            assert (got["sha256"], got["seconds"]) == (said.file.sha256, 3 - number)
            assert not {"waveform", "thumbnail"} & got.keys()
        assert (got["width"], got["height"]) == (320, 240)
        unplayed = SendRequest(message_id(3, 3), chat(CONTACT), Audio(other, voice=True))
        with pytest.raises(SendError) as refused:
            await phone.engine.send(unplayed)
        assert (refused.value.code, refused.value.permanent) == ("conversion_unavailable", True)


async def test_what_somebody_else_sent_is_forwarded_as_it_is(
    simulator: Simulator, tmp_path: Path
) -> None:
    theirs = await kept(tmp_path, b"a film that only an app reads", "video/3gpp")
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        id_ = message_id(1, 3)
        said = Video(theirs, forwarding_score=1)
        await phone.engine.send(SendRequest(id_, chat(CONTACT), said))
        got = (await arrived(simulator, id_))["content"]
        assert (got["sha256"], got["mimetype"]) == (theirs.sha256, "video/3gpp")


@needs_ffmpeg
@pytest.mark.parametrize("point", ["in_mid_conversion", "before_upload_commit"])
async def test_killed_while_converting(simulator: Simulator, tmp_path: Path, point: str) -> None:
    """G3: the next owner converts anew and sends once; nothing of the former conversion is left."""
    await prepare(simulator, tmp_path, talked=True)
    said = Video(await kept(tmp_path, avi(tmp_path), "video/x-msvideo"))
    id_ = message_id(1, 3)
    child = start(simulator, tmp_path, point, at=1, sends=[(id_, chat(CONTACT), pack(said))])
    await died(child, tmp_path)
    assert counted(tmp_path, LEFT) == counted(tmp_path, "SELECT count(*) FROM file_details") == 0
    async with device(simulator, tmp_path, epoch=3) as phone:
        await until(phone.opened.is_set)
        await phone.engine.send(SendRequest(id_, chat(CONTACT), said))
        await phone.engine.send(SendRequest(id_, chat(CONTACT), said))
        got = await arrived(simulator, id_)
        assert (got["content"]["media"], got["content"]["mimetype"]) == ("ok", "video/mp4")
    assert [one["id"] for one in await simulator.inbox(CONTACT)].count(id_) == 1
    assert counted(tmp_path, LEFT) == 1
    assert not left_over(tmp_path / "media")
