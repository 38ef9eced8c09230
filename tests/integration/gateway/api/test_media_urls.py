"""Files that a gateway is to fetch: from a real server, and from nowhere that it must not reach."""

from __future__ import annotations

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest

from tests.integration.gateway.files import ANA, code, kept, send, unlike
from tests.integration.gateway.served import Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.gateway.served import Api
    from tests.processes.valkey import Valkey


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
    """The server does not learn of it: the address is judged before anything is sent there."""
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


def test_a_send_without_room_fetches_nothing(
    own_valkey: Valkey, tmp_path: Path, elsewhere: tuple[str, type[Elsewhere]]
) -> None:
    """It would count for the day's uploads each time that it is repeated, as `Retry-After` asks for."""
    base, server = elsewhere
    flags = {"media_url_private": True, "queue_memory_per_connection": 20_000}
    with Gateway(tmp_path / "gateway", own_valkey, **flags) as gateway:
        gateway.connect()
        body = {"connection": "shop", "to": ANA, "text": "w" * 9_000}
        while (answer := gateway.api.post("/api/messages", json=body)).status_code == 202:
            pass
        assert code(answer) == (429, "queue_full")
        for number in range(3):
            assert code(send(gateway.api, {"url": f"{base}/{number}.png"}))[0] == 429
    assert server.asked == []
