"""Files through a real gateway: uploaded, sent, and given out again."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from actors.messages.content import Document, File, encode
from actors.state.documents import MESSAGES
from tests.integration.gateway.files import ANA, PNG, code, digest, kept, send, unlike, upload
from tests.integration.gateway.served import KEY, ROOT, SHOP, Gateway
from tests.media_samples import film, voice_note
from tests.processes import forked

if TYPE_CHECKING:
    from pathlib import Path

    from actors.queue.outbound_queue import OutboundQueue
    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api
    from tests.processes.valkey import Valkey


async def test_a_file_goes_from_the_upload_into_the_queue_and_out_again(
    gateway: Gateway, api: Api, lanes: OutboundQueue
) -> None:
    content = unlike()
    told = upload(api, content, name="tea pot.png")
    assert told == {
        "sha256": digest(content),
        "size": len(content),
        "mime": "image/png",
        "name": "tea pot.png",
    }
    accepted = send(api, {"sha256": told["sha256"]}, caption="for you")
    assert accepted.status_code == 202, accepted.text
    id_ = accepted.json()["id"]
    record = await lanes.reader.get(id_)
    assert record is not None
    assert record.decoded is not None
    assert json.loads(encode(record.decoded)) == {
        "v": 1,
        "type": "image",
        "file": {"sha256": digest(content), "size": len(content), "mime": "image/png"},
        "caption": "for you",
    }
    ledger = sqlite3.connect(f"file:{gateway.data}/media.db?mode=ro", uri=True)
    uses = ledger.execute("SELECT message FROM uses WHERE sha256 = ?", (digest(content),))
    assert uses.fetchall() == [(id_,)], "it stays as long as the message may be sent"
    ledger.close()
    message = api.get(f"/api/messages/{id_}").json()
    assert (message["type"], message["text"]) == ("image", "for you")
    assert message["media"] == {
        "sha256": digest(content),
        "size": len(content),
        "mime": "image/png",
        "name": None,
        "state": "stored",
        "error": None,
        "url": f"/api/messages/{id_}/media",
    }
    answer = api.get(message["media"]["url"])
    assert answer.status_code == 200
    assert answer.content == content
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["etag"] == f'"{digest(content)}"'


@pytest.mark.parametrize(
    ("kind", "mime", "more", "content"),
    [
        ("video", "video/mp4", {"seconds": 7}, {"type": "video", "seconds": 7}),
        (
            "audio",
            "audio/ogg; codecs=opus",
            {"voice": True, "seconds": 3},
            {"type": "audio", "voice": True, "seconds": 3},
        ),
        ("sticker", "image/webp", {"animated": True}, {"type": "sticker", "animated": True}),
        ("document", "application/pdf", {"name": "Rechnung Ä.pdf"}, None),
    ],
)
def test_each_kind_says_what_it_is(
    api: Api, kind: str, mime: str, more: dict[str, Any], content: Any
) -> None:
    played = {"video": film(), "audio": voice_note()}
    told = upload(api, played.get(kind, unlike()), mime)
    accepted = send(api, {"sha256": told["sha256"]}, kind, **more)
    assert accepted.status_code == 202, accepted.text
    message = api.get(f"/api/messages/{accepted.json()['id']}").json()
    assert message["content"] == content
    assert message["media"]["mime"] == mime
    assert message["media"]["name"] == more.get("name")
    answer = api.get(message["media"]["url"])
    assert answer.headers["content-type"] == mime
    if kind == "document":
        assert answer.headers["content-disposition"] == (
            "attachment; filename=\"Rechnung _.pdf\"; filename*=UTF-8''Rechnung%20%C3%84.pdf"
        )


def test_a_page_is_saved_and_never_shown(api: Api) -> None:
    told = upload(api, b"<script>alert(1)</script>" + os.urandom(8), "text/html")
    accepted = send(api, {"sha256": told["sha256"]}, "document", name='"a";\\b.html')
    answer = api.get(f"/api/messages/{accepted.json()['id']}/media")
    assert answer.headers["content-disposition"].startswith('attachment; filename="_a___b.html"')
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_program_that_does_not_know_what_it_sends_says_it_with_the_message(api: Api) -> None:
    for declared in ("application/octet-stream", "application/x-www-form-urlencoded"):
        told = upload(api, unlike(), declared)
        assert told["mime"] == "application/octet-stream"
        for more, mime in (({}, "image/jpeg"), ({"mime": "image/gif"}, "image/gif")):
            id_ = send(api, {"sha256": told["sha256"]}, **more).json()["id"]
            assert api.get(f"/api/messages/{id_}").json()["media"]["mime"] == mime


@pytest.mark.parametrize(
    ("declared", "kept_as"),
    [
        ('text/plain; charset="utf-8"', "text/plain"),
        ("text/plain;charset=utf-8", "text/plain;charset=utf-8"),
        ("application/x-www-form-urlencoded; charset=x", "application/octet-stream"),
        ("application/pdf; " + "x" * 300, "application/pdf"),
    ],
)
def test_what_an_upload_says_it_is(api: Api, declared: str, kept_as: str) -> None:
    assert upload(api, unlike(), declared)["mime"] == kept_as


def test_parts_of_a_file(api: Api) -> None:
    content = unlike()
    id_ = send(api, {"sha256": upload(api, content)["sha256"]}).json()["id"]
    path, size = f"/api/messages/{id_}/media", len(content)
    for asked, part in (
        ("bytes=0-0", content[:1]),
        ("bytes=100-", content[100:]),
        ("bytes=-5", content[-5:]),
        (f"bytes=5-{size * 2}", content[5:]),
    ):
        answer = api.get(path, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (206, part), asked
        assert answer.headers["content-range"].endswith(f"/{size}")
    start = size - len(content[100:])
    assert api.get(path, headers={"Range": "bytes=100-"}).headers["content-range"] == (
        f"bytes {start}-{size - 1}/{size}"
    )
    beyond = api.get(path, headers={"Range": f"bytes={size}-"})
    assert code(beyond) == (416, "range_not_satisfiable")
    assert beyond.headers["content-range"] == f"bytes */{size}"
    other = api.get(path, headers={"Range": "bytes=0-0", "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, content)
    known = api.get(path, headers={"If-None-Match": f'"{digest(content)}"'})
    assert (known.status_code, known.content) == (304, b"")
    for ignored in ("bytes=0-3", f"bytes={size}-"):
        head = api.head(path, headers={"Range": ignored})
        assert (head.status_code, head.headers["content-length"]) == (200, str(size))


async def test_what_arrived_is_there_once_it_is_here(
    api: Api, gateway: Gateway, documents: Documents
) -> None:
    content = unlike()
    file = File(digest(content), len(content), "application/pdf", "offer.pdf")
    id_ = f"{SHOP}.in." + os.urandom(12).hex()
    document: dict[str, Any] = {
        "connection": SHOP,
        "chat": f"{ANA}@s.whatsapp.net",
        "sender": f"{ANA}@s.whatsapp.net",
        "direction": "in",
        "type": "document",
        "text": None,
        "message_id": "ABC",
        "at": 1_800_000_000.0,
        "content": json.loads(encode(Document(file))),
        "media": {"state": "pending", "error": None},
    }
    await documents.set(MESSAGES, id_, document)
    path = f"/api/messages/{id_}/media"
    assert api.get(f"/api/messages/{id_}").json()["media"]["state"] == "pending"
    assert code(api.get(path)) == (409, "media_pending")
    await documents.set(
        MESSAGES, id_, document | {"media": {"state": "failed", "error": "media_expired"}}
    )
    assert api.get(f"/api/messages/{id_}").json()["media"]["error"] == "media_expired"
    assert code(api.get(path)) == (410, "media_failed")
    await documents.set(MESSAGES, id_, document | {"media": {"state": "stored", "error": None}})
    assert code(api.get(path)) == (410, "media_gone")
    upload(api, content)
    assert api.get(path).content == content


def test_a_message_without_a_file_has_none(api: Api) -> None:
    accepted = api.post("/api/messages", json={"connection": "shop", "to": ANA, "text": "hi"})
    id_ = accepted.json()["id"]
    assert api.get(f"/api/messages/{id_}").json()["media"] is None
    assert code(api.get(f"/api/messages/{id_}/media")) == (404, "no_media")


@pytest.mark.parametrize(
    ("content", "mime", "status", "why"),
    [
        (b"", "image/png", 422, "media_empty"),
        (b"x", "multipart/form-data; boundary=x", 415, "unsupported_media_type"),
        (b"x", "picture", 415, "unsupported_media_type"),
        (b"x" * 200_001, "image/png", 413, "media_too_large"),
    ],
)
def test_uploads_that_are_refused_leave_nothing(
    small: Gateway, content: bytes, mime: str, status: int, why: str
) -> None:
    before = kept(small)
    for given in (content, iter([content[:7], content[7:]])):
        answer = small.api.post("/api/media", content=given, headers={"Content-Type": mime})
        assert code(answer) == (status, why)
    assert kept(small) == before
    encoded = small.api.post("/api/media", content=b"x", headers={"Content-Encoding": "gzip"})
    assert code(encoded) == (415, "unsupported_media_type")


def test_an_upload_that_breaks_off_leaves_nothing(small: Gateway) -> None:
    before = kept(small)
    with socket.create_connection(("127.0.0.1", small.port)) as client:
        client.sendall(
            f"POST /api/media HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n"
            "Content-Length: 100000\r\n\r\n".encode()
            + b"x" * 50_000
        )
        small.until(lambda: any(name.startswith(".tmp-") for name in kept(small)), 10)
    small.until(lambda: kept(small) == before, 10)


def test_the_same_file_at_once_is_kept_once(api: Api, gateway: Gateway) -> None:
    content = os.urandom(3_000_000)
    with ThreadPoolExecutor(8) as pool:
        told = [each.result() for each in [pool.submit(upload, api, content) for _ in range(8)]]
    assert {each["sha256"] for each in told} == {digest(content)}
    names = kept(gateway)
    assert digest(content) in names
    assert not any(name.startswith(".tmp-") for name in names)


@pytest.mark.parametrize(
    ("kind", "size", "mime", "more", "refused"),
    [
        ("image", 16 * 2**20 + 1, "image/png", {}, (413, "media_too_large")),
        ("sticker", 2**19 + 1, "image/webp", {}, (413, "media_too_large")),
        ("sticker", 9, "image/png", {}, (422, "media_type_mismatch")),
        ("image", 9, "application/pdf", {}, (422, "media_type_mismatch")),
        ("audio", 9, "audio/mp4", {"mime": "video/mp4"}, (422, "media_type_mismatch")),
    ],
)
def test_what_whatsapp_does_not_take_is_not_accepted(
    api: Api, kind: str, size: int, mime: str, more: dict[str, str], *, refused: tuple[int, str]
) -> None:
    told = upload(api, os.urandom(size), mime)
    before = api.get("/api/queue").json()
    assert code(send(api, {"sha256": told["sha256"]}, kind, **more)) == refused
    assert api.get("/api/queue").json() == before


def test_a_file_that_nobody_uploaded(api: Api) -> None:
    assert code(send(api, {"sha256": "0" * 64})) == (404, "unknown_media")


def test_a_kill_right_after_the_answer_leaves_the_file_whole(own_gateway: Gateway) -> None:
    content = os.urandom(2_000_000)
    sha256 = upload(own_gateway.api, content)["sha256"]
    own_gateway.kill()
    left = kept(own_gateway)
    own_gateway.start()
    assert left == {sha256}
    id_ = send(own_gateway.api, {"sha256": sha256}).json()["id"]
    assert own_gateway.api.get(f"/api/messages/{id_}/media").content == content


def test_a_kill_in_the_midst_leaves_nothing_once_another_comes(own_gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", own_gateway.port)) as client:
        client.sendall(
            f"POST /api/media HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n"
            "Content-Length: 9000000\r\n\r\n".encode()
            + b"x" * 5_000_000
        )
        own_gateway.until(lambda: any(name.startswith(".tmp-") for name in kept(own_gateway)), 10)
        own_gateway.kill()
    assert any(name.startswith(".tmp-") for name in kept(own_gateway))
    own_gateway.start()
    sha256 = upload(own_gateway.api, PNG)["sha256"]
    assert kept(own_gateway) == {sha256}


def test_a_file_is_taken_and_its_message_waits_while_redis_is_away(
    own_gateway: Gateway, own_valkey: Valkey
) -> None:
    own_valkey.kill()
    content = unlike()
    media = {"sha256": upload(own_gateway.api, content)["sha256"]}
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(send, own_gateway.api, media)
        time.sleep(0.5)
        assert not asking.done()
        own_valkey.start()
        accepted = asking.result()
    assert accepted.status_code == 202, accepted.text
    path = f"/api/messages/{accepted.json()['id']}/media"
    assert own_gateway.api.get(path).content == content


def command(gateway: Gateway, *words: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    return forked.run(
        [sys.executable, "-m", "gateway.cli", *words, "--key", KEY, "--data", str(gateway.data)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )


def test_the_command_line_takes_a_file_and_gives_it_back(
    gateway: Gateway, api: Api, tmp_path: Path
) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "Rechnung Ä.pdf").write_bytes(content)
    words = ("send", "shop", ANA, "for you", "--file", "Rechnung Ä.pdf", "--json")
    sent = command(gateway, *words, cwd=tmp_path)
    assert sent.returncode == 0, sent.stderr
    id_ = json.loads(sent.stdout)["id"]
    message = api.get(f"/api/messages/{id_}").json()
    assert (message["type"], message["text"]) == ("document", "for you")
    assert message["media"]["mime"] == "application/pdf"
    assert command(gateway, "media", id_, "-o", "-", cwd=tmp_path).stdout == content
    there = command(gateway, "media", id_, cwd=tmp_path)
    assert there.returncode == 1
    assert b"exists" in there.stderr
    (tmp_path / "Rechnung Ä.pdf").unlink()
    fetched = command(gateway, "media", id_, cwd=tmp_path)
    assert fetched.returncode == 0, fetched.stderr
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [content]
    for line, sentence in (
        (["media", f"{SHOP}.3EB0" + "0" * 18], b"no such message"),
        (["send", "shop", ANA, "--file", "nothing.png"], b"cannot be read"),
    ):
        refused = command(gateway, *line, cwd=tmp_path)
        assert refused.returncode == 1
        assert sentence in refused.stderr, refused.stderr


@pytest.mark.parametrize("kind", ["hybrid", "cloud"])
def test_with_a_bucket(kind: str, valkey: Valkey, tmp_path: Path) -> None:
    """With `cloud` a 2xx says that the bucket has it, with `hybrid` it follows by itself."""
    bucket, away = tmp_path / "bucket", tmp_path / "away"
    away.mkdir()
    content = unlike()
    with Gateway(
        tmp_path / "gateway",
        valkey,
        storage_bucket=str(bucket),
        session_encryption_key="5e" * 32,
        session_storage_type=kind,
    ) as served:
        served.api.post("/api/connections", json={"id": f"shop-{kind}"})
        headers = {"Content-Type": "image/png"}
        answer = served.api.post("/api/media", content=content, headers=headers)
        if kind == "cloud":
            assert code(answer) == (503, "vault_away")
        else:
            assert answer.status_code == 201
        assert not list(bucket.glob("media/*/index"))
        away.rename(bucket)
        answer = served.api.post("/api/media", content=content, headers=headers)
        assert answer.status_code == 201
        if kind == "hybrid":
            served.until(lambda: list(bucket.glob("media/*/index")), 30)
        assert len(list(bucket.glob("media/*/index"))) == 1
        file = served.settings.media / digest(content)[:2] / digest(content)
        file.unlink()
        body = {
            "connection": f"shop-{kind}",
            "to": ANA,
            "type": "image",
            "media": {"sha256": digest(content)},
        }
        accepted = served.api.post("/api/messages", json=body)
        assert accepted.status_code == 202, accepted.text
        assert file.read_bytes() == content
