"""Files between the engine and the simulator's people: each side's bytes as the other has them."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import InboxFile, SendError, SendRequest
from actors.messages.content import (
    Audio,
    Document,
    File,
    Image,
    Media,
    Quote,
    Sticker,
    Target,
    Video,
    decode,
    file_of,
    text_of,
)
from tests.bare_files import BareFiles
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Device,
    Simulator,
    chat,
    device,
    message_id,
    pair,
    until,
)
from tests.media_samples import film, voice_note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.connection.engine import InboxMessage

KINDS = ("image", "video", "audio", "document", "sticker")


async def chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def kept(directory: Path, data: bytes, mime: str, name: str | None = None) -> File:
    """The file, which the media store of the device in `directory` has."""
    digest, size = await BareFiles(directory / "media").add(chunks(data), limit=2**30)
    return File(digest, size, mime, name)


async def held(directory: Path, digest: str) -> bytes | None:
    found = await BareFiles(directory / "media").find(digest)
    return None if found is None else found.read_bytes()


async def says(
    simulator: Simulator,
    mine: Device,
    kind: str,
    data: bytes,
    *,
    speaker: str = f"contacts/{CONTACT}",
    **more: Any,
) -> InboxMessage:
    """Somebody sends a file; the message of it, once it is here."""
    encoded = base64.b64encode(data).decode()
    to = CONTACT if speaker.startswith("phones") else ACCOUNT
    said = await simulator._call("POST", f"/{speaker}/say", to=to, type=kind, data=encoded, **more)

    async def look() -> InboxMessage | None:
        return next((one for one in await mine.messages() if one.message_id == said["id"]), None)

    found: InboxMessage = await until(look)
    return found


async def became(mine: Device, message: InboxMessage) -> InboxFile:
    """Returns the outcome of the message's file, which is reported once the message is settled."""
    await mine.engine.settle([message.key])

    async def look() -> InboxFile | None:
        found = [one for one in await mine.files() if one.message_id == message.message_id]
        assert len(found) < 2
        return found[0] if found else None

    found: InboxFile = await until(look)
    assert (found.chat, found.sender) == (message.chat, message.sender)
    return found


async def arrived(simulator: Simulator, id_: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        return next((one for one in await simulator.inbox(CONTACT) if one["id"] == id_), None)

    found: dict[str, Any] = await until(look)
    return found


async def test_each_kind_reaches_the_contact(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        data = {kind: secrets.token_bytes(70_001 + number) for number, kind in enumerate(KINDS)}
        data |= {"sticker": b"", "video": film(), "audio": voice_note()}

        async def file(kind: str, mime: str, name: str | None = None) -> File:
            return await kept(tmp_path, data[kind], mime, name)

        sent: list[Media] = [
            Image(await file("image", "image/png"), "look"),
            Video(await file("video", "video/mp4"), "and here", 7),
            Audio(await file("audio", "audio/ogg; codecs=opus"), voice=True, seconds=3),
            Document(await file("document", "application/pdf", "bill.pdf"), "the bill"),
            Document(await file("document", "application/pdf", "bill.pdf")),
            Sticker(await file("sticker", "image/webp"), animated=True),
        ]
        shown: dict[str, dict[str, Any]] = {
            "image": {},
            "video": {"seconds": 7, "width": 320, "height": 240},
            "audio": {"seconds": 3, "ptt": True},
            "document": {"file_name": "bill.pdf"},
            "sticker": {"is_animated": True},
        }
        for number, said in enumerate(sent):
            id_ = message_id(number, 3)
            await phone.engine.send(SendRequest(id_, chat(CONTACT), said))
            got = await arrived(simulator, id_)
            assert (got["type"], got["text"]) == (said.type, text_of(said))
            what = {
                "media": "ok",
                "sha256": hashlib.sha256(data[said.type]).hexdigest(),
                "length": len(data[said.type]),
                "mimetype": said.file.mime,
                **shown[said.type],
            }
            assert what.items() <= got["content"].items(), got["content"]
        # A forward has the upload of the message before: the store needs the file no more.
        image = sent[0]
        there = await BareFiles(tmp_path / "media").find(image.file.sha256)
        assert there is not None
        there.unlink()
        id_ = message_id(len(sent), 3)
        await phone.engine.send(SendRequest(id_, chat(CONTACT), replace(image, forwarding_score=1)))
        got = await arrived(simulator, id_)
        assert (got["content"]["media"], got["content"]["forwarded"]) == ("ok", 1)


@pytest.mark.parametrize("speaker", [f"contacts/{CONTACT}", f"phones/{ACCOUNT}"])
async def test_each_kind_that_somebody_sends(
    simulator: Simulator, tmp_path: Path, speaker: str
) -> None:
    """G5: the message is there at once, and its file once it is in the store, whole and checked."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        more: dict[str, dict[str, Any]] = {
            "image": {"text": "look", "mimetype": "image/png"},
            "video": {"seconds": 7},
            "audio": {"seconds": 3, "ptt": True},
            "document": {"text": "the bill", "file_name": "bill.pdf"},
            "sticker": {"is_animated": True},
        }
        for number, kind in enumerate(KINDS):
            data = secrets.token_bytes(300_000 + number) if kind != "sticker" else b""
            message = await says(simulator, phone, kind, data, speaker=speaker, **more[kind])
            assert message.from_me == speaker.startswith("phones")
            assert (message.type, message.text) == (kind, more[kind].get("text"))
            said = decode(message.content or "")
            file = file_of(said)
            assert file is not None
            assert (file.sha256, file.size) == (hashlib.sha256(data).hexdigest(), len(data))
            assert file.mime == more[kind].get("mimetype", file.mime)
            assert file.name == more[kind].get("file_name")
            if isinstance(said, Audio):
                assert (said.voice, said.seconds) == (True, 3)
            assert (await became(phone, message)).status == "stored"
            assert await held(tmp_path, file.sha256) == data
        assert phone.engine.counts["file.stored"] == len(KINDS)


async def test_a_file_answers_a_message(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        theirs = await says(simulator, phone, "image", b"theirs")
        reply = Quote(Target(theirs.message_id, theirs.sender), None, "image")
        file = await kept(tmp_path, b"ours", "image/png")
        id_ = message_id(1, 3)
        await phone.engine.send(SendRequest(id_, chat(CONTACT), Image(file, "mine", reply)))
        got = await arrived(simulator, id_)
        assert got["content"]["reply_to"]["id"] == theirs.message_id
        back = await says(simulator, phone, "video", b"and yours", reply_to=id_)
        said = decode(back.content or "")
        assert isinstance(said, Video)
        assert said.reply_to == Quote(Target(id_, None), "mine", "image")


async def test_a_file_that_is_nowhere_is_not_sent(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        file = File(hashlib.sha256(b"gone").hexdigest(), 4, "image/png")
        with pytest.raises(SendError) as refused:
            await phone.engine.send(SendRequest(message_id(1, 3), chat(CONTACT), Image(file)))
        assert (refused.value.code, refused.value.permanent) == ("media_missing", True)
        assert not refused.value.uncertain
