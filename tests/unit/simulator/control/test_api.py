"""The control API: bad input gets a clear error with a stable code."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from simulator.contacts.message_builder import MAX_TEXT

if TYPE_CHECKING:
    import httpx

    from simulator.server_state import ServerState

NUMBER, FRIEND = "15550100001", "15550100002"
# what makes no message, and what is said of it
UNSAYABLE: list[tuple[dict[str, Any], int, str]] = [
    ({"type": "smell"}, 400, "bad_type"),
    ({"text": "x", "smell": "x"}, 400, "unknown_field"),
    ({"type": "location", "text": "x"}, 400, "unknown_field"),
    ({"type": "location", "latitude": 91, "longitude": 0}, 400, "bad_location"),
    ({"type": "location", "latitude": 9}, 400, "missing_field"),
    ({"type": "contact", "name": "x" * 1025}, 400, "bad_text"),
    ({"type": "contact", "name": "x"}, 400, "missing_field"),
    ({"type": "contact", "name": "x", "phone": "12"}, 400, "bad_number"),
    ({"type": "poll", "text": "x", "options": ["a"]}, 400, "bad_options"),
    ({"type": "poll", "text": "x", "options": ["a", "a"]}, 400, "bad_options"),
    ({"type": "poll", "text": "x", "options": ["a", 1]}, 400, "bad_options"),
    (
        {"type": "poll", "text": "x", "options": ["a", "b"], "selectable": 3},
        400,
        "bad_options",
    ),
    ({"type": "delete", "count": 2, "target": "x"}, 400, "bad_count"),
    ({"type": "delete"}, 400, "missing_field"),
    ({"type": "delete", "target": "x"}, 404, "no_such_message"),
    ({"type": "reaction", "text": "x", "target": "x"}, 404, "no_such_message"),
    ({"text": "x", "reply_to": "x"}, 404, "no_such_message"),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nothing", None, 404, "not_found"),
        ("PUT", "/", None, 405, "method_not_allowed"),
        ("POST", "/phones", b"{", 400, "malformed_json"),
        ("POST", "/phones", b"[]", 400, "malformed_json"),
        ("POST", "/phones", b"\xff", 400, "malformed_json"),
        ("POST", "/phones", {}, 400, "missing_field"),
        ("POST", "/phones", {"number": 15550100001}, 400, "wrong_type"),
        ("POST", "/phones", {"number": "12"}, 400, "bad_number"),
        ("POST", "/phones", {"number": "1555O100001"}, 400, "bad_number"),
        ("POST", "/phones", {"number": "1" * 16}, 400, "bad_number"),
        ("POST", "/phones", b" " * (1 << 21), 413, "too_large"),
        ("POST", f"/phones/{NUMBER}/scan", {}, 400, "missing_field"),
        ("POST", f"/phones/{NUMBER}/scan", {"qr": "nonsense"}, 400, "bad_qr"),
        ("POST", f"/contacts/{FRIEND}/say", {"to": NUMBER}, 400, "missing_field"),
        ("POST", f"/contacts/{FRIEND}/say", {"to": NUMBER, "text": ""}, 400, "bad_text"),
        (
            "POST",
            f"/contacts/{FRIEND}/say",
            {"to": NUMBER, "text": "x" * (MAX_TEXT + 1)},
            400,
            "bad_text",
        ),
        ("POST", f"/contacts/{FRIEND}/say", {"to": NUMBER, "text": 1}, 400, "wrong_type"),
        ("POST", f"/contacts/{FRIEND}/say", {"to": NUMBER, "text": "x"}, 409, "no_companion"),
        (
            "POST",
            f"/contacts/{FRIEND}/say",
            {"to": NUMBER, "text": "x", "addressing": "carrier pigeon"},
            400,
            "bad_addressing",
        ),
        (
            "POST",
            f"/contacts/{FRIEND}/say",
            {"to": NUMBER, "text": "x", "addressing": ["pn"]},
            400,
            "bad_addressing",
        ),
        *(
            ("POST", "/faults", b'{"kind": "ban", "seconds": %s}' % written, 400, code)
            for written, code in [
                (b"NaN", "bad_number"),
                (b"-Infinity", "bad_number"),
                (b"1e400", "bad_number"),
                (b"9" * 30, "bad_number"),
                (b'"\\ud800"', "malformed_json"),
                (b"[" * 100_000, "malformed_json"),
            ]
        ),
        ("POST", f"/contacts/{FRIEND}", b'{"read_after": 1e400}', 400, "bad_number"),
        ("POST", f"/contacts/{FRIEND}", b'{"prekeys": 9223372036854775808}', 400, "bad_number"),
        ("POST", f"/contacts/{FRIEND}", {"receipts": "sometimes"}, 400, "bad_receipts"),
        ("POST", f"/contacts/{FRIEND}", {"mood": "good"}, 400, "unknown_field"),
        ("POST", f"/contacts/{FRIEND}", {"registered": "yes"}, 400, "wrong_type"),
        ("POST", f"/contacts/{FRIEND}/reinstall", {"identity": "old"}, 400, "bad_identity"),
        ("POST", f"/contacts/{FRIEND}/reinstall", {"notify": 1}, 400, "wrong_type"),
        (
            "POST",
            f"/contacts/{FRIEND}/say",
            {"to": NUMBER, "text": "x", "count": 0},
            400,
            "bad_count",
        ),
        (
            "POST",
            f"/contacts/{FRIEND}/say",
            {"to": NUMBER, "text": "x", "device": 3},
            404,
            "no_such_device",
        ),
        ("POST", f"/phones/{NUMBER}/say", {"to": FRIEND, "text": "x"}, 409, "no_companion"),
        ("POST", f"/phones/{NUMBER}/read", {"ids": ["x"]}, 404, "no_such_message"),
        *(
            ("POST", f"/contacts/{FRIEND}/say", {"to": NUMBER} | body, status, code)
            for body, status, code in UNSAYABLE
        ),
        ("POST", f"/contacts/{FRIEND}/devices", {"notify": "no"}, 400, "wrong_type"),
        ("DELETE", f"/contacts/{FRIEND}/devices/3", None, 404, "no_such_device"),
        ("DELETE", f"/contacts/{FRIEND}/devices/0", None, 404, "no_such_device"),
        ("DELETE", f"/contacts/{FRIEND}/devices/x", None, 404, "not_found"),
        ("DELETE", f"/contacts/{FRIEND}/devices/3?notify=1", None, 400, "bad_notify"),
        ("POST", "/rotate", {"certificate": "none"}, 400, "bad_certificate"),
        ("POST", f"/contacts/{FRIEND}/forget", {}, 400, "missing_field"),
        ("POST", f"/contacts/{FRIEND}/addressing", {"mode": "fax"}, 400, "bad_addressing"),
        ("POST", f"/accounts/{NUMBER}/prekeys", {"keep": -1}, 400, "bad_keep"),
        ("GET", "/contacts/abc/inbox", None, 400, "bad_number"),
        ("GET", "/accounts/1", None, 400, "bad_number"),
        ("POST", "/faults", {"account": NUMBER, "kind": "explode"}, 400, "bad_fault"),
        ("POST", f"/accounts/{NUMBER}", {"standing": "odd"}, 400, "bad_property"),
        ("POST", f"/accounts/{NUMBER}", {"mood": "good"}, 400, "bad_property"),
        ("POST", f"/accounts/{NUMBER}", {"limited_until": "soon"}, 400, "bad_property"),
        ("POST", f"/accounts/{NUMBER}", {"chat_cap": -1}, 400, "bad_property"),
        ("POST", f"/accounts/{NUMBER}", {"chat_cap": True}, 400, "bad_property"),
        ("POST", f"/contacts/{FRIEND}", {"token_needed": 1}, 400, "bad_property"),
        ("POST", f"/contacts/{FRIEND}", {"default_timer": None}, 400, "bad_property"),
        ("POST", f"/contacts/{FRIEND}/token", {"account": NUMBER, "at": -1}, 400, "bad_at"),
        ("POST", f"/contacts/{FRIEND}/token", {}, 400, "missing_field"),
        ("POST", f"/contacts/{FRIEND}/timer", {"account": NUMBER}, 400, "missing_field"),
        ("POST", f"/phones/{NUMBER}", {"linking": "odd"}, 400, "bad_linking"),
        ("POST", f"/phones/{NUMBER}/passkey", {"challenge": "ü"}, 400, "bad_challenge"),
        ("POST", "/version", {"oldest": 3}, 400, "bad_version"),
        ("POST", "/rules", {"smell": True}, 400, "bad_rule"),
        ("POST", "/rules", {"unknown_tags": 1}, 400, "wrong_type"),
        ("POST", "/accounts/12/rules", {"unknown_tags": True}, 400, "bad_number"),
        ("DELETE", "/faults?id=x", None, 400, "bad_fault"),
        ("GET", "/faults?id=-1", None, 400, "bad_fault"),
        ("GET", f"/contacts/{FRIEND}/inbox?after=x", None, 400, "bad_page"),
        ("GET", f"/contacts/{FRIEND}/inbox?after={'9' * 30}", None, 400, "bad_page"),
        ("GET", f"/contacts/{FRIEND}/said?limit=0", None, 400, "bad_page"),
        ("GET", f"/phones/{NUMBER}/inbox?limit=-1", None, 400, "bad_page"),
    ],
)
async def test_bad_input(
    http: httpx.AsyncClient, *, method: str, path: str, body: Any, status: int, code: str
) -> None:
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = await http.request(method, path, **sent)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


async def test_says_where_clients_connect(http: httpx.AsyncClient, world: ServerState) -> None:
    answer = (await http.get("/")).json()
    assert answer == {
        "ws_url": "ws://127.0.0.1:1/ws/chat",
        "root_key": world.static_key.root_key.hex(),
        "static_key": world.static_key.identity.static_public.hex(),
        "media_host": "127.0.0.1",
        "media_authority": "",
        "pid": os.getpid(),
    }
