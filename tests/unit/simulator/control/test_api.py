"""The control API: bad input gets a clear error with a stable code."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from simulator.contacts.message_builder import MAX_TEXT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

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


async def test_the_static_key_rotates_under_the_same_root(
    http: httpx.AsyncClient, world: ServerState
) -> None:
    before = (await http.get("/")).json()
    rotated = (await http.post("/rotate")).json()["static_key"]
    after = (await http.get("/")).json()
    assert after == {**before, "static_key": rotated}
    assert rotated == world.static_key.identity.static_public.hex() != before["static_key"]


async def test_a_phone_exists_as_soon_as_it_is_named(http: httpx.AsyncClient) -> None:
    first = (await http.post("/phones", json={"number": NUMBER})).json()
    again = (await http.post("/phones", json={"number": f"+{NUMBER}"})).json()
    assert first == again
    assert (await http.get(f"/contacts/{FRIEND}/inbox")).json() == {"items": [], "last": 0}
    account = (await http.get(f"/accounts/{NUMBER}")).json()
    assert (account["online"], account["unacknowledged"], account["prekeys"]) == (False, 0, 0)


async def test_scan_say_and_account(
    http: httpx.AsyncClient, new_device: Callable[[], Device]
) -> None:
    device = new_device()
    qr = await device.register()
    scanned, _ = await asyncio.gather(
        http.post(f"/phones/{NUMBER}/scan", json={"qr": qr}), device.sign()
    )
    assert scanned.json() == {
        "number": NUMBER,
        "device": 1,
        "jid": f"{NUMBER}:1@s.whatsapp.net",
    }
    await device.close()
    await device.login()
    await device.upload(4)
    await device.take_keys(await device.next("message"))
    said = await http.post(f"/contacts/{FRIEND}/say", json={"to": NUMBER, "text": "hello"})
    account = (await http.get(f"/accounts/{NUMBER}")).json()
    assert account["online"]
    assert account["unacknowledged"] == 2, "the message, and that prekeys run low"
    assert (account["prekeys"], account["logins"]) == (2, {"xx": 1, "ik": 0, "xxfallback": 0})
    assert await device.read() == (said.json()["id"], "hello")


@pytest.mark.holds_loop  # that of a hundred callers, too
async def test_many_calls_at_once(
    http: httpx.AsyncClient, paired: Callable[[str], Awaitable[Device]]
) -> None:
    await paired(NUMBER)
    answers = await asyncio.gather(
        *(
            http.post(f"/contacts/{FRIEND}/say", json={"to": NUMBER, "text": f"text {number}"})
            for number in range(100)
        )
    )
    assert len({answer.json()["id"] for answer in answers}) == 100


async def test_the_phone_speaks_and_sees_what_its_companion_sent(
    http: httpx.AsyncClient, paired: Callable[[str], Awaitable[Device]]
) -> None:
    device = await paired(NUMBER)
    body = {"to": FRIEND, "text": "from my pocket"}
    said = (await http.post(f"/phones/{NUMBER}/say", json=body)).json()
    assert await device.read() == (said["id"], "from my pocket")
    (item,) = (await http.get(f"/contacts/{FRIEND}/inbox")).json()["items"]
    assert (item["id"], item["devices"]) == (said["id"], [0])
    stanza = await device.message(FRIEND, "from the desk", "M1")
    copy = await device.part(NUMBER, 0, device.own_copy("from the desk", FRIEND))
    stanza.get_child("participants").content.append(copy)
    await device.send(stanza)
    await device.next("ack")
    (seen,) = (await http.get(f"/phones/{NUMBER}/inbox")).json()["items"]
    assert (seen["id"], seen["to"], seen["text"]) == ("M1", FRIEND, "from the desk")
