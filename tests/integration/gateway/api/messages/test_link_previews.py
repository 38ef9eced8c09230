"""Previews of links in texts: fetched from a server of pages, sent with the text, and never in its way."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from gateway.acceptance import link_previews
from tests.integration.gateway.api.connections.test_account import here
from tests.integration.gateway.files import ANA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.gateway.served import Api, Gateway

JPEG = b"\xff\xd8\xff" + bytes(2000)
HEAD = "<title>Tea</title><meta name=description content='All of it'>"


class Pages(BaseHTTPRequestHandler):
    """A server of pages; `asked` has each path that it was asked for, `written` those whose answer went out whole."""

    asked: list[str]
    written: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body, kind = f"{HEAD}<meta property=og:image content=/tea.jpg>".encode(), "text/html"
        if self.path.startswith("/slow"):
            time.sleep(link_previews.PREVIEW_SECONDS + 1)
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        if self.path.startswith("/tea.jpg"):
            body, kind = JPEG, "image/jpeg"
        if self.path.startswith("/large"):
            body = HEAD.encode() + bytes(24 * 2**20)  # more than sockets buffer
        if self.path.startswith("/pdf"):
            kind = "application/pdf"
        with suppress(OSError):  # enough was read, or it took too long
            self.send_response(404 if self.path.startswith("/missing") else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.written.append(self.path)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def pages() -> Iterator[tuple[str, type[Pages]]]:
    handler = type("Here", (Pages,), {"asked": [], "written": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    thread.join()
    server.server_close()


def sent(api: Api, text: str, status: int = 202, **more: Any) -> dict[str, Any]:
    """The message of a text as the API shows it, or the refusal."""
    headers = more.pop("headers", {})
    body = {"connection": "shop", "to": ANA, "text": text, **more}
    answer = api.post("/api/messages", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    if status == 202:
        told = api.get(f"/api/messages/{told['id']}").json()
    return told


def test_a_link_has_its_preview_and_many_texts_share_it(
    small: Gateway, pages: tuple[str, type[Pages]]
) -> None:
    base, server = pages
    link = f"{base}/tea?{os.urandom(4).hex()}"
    expected = {"url": link, "title": "Tea", "description": "All of it", "has_thumbnail": True}
    for text in (f"see {link}!", f"and again {link}"):
        message = sent(small.api, text)
        assert (message["text"], message["link_preview"]) == (text, expected)
    first = sent(small.api, "well?")
    answer = sent(small.api, f"look {link}", reply_to=first["id"])
    assert answer["link_preview"] == expected
    assert server.asked == [link.removeprefix(base), "/tea.jpg"]
    assert first["link_preview"] is None


def test_a_preview_that_is_not_wanted_is_not_fetched(
    small: Gateway, pages: tuple[str, type[Pages]]
) -> None:
    base, server = pages
    assert sent(small.api, f"see {base}/tea", link_preview=False)["link_preview"] is None
    assert server.asked == []


def test_no_page_is_fetched_past_the_proxy_of_a_connection(
    small: Gateway, pages: tuple[str, type[Pages]]
) -> None:
    base, server = pages
    made = {"id": "proxied", "proxy": "http://proxy.example:9"}
    assert small.api.post("/api/connections", json=made).status_code == 201
    text = f"see {base}/tea?proxied"
    assert sent(small.api, text, connection="proxied")["link_preview"] is None
    assert server.asked == []
    assert sent(small.api, text)["link_preview"]["title"] == "Tea"


@pytest.mark.parametrize(
    "flags", [{"link_previews": False}, {"whatsapp_proxy": "http://127.0.0.1:9"}], ids=str
)
async def test_an_instance_that_may_not_fetches_no_page(
    small: Gateway, pages: tuple[str, type[Pages]], flags: dict[str, Any]
) -> None:
    base, server = pages
    body = {"connection": "shop", "to": ANA, "text": f"see {base}/tea?{os.urandom(4).hex()}"}
    async with here(small, **flags) as client:
        answer = await client.post("/api/messages", json=body)
    assert answer.status_code == 202, answer.text
    assert server.asked == []
    assert small.api.get(f"/api/messages/{answer.json()['id']}").json()["link_preview"] is None


@pytest.mark.parametrize("path", ["/missing", "/pdf", "/slow", "/to/ftp://a.example"])
def test_a_preview_that_fails_never_stops_its_text(
    small: Gateway, pages: tuple[str, type[Pages]], path: str
) -> None:
    base, server = pages
    message = sent(small.api, f"see {base}{path}")
    assert (message["link_preview"], message["status"]) == (None, "queued")
    assert server.asked, "it was asked for"


def test_the_beginning_of_a_large_page_is_enough(
    small: Gateway, pages: tuple[str, type[Pages]]
) -> None:
    base, server = pages
    found = sent(small.api, f"see {base}/large")["link_preview"]
    assert (found["title"], found["has_thumbnail"]) == ("Tea", False)
    assert (server.asked, server.written) == (["/large"], [])


def test_private_addresses_are_not_asked_for_a_page(
    gateway: Gateway, api: Api, pages: tuple[str, type[Pages]]
) -> None:
    assert not gateway.settings.media_url_private
    base, server = pages
    port = base.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"):
        assert sent(api, f"see http://{host}:{port}/tea")["link_preview"] is None
    assert server.asked == []


def test_a_repetition_is_the_same_text_whatever_its_page_says_by_then(
    small: Gateway, pages: tuple[str, type[Pages]]
) -> None:
    base, _ = pages
    headers = {"Idempotency-Key": os.urandom(8).hex()}
    text = f"see {base}/tea?once"
    first = sent(small.api, text, headers=headers)
    assert sent(small.api, text, headers=headers)["id"] == first["id"]
    refused = sent(small.api, text, 422, headers=headers, link_preview=False)
    assert refused["code"] == "idempotency_conflict"
