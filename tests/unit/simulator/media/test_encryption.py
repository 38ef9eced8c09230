"""Media: files up and down as WhatsApp's servers do it, and what people make of them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from io import BytesIO
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from simulator.contacts import message_content
from simulator.media.encryption import MAX_MEDIA, MediaError, Sealed, decrypted, opened, seal
from simulator.media.routes import media_application
from simulator.media.store import AUTH_SECONDS, token_of
from simulator.wire.proto_schema import MediaRetryNotification, ServerErrorReceipt
from simulator.wire.protocol_library import JID, Node, bytes_of
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"
SAY = f"/contacts/{FRIEND}/say"


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


async def test_up_and_down(device: Device, mms: httpx.AsyncClient) -> None:
    _, body = file(b"hello")
    path = await upload(device, mms, body)
    assert (await mms.get(path)).content == body
    token = token_of(hashlib.sha256(body).digest())
    found = await mms.get(f"{path}&hash={token}&mms-type=image&__wa-mms=")
    assert found.content == body
    other = token_of(bytes(32))
    assert (await mms.get(f"{path}&hash={other}")).status_code == 403
    assert (await mms.get("/v/t62.7118-24/1_n.enc?ccb=11-4")).status_code == 404
    gone = await mms.delete(f"/mms/image/{token}", params={"auth": await auth_of(device)})
    assert gone.status_code == 200
    assert (await mms.get(path)).status_code == 404
    assert list((device.world.media.file(token).parent).iterdir()) == []


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


async def test_a_file_that_is_held_half_way(device: Device, mms: httpx.AsyncClient) -> None:
    auth, body = await auth_of(device), secrets.token_bytes(2**20)
    token = token_of(hashlib.sha256(body).digest())
    up = await mms.post(f"/mms/image/{token}", params={"auth": auth}, content=body)
    fault = device.world.faults.request({"kind": "hold_files"})
    down = asyncio.create_task(mms.get(up.json()["direct_path"]))
    await eventually("the file is asked for", lambda: fault.struck, 5)
    await asyncio.sleep(0.3)
    assert not down.done()
    device.world.faults.clear(fault_id=fault.id)
    assert (await down).content == body


@pytest.mark.parametrize("kind", message_content.MEDIA)
async def test_a_contact_says_a_file(
    device: Device, http: httpx.AsyncClient, mms: httpx.AsyncClient, kind: str
) -> None:
    data = secrets.token_bytes(5000)
    body = {"to": NUMBER, "type": kind, "data": base64.b64encode(data).decode()}
    captioned = kind in ("image", "video", "document")
    more: dict[str, Any] = {"text": "look"} if captioned else {}
    assert (await http.post(SAY, json=body | more)).is_success
    stanza = await device.next("message")
    assert stanza.attrs["type"] == "media"
    assert stanza.get_child("enc").attrs["mediatype"] == kind
    part = getattr(device.message_in(stanza), f"{kind}_message")
    assert part.file_length == 5000
    if captioned:
        assert part.caption == "look"
    down = await mms.get(part.direct_path)
    assert hashlib.sha256(down.content).digest() == part.file_enc_sha256
    source = BytesIO(down.content)
    assert b"".join(decrypted(source, len(down.content), kind, part.media_key)) == data
    (said,) = (await http.get(f"/contacts/{FRIEND}/said")).json()["items"]
    assert said["content"]["sha256"] == hashlib.sha256(data).hexdigest()


async def test_a_voice_note_a_thumbnail_and_a_made_up_file(
    device: Device, http: httpx.AsyncClient
) -> None:
    voice = {"to": NUMBER, "type": "audio", "ptt": True, "seconds": 3, "size": 100}
    assert (await http.post(SAY, json=voice)).is_success
    stanza = await device.next("message")
    assert stanza.get_child("enc").attrs["mediatype"] == "ptt"
    part = device.message_in(stanza).audio_message
    assert (part.ptt, part.seconds, part.file_length) == (True, 3, 100)
    seen = {"to": NUMBER, "type": "image", "thumbnail": base64.b64encode(b"small").decode()}
    assert (await http.post(SAY, json=seen)).is_success
    part = device.message_in(await device.next("message")).image_message
    assert (part.jpeg_thumbnail, part.file_length) == (b"small", 4096)
    paper = {"to": NUMBER, "type": "document", "file_name": "a.txt", "mimetype": "text/plain"}
    assert (await http.post(SAY, json=paper)).is_success
    part = device.message_in(await device.next("message")).document_message
    assert (part.file_name, part.mimetype) == ("a.txt", "text/plain")


@pytest.mark.parametrize(
    "more",
    [
        {"data": "?"},
        {"thumbnail": "?"},
        {"size": -1},
        {"size": MAX_MEDIA},
        {"seconds": -1},
        {"seconds": 1 << 32},
    ],
)
async def test_a_file_that_cannot_be(http: httpx.AsyncClient, more: dict[str, Any]) -> None:
    answer = await http.post(SAY, json={"to": NUMBER, "type": "video", **more})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_media")


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


async def test_a_file_that_is_gone_is_uploaded_again(
    device: Device, http: httpx.AsyncClient, mms: httpx.AsyncClient
) -> None:
    said = (await http.post(SAY, json={"to": NUMBER, "type": "image"})).json()["id"]
    part = device.message_in(await device.next("message")).image_message
    gone = await http.post(f"/media/{said}", json={"status": 410})
    assert gone.json() == {"status": 410, "lost": False}
    assert (await mms.get(part.direct_path)).status_code == 410

    info = b"WhatsApp Media Retry Notification"
    cipher = AESGCM(HKDF(SHA256(), 32, None, info).derive(part.media_key))

    async def ask(cipher: AESGCM, about: str = said) -> Any:
        nonce = secrets.token_bytes(12)
        request = ServerErrorReceipt(stanza_id=about).SerializeToString()
        sealed = cipher.encrypt(nonce, request, said.encode())
        content = [
            Node("encrypt", {}, [Node("enc_p", {}, sealed), Node("enc_iv", {}, nonce)]),
            Node("rmr", {"jid": JID(FRIEND), "from_me": "false"}),
        ]
        attrs = {"id": said, "to": JID(NUMBER), "type": "server-error"}
        await device.send(Node("receipt", attrs, content))
        notification = await device.next("notification")
        assert notification.attrs["type"] == "mediaretry"
        assert notification.attrs["id"] == said
        assert notification.get_child("rmr").attrs["jid"] == JID(FRIEND)
        attrs = {"class": "notification", "type": "mediaretry", "id": said}
        await device.send(Node("ack", attrs | {"to": notification.attrs["from"]}))
        return notification

    def result(notification: Any) -> Any:
        sealed, nonce = (bytes_of(notification, "encrypt", one) for one in ("enc_p", "enc_iv"))
        return MediaRetryNotification.FromString(cipher.decrypt(nonce, sealed, said.encode()))

    found = result(await ask(cipher))
    assert (found.stanza_id, found.result) == (said, 1)
    assert found.direct_path != part.direct_path
    down = await mms.get(found.direct_path)
    assert hashlib.sha256(down.content).digest() == part.file_enc_sha256
    for refused in (await ask(AESGCM(bytes(32))), await ask(cipher, "another")):
        assert refused.get_child("error").attrs["code"] == "2"
    await http.post(f"/media/{said}", json={"status": 404, "lost": True})
    assert result(await ask(cipher)).result == 2


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/media/M9", {}, 404, "no_such_media"),
        ("/media/M9", {"status": 99}, 400, "bad_status"),
        ("/media/M9", {"lost": 1}, 400, "wrong_type"),
    ],
)
async def test_no_such_file(
    http: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await http.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_restart_knows_files_and_auths(
    device: Device, mms: httpx.AsyncClient, world: ServerState
) -> None:
    from simulator.media.store import MediaStore

    auth = await auth_of(device)
    path = await upload(device, mms, file(b"hello")[1])
    again = MediaStore(world.store, world.media.file(token_of(bytes(32))).parent)
    assert again.account(auth, 0.0) == NUMBER
    held = again.at(path)
    assert held is not None
    assert held.status == 200
