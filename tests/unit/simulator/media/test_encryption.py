"""Media: files up and down as WhatsApp's servers do it, and what people make of them."""

from __future__ import annotations

import hashlib
import secrets
from io import BytesIO
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator.contacts import message_content
from simulator.media.encryption import MAX_MEDIA, MediaError, Sealed, decrypted, opened, seal
from simulator.media.routes import media_application
from simulator.media.store import AUTH_SECONDS, token_of
from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"


@pytest.fixture
async def mms(world: ServerState) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(media_application(world.store, world.faults, world.media))
    async with httpx.AsyncClient(transport=transport, base_url="https://media") as client:
        yield client


async def auth_of(device: Device) -> str:
    answer = await device.query("w:m", "set", Node("media_conn"))
    conn = answer.get_child("media_conn")
    assert int(conn.attrs["ttl"]) == AUTH_SECONDS
    assert conn.get_child("host").attrs["hostname"] == device.world.media.host
    return str(conn.attrs["auth"])


def file(plaintext: bytes, kind: str = "image") -> tuple[Sealed, bytes]:
    out = BytesIO()
    sealed = seal([plaintext], kind, out)
    return sealed, out.getvalue()


async def upload(device: Device, mms: httpx.AsyncClient, body: bytes, kind: str = "image") -> str:
    token = token_of(hashlib.sha256(body).digest())
    params = {"auth": await auth_of(device), "token": token}
    answer = await mms.post(f"/mms/{kind}/{token}", params=params, content=body)
    assert answer.status_code == 200, answer.text
    path = str(answer.json()["direct_path"])
    assert answer.json()["url"].endswith(path)
    return path


async def received(device: Device, message: Any, message_id: str) -> dict[str, Any]:
    await device.send(await device.message(FRIEND, message, message_id))
    await device.next("ack")
    items = device.world.inbox.received(FRIEND)
    return next(item for item in items if item["id"] == message_id)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 65535, 65536, 200_001])
def test_a_file_is_sealed_and_opened(size: int) -> None:
    plaintext = secrets.token_bytes(size)
    sealed, body = file(plaintext)
    assert (sealed.length, sealed.size) == (size, len(body))
    assert sealed.sha256 == hashlib.sha256(plaintext).digest()
    assert sealed.enc_sha256 == hashlib.sha256(body).digest()
    assert b"".join(decrypted(BytesIO(body), len(body), "image", sealed.key)) == plaintext
    assert opened(BytesIO(body), len(body), "image", sealed.key) == (sealed.sha256, size)


@pytest.mark.parametrize("at", [0, 20, -1])
def test_an_altered_file_does_not_open(at: int) -> None:
    sealed, body = file(b"x" * 40)
    altered = bytearray(body)
    altered[at] ^= 1
    with pytest.raises(MediaError, match="bad-mac"):
        opened(BytesIO(bytes(altered)), len(body), "image", sealed.key)
    with pytest.raises(MediaError, match="bad-mac"):
        opened(BytesIO(body), len(body), "video", sealed.key)
    with pytest.raises(MediaError, match="malformed"):
        opened(BytesIO(body[:-1]), len(body) - 1, "image", sealed.key)


async def test_what_is_not_taken(
    device: Device, mms: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth, body = await auth_of(device), b"x" * 26
    token = token_of(hashlib.sha256(body).digest())

    async def status(path: str, auth: str, content: bytes = body) -> int:
        return (await mms.post(path, params={"auth": auth}, content=content)).status_code

    assert await status(f"/mms/image/{token}", "") == 401
    assert await status(f"/mms/image/{token}", auth[:-1] + "x") == 401
    other = auth.replace(NUMBER, FRIEND)
    assert await status(f"/mms/image/{token}", other) == 401
    assert await status(f"/mms/hologram/{token}", auth) == 404
    assert await status("/mms/image/token", auth) == 400
    assert await status(f"/mms/image/{token}", auth, b"y" * 26) == 400
    monkeypatch.setattr("simulator.media.routes.MAX_MEDIA", 25)
    assert await status(f"/mms/image/{token}", auth) == 413
    assert list(device.world.media.file(token).parent.iterdir()) == []
    monkeypatch.undo()
    fault = device.world.faults.request({"account": NUMBER, "kind": "refuse_upload", "count": 1})
    assert await status(f"/mms/image/{token}", auth) == 503
    assert fault.struck == 1
    assert await status(f"/mms/image/{token}", auth) == 200
    late = device.world.media.account(auth, float("inf"))
    assert late is None
    assert MAX_MEDIA > 25


async def test_an_inbox_shows_the_file_that_a_client_sent(
    device: Device, mms: httpx.AsyncClient
) -> None:
    sealed, body = file(b"hello", "sticker")
    path = await upload(device, mms, body)

    def message(**more: Any) -> Any:
        return message_content.media(
            "sticker", sealed, "", path, {"mimetype": "image/webp", **more}
        )

    item = await received(device, message(), "M1")
    assert (item["type"], item["text"]) == ("sticker", None)
    assert item["content"] == {
        "mimetype": "image/webp",
        "length": 5,
        "sha256": hashlib.sha256(b"hello").hexdigest(),
        "media": "ok",
    }
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"media_key": bytes(32)}, "bad-mac"),
        ({"file_sha256": bytes(32)}, "bad-hash"),
        ({"file_enc_sha256": bytes(32)}, "bad-hash"),
        ({"file_length": 6}, "bad-length"),
        ({"direct_path": "/v/t62.7118-24/1?x"}, "missing"),
    ]
    for number, (more, word) in enumerate(wrong):
        item = await received(device, message(**more), f"B{number}")
        assert item["content"]["media"] == word, more
