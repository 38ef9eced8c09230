"""G3, G5: kills at each step of files, both ways."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.protocol.media.http_client import STREAM_CHUNK_BYTES
from actors.messages.content import Audio, Document, File
from tests.bare_files import BareFiles
from tests.integration.whatsmeow.kills.test_kills import outlived
from tests.media_samples import made, needs_ffmpeg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.whatsmeow.conftest import Town
    from tests.integration.whatsmeow.device import Device

pytestmark = pytest.mark.timeout(180)

COUNT = 3
SIZE = 3 * STREAM_CHUNK_BYTES

FETCHING = (
    ("before_ask media_hosts", "program", 1),
    ("before_call FileDownloader.fetch", "self", 2),
    ("before_call FileDecryptor.feed", "self", 4),
    ("before_call FileDecryptor.feed", "program", 4),
    ("before_commit Downloads.end", "self", 2),
    ("after_commit Downloads.end", "self", 2),
)
"""Each step, and how often it is reached before the kill."""


def test_each_file_is_fetched_and_reported_once(town: Town) -> None:
    device = town.linked(files=True)
    for dies, victim, at in FETCHING:
        device.arm(dies, victim, at)
        files = {}
        for _ in range(COUNT):
            data = secrets.token_bytes(SIZE)
            said = {"type": "document", "data": base64.b64encode(data).decode()}
            said["file_name"] = "bill.pdf"
            id_ = town.simulator.post(f"/contacts/{town.friend}/say", to=town.number, **said)["id"]
            files[id_] = hashlib.sha256(data).hexdigest()
        device = outlived(town, device, victim)
        device.settle([device.has_message(id_) for id_ in files])
        found = [outcome(device, id_) for id_ in files]
        assert {one["status"] for one in found} == {"stored"}
        assert names(device.directory) >= set(files.values())
        device.settle(found)
    assert len(names(device.directory)) == COUNT * len(FETCHING), "nothing half is left"
    town.goes_on(device)


def outcome(device: Device, id_: str) -> dict[str, Any]:
    """Waits for the outcome of the file of that message, of which there is one."""
    device.until_pending("file", lambda one: bool(one["message_id"] == id_))
    (found,) = (one for one in device.pending("file") if one["message_id"] == id_)
    return dict(found)


SENDING = (
    ("before_call FileEncryptor.feed", "self", 2),
    ("before_commit Uploads.remember", "self", 1),
    ("after_commit Uploads.remember", "self", 1),
    ("before_post send", "program", 1),
    ("after_post send", "self", 1),
    ("after_post send", "program", 1),
)


NOT_UPLOADED = ("before_call FileEncryptor.feed", "before_commit Uploads.remember")


def test_each_file_is_sent_once_and_uploaded_once(town: Town) -> None:
    """The message is sent again under its id; what was noted as uploaded is not uploaded again."""
    device = town.linked(files=True)
    for dies, victim, at in SENDING:
        data = secrets.token_bytes(SIZE)
        digest = asyncio.run(kept(device.directory, data))
        said = Document(File(digest, len(data), "application/pdf", "bill.pdf"), "the bill")
        device.arm(dies, victim, at)
        id_ = device.begin(town.friend, said)
        device = outlived(town, device, victim)
        before = uploaded(device, id_)
        assert (before is None) == (dies in NOT_UPLOADED)
        device.begin(town.friend, said, id_)
        device.wait("sent", id=id_)
        got = town.simulator.item(town.friend, id_)
        assert before in (None, uploaded(device, id_))
        assert (got["content"]["media"], got["text"]) == ("ok", "the bill")
        assert got["content"]["sha256"] == digest
        assert [one["id"] for one in town.simulator.inbox(town.friend)].count(id_) == 1
    town.goes_on(device)


@needs_ffmpeg
def test_a_file_is_converted_anew_and_sent_once(town: Town, tmp_path: Path) -> None:
    device = town.linked(files=True)
    for number, (dies, victim) in enumerate(
        (
            ("before_call OutgoingFiles.describe", "self"),
            ("before_call OutgoingFiles.describe", "program"),
            ("before_commit SentFileDetails.remember", "self"),
            ("after_commit SentFileDetails.remember", "self"),
        )
    ):
        tone = ("-f", "lavfi", "-i", f"sine=duration={number + 1}")
        data = made(tmp_path / f"{number}.wav", *tone)
        digest = asyncio.run(kept(device.directory, data))
        said = Audio(File(digest, len(data), "audio/wav"), voice=True)
        device.arm(dies, victim, 1)
        id_ = device.begin(town.friend, said)
        device = outlived(town, device, victim)
        device.begin(town.friend, said, id_)
        device.wait("sent", id=id_)
        got = town.simulator.item(town.friend, id_)["content"]
        assert (got["media"], got["mimetype"]) == ("ok", "audio/ogg; codecs=opus")
        assert (got["seconds"], len(base64.b64decode(got["waveform"]))) == (number + 1, 64)
        assert [one["id"] for one in town.simulator.inbox(town.friend)].count(id_) == 1
    assert all(len(name) == 64 for name in names(device.directory)), "nothing half is left"
    town.goes_on(device)


async def kept(directory: Path, data: bytes) -> str:
    """Puts a file into the media store of a device; returns its digest."""

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return (await BareFiles(directory / "media").add(chunks(), limit=2**30))[0]


def names(directory: Path) -> set[str]:
    """The names of all files in the media store of a device."""
    return {one.name for one in (directory / "media").rglob("*") if one.is_file()}


def uploaded(device: Device, id_: str) -> Any:
    """The row of an upload; None where there is none."""
    with closing(sqlite3.connect(device.directory / "session.db")) as file:
        return file.execute("SELECT * FROM uploads WHERE message_id = ?", (id_,)).fetchone()
