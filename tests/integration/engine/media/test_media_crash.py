"""G5, G3: the engine is killed at each step of a file on its way, and another goes on."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import SendRequest
from actors.connection.protocol.media.http_client import STREAM_CHUNK_BYTES, HttpClient
from actors.messages.content import Document, decode, file_of, pack
from tests.integration.engine.media.test_media import arrived, became, held, kept
from tests.integration.engine.recovery.owner.test_crash import counted, died, prepare, start
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Simulator,
    chat,
    device,
    message_id,
    until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterable
    from pathlib import Path

    from actors.connection.engine import InboxMessage

COUNT = 4
SIZE = 5 * STREAM_CHUNK_BYTES

OPEN = "SELECT count(*) FROM transfers"


@pytest.mark.parametrize(
    ("point", "at", "on_disk"),
    [
        ("before_download", 2, 0),
        ("in_mid_download", 6, None),
        ("before_file_commit", 2, 2),
    ],
)
async def test_killed_while_fetching(
    simulator: Simulator, tmp_path: Path, point: str, at: int, on_disk: int | None
) -> None:
    """G5: the outcome of each file is reported once, and each is there, at any step of the kill."""
    await prepare(simulator, tmp_path, talked=True)
    for number in range(COUNT):
        await simulator._call(
            "POST",
            f"/contacts/{CONTACT}/say",
            to=ACCOUNT,
            type="document",
            size=SIZE + number,
            file_name=f"{number}.bin",
        )
    await died(start(simulator, tmp_path, point, at=at, sends=[], batch=64), tmp_path)
    messages = counted(tmp_path, "SELECT count(*) FROM inbox WHERE kind = 'message'")
    waiting = counted(tmp_path, OPEN)
    told = counted(tmp_path, "SELECT count(*) FROM inbox WHERE kind = 'file'")
    there = [one for one in (tmp_path / "media").rglob("*") if len(one.name) == 64]
    print(f"{point}: {waiting} of {messages} files in flight at the kill, {len(there)} on disk")
    assert waiting > 0
    assert waiting + told == messages, "each has its transfer or its end, since its own commit"
    assert on_disk is None or len(there) >= on_disk > told or on_disk == 0
    async with device(simulator, tmp_path, epoch=3) as phone:

        async def all_there() -> list[InboxMessage] | None:
            found = await phone.messages()
            return found if len(found) == COUNT else None

        found: list[InboxMessage] = await until(all_there)
        for message in found:
            assert (await became(phone, message)).status == "stored"
            file = file_of(_content(message))
            assert file is not None
            data = await held(tmp_path, file.sha256)
            assert data is not None
            assert hashlib.sha256(data).hexdigest() == file.sha256
        assert len(await phone.files()) == COUNT
    assert counted(tmp_path, OPEN) == 0
    left = [one.name for one in (tmp_path / "media").rglob("*") if one.is_file()]
    assert sorted(left) == sorted({file_of(_content(one)).sha256 for one in found})  # type: ignore[union-attr]


def _content(message: InboxMessage) -> Any:
    assert message.content is not None
    return decode(message.content)


@pytest.mark.parametrize(
    ("point", "at"),
    [
        ("in_mid_upload", 8),
        ("before_upload_commit", 1),
        ("before_bytes_leave", 1),
        ("after_bytes_left", 1),
    ],
)
async def test_killed_while_uploading(
    simulator: Simulator,
    tmp_path: Path,
    point: str,
    at: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """G3: the message is sent again the same; what was noted as uploaded is not uploaded again."""
    await prepare(simulator, tmp_path, talked=True)
    data = secrets.token_bytes(SIZE)
    said = Document(await kept(tmp_path, data, "application/pdf", "bill.pdf"), "the bill")
    id_ = message_id(1, 3)
    child = start(simulator, tmp_path, point, at=at, sends=[(id_, chat(CONTACT), pack(said))])
    await died(child, tmp_path)
    again = point in {"in_mid_upload", "before_upload_commit"}
    assert counted(tmp_path, "SELECT count(*) FROM uploads") == (not again)
    uploads, post = 0, HttpClient.post

    async def counting(self: HttpClient, url: str, body: AsyncIterable[bytes], size: int) -> Any:
        nonlocal uploads
        uploads += 1
        return await post(self, url, body, size)

    monkeypatch.setattr(HttpClient, "post", counting)
    async with device(simulator, tmp_path, epoch=3) as phone:
        await until(phone.opened.is_set)
        await phone.engine.send(SendRequest(id_, chat(CONTACT), said))
        await phone.engine.send(SendRequest(id_, chat(CONTACT), said))
        got = await arrived(simulator, id_)
    assert uploads == again
    assert (got["content"]["media"], got["text"]) == ("ok", "the bill")
    assert got["content"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert len([one for one in await simulator.inbox(CONTACT) if one["id"] == id_]) == 1
