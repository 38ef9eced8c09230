"""Bad input of every kind: one clear refusal with a stable code, and nothing half done."""

from __future__ import annotations

import base64
import gzip
import json
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.http.body import MAX_BODY_BYTES
from tests.integration.gateway.served import KEY
from tests.plain_http import NO_AUTHORITIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.gateway.served import Api, Gateway

GOOD = {"connection": "shop", "to": "15550100002", "text": "hi"}


@pytest.fixture(autouse=True)
def nothing_is_accepted(api: Api) -> Iterator[None]:
    before = api.get("/api/queue").json()
    yield
    assert api.get("/api/queue").json() == before


def refused(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    return answer.status_code, problem["code"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"connection": "nobody"}, "unknown_connection"),
        ({"connection": "NO"}, "invalid_field"),
        ({"connection": None}, "invalid_field"),
        ({"to": "12"}, "invalid_number"),
        ({"to": "120363000000000000@newsletter"}, "unsupported_chat"),
        ({"to": ["15550100002"]}, "invalid_field"),
        ({"text": ""}, "text_empty"),
        ({"text": "\n"}, "text_empty"),
        ({"text": "x" * 65_537}, "text_too_long"),
        ({"text": "a\0b"}, "control_character"),
        ({"text": 5}, "invalid_field"),
        ({"type": "fax"}, "unsupported_type"),
        ({"type": 1}, "unsupported_type"),
        ({"priority": 99}, "invalid_field"),
        ({"priority": 1.5}, "invalid_field"),
        ({"send_at": "tomorrow"}, "invalid_field"),
        # its UTC lies outside of all years, or is rounded out of them: it could not be written again
        ({"send_at": "9999-12-31T23:59:59-23:59"}, "invalid_field"),
        ({"send_at": "9999-12-31T23:59:59.999999Z"}, "invalid_field"),
        ({"send_at": "0001-01-01T00:00:00+23:59"}, "invalid_field"),
        ({"reply_to": "x"}, "invalid_field"),
        ({"colour": "red"}, "unknown_field"),
    ],
)
def test_bodies_of_a_send(api: Api, change: dict[str, Any], code: str) -> None:
    answer = api.post("/api/messages", json={**GOOD, **change})
    assert refused(answer) == (404 if code == "unknown_connection" else 422, code)
    if code != "unknown_connection":
        assert answer.json()["errors"][0]["field"] == next(iter(change))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"text": "\\ud800"}', b"[" * 100_000])
def test_what_is_not_json(api: Api, content: bytes) -> None:
    answer = api.post(
        "/api/messages", content=content, headers={"Content-Type": "application/json"}
    )
    assert refused(answer) == (400, "malformed_json")


@pytest.mark.parametrize("content", [b"[]", b"null", b"1", b'"x"', b"{}"])
def test_json_of_another_shape(api: Api, content: bytes) -> None:
    for path in ("/api/messages", "/api/connections"):
        answer = api.post(path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        refused(answer)


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "x"])
def test_other_content_types(api: Api, media_type: str) -> None:
    answer = api.post(
        "/api/messages", content=json.dumps(GOOD), headers={"Content-Type": media_type}
    )
    assert refused(answer) == (415, "unsupported_media_type")


def test_a_field_that_is_given_twice(api: Api) -> None:
    twice = json.dumps(GOOD)[:-1] + ', "to": "15550100003"}'
    answer = api.post("/api/messages", content=twice, headers={"Content-Type": "application/json"})
    assert refused(answer) == (422, "duplicate_field")
    assert answer.json()["errors"][0]["field"] == "to"


def test_a_body_that_is_encoded(api: Api) -> None:
    packed = gzip.compress(json.dumps(GOOD).encode())
    for content in (packed, json.dumps(GOOD).encode()):
        answer = api.post(
            "/api/messages",
            content=content,
            headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
        )
        assert refused(answer) == (415, "unsupported_media_type")
        assert "Content-Encoding" in answer.json()["detail"]


def test_a_cursor_of_another_connections_dead_letters(api: Api) -> None:
    cursor = base64.urlsafe_b64encode(b"zoo.3EB0" + b"0" * 18).decode().rstrip("=")
    path = f"/api/queue/dead?connection=shop&after={cursor}"
    assert refused(api.get(path)) == (400, "invalid_cursor")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"id": ""}, "invalid_field"),
        ({"id": "Shop"}, "invalid_field"),
        ({"id": "-shop"}, "invalid_field"),
        ({"id": "x" * 65}, "invalid_field"),
        ({"id": "shop\n"}, "invalid_field"),
        ({"id": 5}, "invalid_field"),
        ({"id": "ok", "colour": "red"}, "unknown_field"),
        ({"id": "ok", "webhook": "ftp://example.org"}, "invalid_url"),
        ({"id": "ok", "webhook": "http://127.0.0.1/x"}, "private_url"),
        ({}, "missing_field"),
    ],
)
def test_bodies_of_a_connection(api: Api, body: dict[str, Any], code: str) -> None:
    assert refused(api.post("/api/connections", json=body)) == (422, code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing_field"),
        ({"url": 5}, "invalid_field"),
        ({"url": "example.org"}, "invalid_url"),
        ({"url": "http://"}, "invalid_url"),
        ({"url": "http://u:p@example.org/"}, "invalid_url"),
        ({"url": "http://example.org/#x"}, "invalid_url"),
        ({"url": "http://example.org:0/"}, "invalid_url"),
        ({"url": "http://example.org:99999/"}, "invalid_url"),
        ({"url": "http://example.org/a b"}, "invalid_url"),
        ({"url": "http://example.org\\@127.0.0.1/"}, "invalid_url"),
        ({"url": "http://example.org/" + "x" * 2048}, "invalid_url"),
        ({"url": "http://localhost/"}, "private_url"),
        ({"url": "http://127.1/"}, "private_url"),
        ({"url": "http://2130706433/"}, "private_url"),
        ({"url": "http://[::1]/"}, "private_url"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "private_url"),
        ({"url": "http://169.254.169.254/latest"}, "private_url"),
        ({"url": "http://example.org", "events": []}, "invalid_field"),
        ({"url": "http://example.org", "events": ["message.eaten"]}, "invalid_field"),
        ({"url": "http://example.org", "connections": ["-"]}, "invalid_field"),
        ({"url": "http://example.org", "secret": "x"}, "unknown_field"),
    ],
)
def test_bodies_of_a_webhook(api: Api, body: dict[str, Any], code: str) -> None:
    assert refused(api.post("/api/webhooks", json=body)) == (422, code)
    assert api.get("/api/webhooks").json()["items"] == []


def test_webhooks_and_deliveries_that_are_not_there(api: Api) -> None:
    body = {"url": "http://example.org", "connections": ["nowhere"]}
    assert refused(api.post("/api/webhooks", json=body)) == (404, "unknown_connection")
    path = "/api/webhooks/wh_" + "0" * 24
    assert refused(api.get(path)) == (404, "unknown_webhook")
    assert refused(api.patch(path, json={})) == (404, "unknown_webhook")
    assert refused(api.delete(path)) == (404, "unknown_webhook")
    assert refused(api.post(f"{path}/secret")) == (404, "unknown_webhook")
    assert refused(api.get(f"{path}/deliveries")) == (404, "unknown_webhook")
    assert refused(api.post(f"{path}/deliveries/1/redeliver")) == (404, "unknown_webhook")
    made = api.post("/api/webhooks", json={"url": "http://example.org"}).json()
    path = f"/api/webhooks/{made['id']}"
    try:
        for delivery in ("0", "1", "x", "9" * 30):
            answer = api.post(f"{path}/deliveries/{delivery}/redeliver")
            assert refused(answer) == (404, "unknown_delivery")
        for cursor in ("x", "-1", "9" * 30):
            answer = api.get(f"{path}/deliveries", params={"after": cursor})
            assert refused(answer) == (400, "invalid_cursor")
        answer = api.get(f"{path}/deliveries", params={"status": "eaten"})
        assert refused(answer) == (422, "invalid_parameter")
    finally:
        api.delete(path)


@pytest.mark.parametrize(
    ("query", "headers", "refusal"),
    [
        ("", {"Last-Event-ID": "x"}, (400, "invalid_cursor")),
        ("", {"Last-Event-ID": "9" * 19}, (400, "invalid_cursor")),
        ("?events=message.eaten", {}, (422, "invalid_parameter")),
        ("?events=", {}, (422, "invalid_parameter")),
        ("?connection=nowhere", {}, (404, "unknown_connection")),
        ("?limit=1", {}, (422, "unknown_parameter")),
    ],
)
def test_streams_that_cannot_be_read(
    api: Api, query: str, headers: dict[str, str], refusal: tuple[int, str]
) -> None:
    assert refused(api.get(f"/api/events{query}", headers=headers)) == refusal


def test_a_body_that_says_that_it_is_too_large(api: Api) -> None:
    answer = api.post(
        "/api/messages",
        content=b" " * 10_000_000,
        headers={"Content-Type": "application/json"},
    )
    assert refused(answer) == (413, "body_too_large")
    assert api.get("/health/live").status_code == 200  # also on the same socket


def test_a_body_that_never_ends_is_refused_while_it_arrives(gateway: Gateway) -> None:
    sent = 0
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
        client.sendall(
            b"POST /api/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"X-Api-Key: " + KEY.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"%x\r\n" % 50_000 + b" " * 50_000 + b"\r\n"
        answer = b""
        while not answer and sent < 3 * MAX_BODY_BYTES:
            client.settimeout(10)
            client.sendall(chunk)
            sent += 50_000
            client.settimeout(0.2 if sent > MAX_BODY_BYTES else 0.001)
            with suppress(TimeoutError):
                answer = client.recv(65_536)
        client.settimeout(10)
        while b"}" not in answer:
            answer += client.recv(65_536)
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert b"body_too_large" in answer
    assert sent < 2 * MAX_BODY_BYTES


def test_the_longest_text_is_accepted_as_it_is_refused_beyond(api: Api) -> None:
    # 65 536 characters that JSON writes with twelve bytes each stay below the body's limit
    answer = api.post(
        "/api/messages",
        content=json.dumps({**GOOD, "text": "😀" * 65_537}, ensure_ascii=True),
        headers={"Content-Type": "application/json"},
    )
    assert refused(answer) == (422, "text_too_long")
    assert "65537" in answer.json()["detail"]
    assert "65536" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/api/messages", "limit=0", (422, "invalid_parameter")),
        ("/api/messages", "limit=501", (422, "invalid_parameter")),
        ("/api/messages", "limit=-1", (422, "invalid_parameter")),
        ("/api/messages", "limit=ten", (422, "invalid_parameter")),
        ("/api/messages", "limit=", (422, "invalid_parameter")),
        ("/api/messages", "limit=9" * 400, (422, "invalid_parameter")),
        ("/api/messages", "after=", (422, "invalid_parameter")),
        ("/api/messages", "after=rubbish", (400, "invalid_cursor")),
        ("/api/messages", "after=%00%ff", (400, "invalid_cursor")),
        ("/api/messages", "after=" + "a" * 1025, (422, "invalid_parameter")),
        ("/api/messages", "chat=nobody", (422, "invalid_number")),
        ("/api/messages", "direction=up", (422, "invalid_parameter")),
        ("/api/messages", "status=lost", (422, "invalid_parameter")),
        ("/api/messages", "order=random", (422, "invalid_parameter")),
        ("/api/messages", "connection=nobody", (404, "unknown_connection")),
        ("/api/messages", "connection=NO", (422, "invalid_parameter")),
        ("/api/messages", "konnection=shop", (422, "unknown_parameter")),
        ("/api/messages", "limit=1&limit=2", (422, "invalid_parameter")),
        ("/api/messages/nonsense", "x=1", (422, "unknown_parameter")),
        ("/api/connections", "after=NO", (400, "invalid_cursor")),
        ("/api/connections", "limit=1001", (422, "invalid_parameter")),
        ("/api/queue/dead", "after=rubbish", (400, "invalid_cursor")),
        ("/api/queue/dead", "after=c2hvcA", (400, "invalid_cursor")),
        ("/api/queue/dead", "after=%C3%A9", (400, "invalid_cursor")),
        ("/api/queue/dead", "connection=nobody", (404, "unknown_connection")),
        ("/api/queue", "api_key=secret", (422, "unknown_parameter")),
    ],
)
def test_queries(api: Api, path: str, query: str, expected: tuple[int, str]) -> None:
    assert refused(api.get(f"{path}?{query}")) == expected


@pytest.mark.parametrize("wait", ["-1", "61", "inf", "nan", "soon", ""])
def test_waits(api: Api, wait: str) -> None:
    answer = api.post(f"/api/messages?wait={wait}", json=GOOD)
    assert refused(answer) == (422, "invalid_parameter")


@pytest.mark.parametrize(
    "path", ["/nothing", "/api", "/api/", "/api/messages/", "/api/connections/shop/nothing"]
)
def test_unknown_paths(api: Api, path: str) -> None:
    for method in ("GET", "POST", "DELETE", "PUT"):
        assert refused(api.request(method, path)) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/api/messages", "GET, HEAD, POST"),
        ("PUT", "/api/connections/shop", "DELETE, GET, HEAD, PATCH"),
        ("GET", "/api/connections/shop/start", "POST"),
        ("DELETE", "/api/queue", "GET, HEAD"),
        ("POST", "/health", "GET, HEAD"),
        ("OPTIONS", "/api/messages", "GET, HEAD, POST"),
        ("PUT", "/api/connections/recover", "POST"),
    ],
)
def test_unknown_methods(api: Api, method: str, path: str, allow: str) -> None:
    answer = api.request(method, path)
    assert refused(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allow


def test_head_is_get_without_a_body(api: Api) -> None:
    for path in ("/health", "/api/connections", "/api/queue"):
        answer = api.head(path)
        assert answer.status_code == 200
        assert not answer.content
    # The console's pages are no operations of the API: no contract has them.
    with httpx.Client(base_url=api.base_url, verify=NO_AUTHORITIES) as person:
        for path, status in (("/", 303), ("/console/login", 200)):
            answer, whole = person.head(path), person.get(path)
            assert answer.status_code == whole.status_code == status
            assert _lasting(answer) == _lasting(whole)
            assert not answer.content
        assert whole.content


def _lasting(answer: httpx.Response) -> dict[str, str]:
    """The headers that two answers to the same have in common."""
    once = {"date", "x-request-id"}
    return {name: value for name, value in answer.headers.items() if name not in once}


def test_logs_hold_no_number_no_text_no_key(api: Api, gateway: Gateway) -> None:
    """G10, of this whole module's requests."""
    api.get("/api/messages/15550100077?api_key=oops-a-key")
    api.get("/15550100077/nothing")
    api.post("/api/messages", json={"connection": "shop", "to": "15550100077x", "text": "psst"})
    log = gateway.log()
    assert '"route": "/api/messages"' in log
    assert '"route": "unmatched"' in log
    for secret in ("155501", "psst", KEY, "oops", "?"):
        assert secret not in log
    for line in log.splitlines():
        assert json.loads(line)["action"]
