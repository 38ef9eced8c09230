"""Files while media servers, phones, contacts and disks misbehave."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.disconnects.causes import Kind
from actors.connection.engine import SendError, SendRequest
from actors.connection.protocol.media import media_servers
from actors.connection.protocol.media.http_client import HttpClient
from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session
from actors.connection.whatsmeow import media_queries
from actors.media.directory import DirectoryStore
from actors.media.store import StoreFull
from actors.messages.content import Document, Image, Text
from tests.integration.engine.media.test_media import arrived, became, held, kept
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

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.connection.engine import FileStatus, InboxMessage

DATA = b"a file of the contact" * 5000
DIGEST = hashlib.sha256(DATA).hexdigest()
OTHER = "15550100003"
NOWHERE = "127.0.0.1:9"


async def said_meanwhile(
    simulator: Simulator,
    directory: Path,
    speaker: str = f"contacts/{CONTACT}",
    **more: Any,
) -> str:
    """Pair, close, and let somebody send a file that waits for the next login; its message's id."""
    async with device(simulator, directory) as phone:
        await pair(simulator, phone)
        await simulator.say(CONTACT, ACCOUNT, "opening")
        await until(phone.messages)
        await phone.settle_all()
    what = more or {"type": "image", "data": base64.b64encode(DATA).decode()}
    to = CONTACT if speaker.startswith("phones") else ACCOUNT
    said = await simulator._call("POST", f"/{speaker}/say", to=to, **what)
    return str(said["id"])


async def news_of(
    phone: Device, id_: str, count: int
) -> list[tuple[FileStatus, str | None]] | None:
    """News of a message's file, once there are so many."""
    news = [(one.status, one.error) for one in await phone.files() if one.message_id == id_]
    return news if len(news) >= count else None


async def message_of(phone: Device, id_: str) -> InboxMessage:
    async def look() -> InboxMessage | None:
        return next((one for one in await phone.messages() if one.message_id == id_), None)

    found: InboxMessage = await until(look)
    return found


@pytest.mark.parametrize(
    ("status", "speaker", "mode"),
    [
        (404, f"contacts/{CONTACT}", "pn"),
        (404, f"contacts/{CONTACT}", "lid"),
        (410, f"phones/{ACCOUNT}", "pn"),
    ],
)
async def test_what_the_servers_lost_the_phone_uploads_again(
    simulator: Simulator, tmp_path: Path, status: int, speaker: str, mode: str
) -> None:
    await simulator.address(CONTACT, mode)
    id_ = await said_meanwhile(simulator, tmp_path, speaker)
    await simulator._call("POST", f"/media/{id_}", status=status)
    async with device(simulator, tmp_path, epoch=2) as phone:
        file = await became(phone, await message_of(phone, id_))
        assert (file.status, file.error) == ("stored", None)
        assert phone.engine.counts["file.asked_for"] == 1
        assert phone.engine.counts["notification.file"] == 1
    assert await held(tmp_path, DIGEST) == DATA


async def test_what_the_phone_lost_as_well_is_gone(simulator: Simulator, tmp_path: Path) -> None:
    id_ = await said_meanwhile(simulator, tmp_path)
    await simulator._call("POST", f"/media/{id_}", status=404, lost=True)
    async with device(simulator, tmp_path, epoch=2) as phone:
        file = await became(phone, await message_of(phone, id_))
        assert (file.status, file.error) == ("failed", "media_gone")
        assert phone.engine.counts["notification.file_lost"] == 1
    assert await held(tmp_path, DIGEST) is None


async def test_a_damaged_file_is_never_stored(simulator: Simulator, tmp_path: Path) -> None:
    id_ = await said_meanwhile(simulator, tmp_path)
    (sealed,) = (tmp_path / "simulator" / "media").iterdir()
    damaged = bytearray(sealed.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    sealed.write_bytes(damaged)
    async with device(simulator, tmp_path, epoch=2) as phone:
        file = await became(phone, await message_of(phone, id_))
        assert (file.status, file.error) == ("failed", "media_corrupt")
        # Others are fetched meanwhile and afterwards.
        fine = await simulator._call(
            "POST", f"/contacts/{CONTACT}/say", to=ACCOUNT, type="document", size=500
        )
        assert (await became(phone, await message_of(phone, fine["id"]))).status == "stored"
    stored = [one for one in (tmp_path / "media").rglob("*") if one.is_file()]
    assert [one.stat().st_size for one in stored] == [500]


async def test_a_file_that_is_too_large_is_reported_and_not_fetched(
    simulator: Simulator, tmp_path: Path
) -> None:
    id_ = await said_meanwhile(simulator, tmp_path)
    async with device(simulator, tmp_path, epoch=2, media_max_bytes=2048) as phone:
        message = await message_of(phone, id_)
        assert message.content is not None
        file = await became(phone, message)
        assert (file.status, file.error) == ("failed", "media_too_large")
    assert await held(tmp_path, DIGEST) is None


@asynccontextmanager
async def first_host(host: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """WhatsApp names this media server before its own."""
    read = media_servers.connection

    def more(*answer: Any) -> media_servers.MediaConnection:
        found = read(*answer)
        return media_servers.MediaConnection((host, *found.hosts), found.auth, found.until)

    with monkeypatch.context() as patched:
        patched.setattr(media_queries, "connection", more)
        yield


async def test_the_next_server_serves_where_one_is_down(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = await said_meanwhile(simulator, tmp_path)
    asked: list[str] = []
    get, post = HttpClient.get, HttpClient.post

    def noting_get(self: HttpClient, url: str) -> Any:
        asked.append(url.split("/")[2])
        return get(self, url)

    async def noting_post(self: HttpClient, url: str, *more: Any) -> Any:
        asked.append(url.split("/")[2])
        return await post(self, url, *more)

    monkeypatch.setattr(HttpClient, "get", noting_get)
    monkeypatch.setattr(HttpClient, "post", noting_post)
    async with (
        first_host(NOWHERE, monkeypatch),
        device(simulator, tmp_path, epoch=2) as phone,
    ):
        assert (await became(phone, await message_of(phone, id_))).status == "stored"
        assert asked[0] == NOWHERE != asked[1]
        assert len(asked) == 2
        image = Image(await kept(tmp_path, b"ours", "image/png"))
        await phone.engine.send(SendRequest(message_id(1, 3), chat(CONTACT), image))
        assert asked[2:] == asked[1:2], "one that failed is not asked first again"
        assert (await arrived(simulator, message_id(1, 3)))["content"]["media"] == "ok"


async def test_servers_that_take_no_file(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        image = Image(await kept(tmp_path, DATA, "image/png"))
        refusals = [
            (503, "media_upload_failed", False),
            (413, "media_refused_413", True),
            (415, "media_refused_415", True),
        ]
        for number, (code, said, permanent) in enumerate(refusals):
            fault = await simulator.fault("refuse_upload", code=code, count=1)
            out = SendRequest(message_id(number, 3), chat(CONTACT), image)
            with pytest.raises(SendError) as refused:
                await phone.engine.send(out)
            assert (refused.value.code, refused.value.permanent) == (said, permanent)
            assert not refused.value.uncertain
            assert await simulator.struck(fault) == 1
            await phone.engine.send(out)
            assert (await arrived(simulator, out.message_id))["content"]["media"] == "ok"


async def test_who_is_not_let_in_asks_for_other_words(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, read = list[media_servers.MediaConnection](), media_servers.connection

    def noting(*answer: Any) -> media_servers.MediaConnection:
        words.append(read(*answer))
        return words[-1]

    monkeypatch.setattr(media_queries, "connection", noting)
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        image = Image(await kept(tmp_path, DATA, "image/png"))
        fault = await simulator.fault("refuse_upload", code=401, count=1)
        await phone.engine.send(SendRequest(message_id(1, 3), chat(CONTACT), image))
        assert await simulator.struck(fault) == 1
        assert len(words) == 2, "the same words would be refused again"
        fault = await simulator.fault("refuse_upload", code=401)
        with pytest.raises(SendError) as refused:
            await phone.engine.send(SendRequest(message_id(2, 3), chat(CONTACT), image))
        assert (refused.value.code, refused.value.permanent) == ("media_upload_refused", False)
        assert await simulator.struck(fault) == 2


async def test_a_large_file_holds_its_own_chat_alone(simulator: Simulator, tmp_path: Path) -> None:
    """G4: what comes behind it leaves behind it; other chats do not wait for it."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(0, "opening", to=OTHER)
        data = secrets.token_bytes(40 * 2**20)
        said = Document(await kept(tmp_path, data, "application/zip", "large.zip"))
        large = asyncio.create_task(
            phone.engine.send(SendRequest(message_id(1, 3), chat(CONTACT), said))
        )
        await asyncio.sleep(0)
        behind = asyncio.create_task(
            phone.engine.send(SendRequest(message_id(2, 3), chat(CONTACT), Text("behind")))
        )
        for number in range(1, 6):
            await phone.send(number, f"other {number}", to=OTHER)
        assert not large.done()
        await asyncio.gather(large, behind)
        items = [
            one for one in await simulator.inbox(CONTACT) if one["id"].startswith("3EB0000003")
        ]
        assert [one["id"] for one in items] == [message_id(1, 3), message_id(2, 3)]
        assert items[0]["content"]["media"] == "ok"


async def test_who_could_not_read_it_gets_it_again(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "opening")
        await until(lambda: simulator.inbox(CONTACT))
        await simulator.forget(CONTACT)
        image = Image(await kept(tmp_path, DATA, "image/png"), "look")
        await phone.engine.send(SendRequest(message_id(2, 3), chat(CONTACT), image))
        got = await arrived(simulator, message_id(2, 3))
        assert (got["content"]["media"], got["content"]["sha256"]) == ("ok", DIGEST)
        assert phone.engine.counts["resend.resent"] >= 1


async def test_a_download_outlives_its_socket(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = await said_meanwhile(simulator, tmp_path, size=90 * 2**20, type="document")
    asked, get = 0, HttpClient.get

    def counting(self: HttpClient, url: str) -> Any:
        nonlocal asked
        asked += 1
        return get(self, url)

    monkeypatch.setattr(HttpClient, "get", counting)
    async with device(simulator, tmp_path, epoch=2) as phone:
        await until(
            lambda: any(one.stat().st_size > 2**20 for one in (tmp_path / "media").glob(".tmp*"))
        )
        message = await message_of(phone, id_)
        await simulator.fault("abort")
        await until(lambda: phone.causes)
        assert phone.engine.counts["file.stored"] == 0, "it was done before the socket went"
        assert (await became(phone, message)).status == "stored"
    assert asked == 1


async def test_a_stale_owner_ends_no_transfer(simulator: Simulator, tmp_path: Path) -> None:
    """G6: what it fetched meanwhile is in the store, and its successor tells of it."""
    id_ = await said_meanwhile(simulator, tmp_path, size=90 * 2**20, type="document")
    async with device(simulator, tmp_path, epoch=2) as phone:
        await until(lambda: any((tmp_path / "media").glob(".tmp*")))
        message = await message_of(phone, id_)
        Session.open(tmp_path / SESSION_FILE, 3).close()
        await until(lambda: phone.causes)
        assert phone.causes[-1].kind is Kind.REPLACED
        assert phone.engine.counts["file.stored"] == 0
    async with device(simulator, tmp_path, epoch=4) as phone:
        assert (await became(phone, message)).status == "stored"


async def test_a_disk_that_is_full_is_waited_for(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G11: nothing is given up for it, and nothing counts as a try."""
    id_ = await said_meanwhile(simulator, tmp_path)
    add, full = DirectoryStore.add, 0

    async def refusing(self: DirectoryStore, *arguments: Any, **named: Any) -> tuple[str, int]:
        nonlocal full
        full += 1
        if full <= 3:
            raise StoreFull("ENOSPC")
        return await add(self, *arguments, **named)

    monkeypatch.setattr(DirectoryStore, "add", refusing)
    worker = "actors.connection.protocol.media.download_worker"
    monkeypatch.setattr(f"{worker}.LOCAL_PAUSE", 0.1)
    monkeypatch.setattr(f"{worker}.ROOM_LOOK", 0.1)
    async with device(simulator, tmp_path, epoch=2) as phone:
        message = await message_of(phone, id_)
        await phone.engine.settle([message.key])
        news = await until(lambda: news_of(phone, id_, 2))
        assert news == [("deferred", "disk_reserve"), ("stored", None)]
    assert full == 4
