"""Files through a real gateway: uploaded, sent, fetched from a URL, and given out again."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from actors.content import Document, File, encode
from actors.state.documents import MESSAGES
from tests.integration.gateway.served import KEY, Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from actors.queue.lanes import Lanes
    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api
    from tests.valkey import Valkey

ANA = "15550100002"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


def unlike() -> bytes:
    """A file that no other test has."""
    return PNG + os.urandom(16)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def upload(api: Api, content: bytes, mime: str = "image/png", **query: str) -> dict[str, Any]:
    answer = api.post("/api/media", content=content, headers={"Content-Type": mime}, params=query)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def send(api: Api, media: dict[str, str], kind: str = "image", **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    body = {"connection": "shop", "to": ANA, "type": kind, "media": media, **more}
    return api.post("/api/messages", json=body, headers=headers)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def kept(gateway: Gateway) -> set[str]:
    """Whatever lies where files are kept, halves included."""
    return {each.name for each in gateway.settings.media.rglob("*") if each.is_file()}


async def test_a_file_goes_from_the_upload_into_the_queue_and_out_again(
    api: Api, lanes: Lanes
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
    record = await lanes.get(id_)
    assert record is not None
    assert record.said is not None
    assert json.loads(encode(record.said)) == {
        "v": 1,
        "type": "image",
        "file": {"sha256": digest(content), "size": len(content), "mime": "image/png"},
        "caption": "for you",
    }
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
    told = upload(api, unlike(), mime)
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
    head = api.head(path)
    assert (head.status_code, head.headers["content-length"]) == (200, str(size))


async def test_what_arrived_is_there_once_it_is_here(
    api: Api, gateway: Gateway, documents: Documents
) -> None:
    content = unlike()
    file = File(digest(content), len(content), "application/pdf", "offer.pdf")
    id_ = "shop.in." + os.urandom(12).hex()
    document: dict[str, Any] = {
        "connection": "shop",
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


class Elsewhere(BaseHTTPRequestHandler):
    """A server of files; `asked` has each path that it was asked for."""

    asked: list[str]
    content = b""

    def do_GET(self) -> None:
        self.asked.append(self.path)
        name = unquote(self.path.split("?")[0])
        if name.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", name.removeprefix("/to/").replace("|", "/"))
            self.end_headers()
        elif name == "/missing":
            self.send_error(404)
        elif name == "/endless":
            self.send_response(200)
            self.end_headers()
            for _ in range(40):
                self.wfile.write(b"x" * 2**20)
        else:
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            short = 10 if name == "/short" else 0
            self.send_header("Content-Length", str(len(self.content) + short))
            self.end_headers()
            self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, type[Elsewhere]]]:
    handler = type("Here", (Elsewhere,), {"asked": [], "content": unlike()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_url_is_fetched_once_and_before_the_answer(
    small: Gateway, elsewhere: tuple[str, type[Elsewhere]]
) -> None:
    base, server = elsewhere
    headers = {"Idempotency-Key": os.urandom(8).hex()}
    url = f"{base}/to/|pot.png?token=sesame"
    accepted = send(small.api, {"url": url}, headers=headers)
    assert accepted.status_code == 202, accepted.text
    asked = ["/to/%7Cpot.png?token=sesame", "/pot.png"]
    assert server.asked == asked
    again = send(small.api, {"url": url}, headers=headers)
    assert again.json() == accepted.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert server.asked == asked, "a repetition fetches nothing"
    other = send(small.api, {"url": f"{base}/other.png"}, headers=headers)
    assert code(other) == (422, "idempotency_conflict")
    assert server.asked == asked
    path = f"/api/messages/{accepted.json()['id']}/media"
    assert small.api.get(path).content == server.content
    document = send(small.api, {"url": f"{base}/a%20b.png"}, "document").json()
    told = small.api.get(f"/api/messages/{document['id']}").json()["media"]
    assert (told["name"], told["mime"]) == ("a b.png", "image/png")
    assert "sesame" not in small.log()


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/missing", 422, "media_unreachable"),
        ("/short", 422, "media_unreachable"),
        ("/endless", 413, "media_too_large"),
        ("/to/|to|||", 422, "media_unreachable"),
        ("/to/ftp:||127.0.0.1|x", 422, "media_refused"),
        ("/to/http:||me:secret@127.0.0.1|x", 422, "media_refused"),
    ],
)
def test_urls_that_lead_nowhere(
    small: Gateway, elsewhere: tuple[str, type[Elsewhere]], path: str, status: int, why: str
) -> None:
    before, queue = kept(small), small.api.get("/api/queue").json()
    answer = send(small.api, {"url": elsewhere[0] + path})
    assert code(answer) == (status, why)
    assert elsewhere[1].asked, "it was asked for"
    assert "secret" not in answer.text
    small.until(lambda: kept(small) == before, 10)
    assert small.api.get("/api/queue").json() == queue


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"],
)
def test_private_addresses_are_not_asked(
    api: Api, elsewhere: tuple[str, type[Elsewhere]], host: str
) -> None:
    """Nor is the server told of it: the address is judged before anything is sent there."""
    port = elsewhere[0].rpartition(":")[2]
    answer = send(api, {"url": f"http://{host}:{port}/pot.png"})
    assert code(answer) == (422, "media_refused")
    assert elsewhere[1].asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://me:secret@example.com/x",
        "http://example.com:0/x",
        "http://example.com:99999/x",
        "http:///x",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://[fd00:ec2::254]/",
    ],
)
def test_urls_that_are_refused(api: Api, url: str) -> None:
    answer = send(api, {"url": url})
    assert code(answer) == (422, "media_refused")
    assert "secret" not in answer.text
    assert "example" not in answer.text


@pytest.mark.parametrize("url", ["ftp://example.com/x", "file:///etc/passwd", "/x", "http://a b/"])
def test_what_is_no_url(api: Api, url: str) -> None:
    assert code(send(api, {"url": url})) == (422, "invalid_field")


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


def test_redis_away_does_not_matter(own_gateway: Gateway, own_valkey: Valkey) -> None:
    own_valkey.kill()
    content = unlike()
    accepted = send(own_gateway.api, {"sha256": upload(own_gateway.api, content)["sha256"]})
    assert accepted.status_code == 202, accepted.text
    path = f"/api/messages/{accepted.json()['id']}/media"
    assert own_gateway.api.get(path).content == content
    own_valkey.start()
    own_gateway.until(lambda: own_gateway.api.get("/api/queue").json()["waiting"] == 1, 20)
    assert own_gateway.api.get(path).content == content


@pytest.fixture(scope="module")
def small(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that keeps files of 200 kB and fetches from anywhere."""
    directory: Path = tmp_path_factory.mktemp("small")
    with Gateway(directory, valkey, media_max_bytes=200_000, media_url_private=True) as served:
        made = served.api.post("/api/connections", json={"id": "shop"})
        assert made.status_code == 201, made.text
        yield served
