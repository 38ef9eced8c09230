"""The control API: bad input gets a clear error with a stable code."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator.contacts import message_content
from simulator.contacts.compose import MAX_TEXT
from simulator.control.api import application
from simulator.faults import RULES, SERVER_WIDE
from simulator.wire.protocol import PN_SERVER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from simulator.server_state import World
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"
OF_ACCOUNTS = [kind for kind in RULES if kind not in SERVER_WIDE]
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


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(world, lambda: "ws://127.0.0.1:1/ws/chat"))
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
        yield client


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


async def test_says_where_clients_connect(http: httpx.AsyncClient, world: World) -> None:
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
    http: httpx.AsyncClient, world: World
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
    await device.take_keys(next(one for one in device.passed if one.tag == "message"))
    said = await http.post(f"/contacts/{FRIEND}/say", json={"to": NUMBER, "text": "hello"})
    account = (await http.get(f"/accounts/{NUMBER}")).json()
    assert account["online"]
    assert account["unacknowledged"] == 2, "the message, and that prekeys run low"
    assert (account["prekeys"], account["logins"]) == (2, {"xx": 1, "ik": 0, "xxfallback": 0})
    assert await device.read() == (said.json()["id"], "hello")


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


async def test_an_account_with_devices_cannot_change_its_identity(
    http: httpx.AsyncClient, paired: Callable[[str], Awaitable[Device]]
) -> None:
    await paired(NUMBER)
    answer = await http.post(f"/contacts/{NUMBER}/reinstall", json={"identity": "new"})
    assert (answer.status_code, answer.json()["code"]) == (409, "has_companions")


async def test_faults_are_listed_and_cleared(http: httpx.AsyncClient) -> None:
    fault = {"account": NUMBER, "kind": "withhold_acks"}
    created = await http.post("/faults", json=fault)
    assert created.status_code == 201
    (listed,) = (await http.get("/faults")).json()["items"]
    assert (listed["kind"], listed["struck"], listed["active"]) == ("withhold_acks", 0, True)
    assert (await http.delete("/faults", params={"account": FRIEND})).json() == {"ended": 0}
    assert (await http.delete("/faults")).json() == {"ended": 1}


async def test_faults_of_many_accounts_are_told_and_ended_apart(http: httpx.AsyncClient) -> None:
    accounts = [f"1555010002{number}" for number in range(5)]
    begun = await asyncio.gather(
        *(
            http.post("/faults", json={"account": account, "kind": kind, "count": 3})
            for account in accounts
            for kind in OF_ACCOUNTS
        )
    )
    assert {answer.status_code for answer in begun} == {201}
    listed = (await http.get("/faults")).json()["items"]
    assert len(listed) == len(accounts) * len(OF_ACCOUNTS)
    first = (await http.get("/faults", params={"account": accounts[0]})).json()["items"]
    assert [one["kind"] for one in first] == OF_ACCOUNTS
    assert (await http.get("/faults", params={"id": first[1]["id"]})).json()["items"] == [first[1]]
    gone = await http.delete("/faults", params={"id": first[0]["id"]})
    assert gone.json() == {"ended": 1}
    gone = await http.delete("/faults", params={"account": accounts[0]})
    assert gone.json() == {"ended": len(OF_ACCOUNTS) - 1}
    left = [one for one in (await http.get("/faults")).json()["items"] if one["active"]]
    assert {one["account"] for one in left} == set(accounts[1:])
    assert len(left) == (len(accounts) - 1) * len(OF_ACCOUNTS)


async def test_what_grows_is_read_in_pages(
    http: httpx.AsyncClient, world: World, paired: Callable[[str], Awaitable[Device]]
) -> None:
    device = await paired(NUMBER)
    other = "15550100003"

    async def read(path: str, **query: int) -> tuple[list[str], int]:
        page = (await http.get(path, params=query)).json()
        assert all(item["index"] > query.get("after", 0) for item in page["items"])
        return [item["text"] for item in page["items"]], page["last"]

    inbox, said = f"/contacts/{FRIEND}/inbox", f"/contacts/{NUMBER}/said"
    body = {"to": FRIEND, "text": "text", "count": 5}
    ids = (await http.post(f"/phones/{NUMBER}/say", json=body)).json()["ids"]
    await http.post(f"/phones/{NUMBER}/say", json={"to": other, "text": "elsewhere"})
    texts, last = await read(inbox, limit=3)
    assert texts == ["text 1", "text 2", "text 3"]
    texts, last = await read(inbox, after=last, limit=3)
    assert texts == ["text 4", "text 5"]
    assert await read(inbox, after=last) == ([], last)
    assert (await read(inbox))[0] == [f"text {number}" for number in range(1, 6)]
    texts, last_said = await read(said, after=(await read(said, limit=4))[1])
    assert texts == ["text 5", "elsewhere"]
    # one that comes again keeps its index, and one that is new comes after it
    with world.store.transaction():
        friend = world.people.named(FRIEND)
        world.contacts.hear(
            world.people.named(NUMBER), friend, ids[0], message_content.text("text 1"), PN_SERVER
        )
    assert await read(inbox, after=last) == ([], last)
    assert world.inbox.received(FRIEND)[0]["deliveries"] == 2
    await http.post(f"/phones/{NUMBER}/say", json={"to": FRIEND, "text": "news"})
    assert (await read(inbox, after=last))[0] == ["news"]
    assert (await read(said, after=last_said))[0] == ["news"]
    for number in range(3):
        stanza = await device.message(FRIEND, f"copy {number}", f"M{number}")
        copy = await device.part(NUMBER, 0, device.own_copy(f"copy {number}", FRIEND))
        stanza.get_child("participants").content.append(copy)
        await device.send(stanza)
        await device.next("ack")
    copies = f"/phones/{NUMBER}/inbox"
    texts, last = await read(copies, limit=2)
    assert texts == ["copy 0", "copy 1"]
    assert (await read(copies, after=last))[0] == ["copy 2"]


async def test_a_contact_and_an_account_are_described(
    http: httpx.AsyncClient, world: World, paired: Callable[[str], Awaitable[Device]]
) -> None:
    device = await paired(NUMBER)
    added = await http.post(f"/contacts/{FRIEND}/devices", json={"notify": False})
    assert (added.status_code, added.json()) == (201, {"device": 1})
    await http.post(f"/contacts/{FRIEND}/addressing", json={"mode": "lid"})
    contact = (await http.get(f"/contacts/{FRIEND}")).json()
    assert (contact["addressing"], contact["retries"]) == ("lid", 0)
    assert contact["devices"] == [
        {
            "device": one,
            "identity": endpoint.identity.public.hex(),
            "registration_id": endpoint.registration,
        }
        for one, endpoint in world.endpoints.of(FRIEND).items()
    ]
    removed = await http.delete(f"/contacts/{FRIEND}/devices/1", params={"notify": "false"})
    assert removed.json() == {"device": 1}
    assert len((await http.get(f"/contacts/{FRIEND}")).json()["devices"]) == 1
    account = (await http.get(f"/accounts/{NUMBER}")).json()
    assert (account["retries"], account["version"]) == (0, device.version)
    assert (await http.post(f"/accounts/{NUMBER}/prekeys", json={"keep": 2})).json() == {
        "prekeys": 2
    }
    assert (await device.next("notification")).get_child("count").attrs["value"] == "2"


async def test_many_texts_in_one_call(
    http: httpx.AsyncClient, paired: Callable[[str], Awaitable[Device]]
) -> None:
    device = await paired(NUMBER)
    body = {"to": NUMBER, "text": "text", "count": 50}
    ids = (await http.post(f"/contacts/{FRIEND}/say", json=body)).json()["ids"]
    assert [await device.read() for _ in ids] == [
        (message_id, f"text {index}") for index, message_id in enumerate(ids, 1)
    ]


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


async def test_a_contact_forgets_and_reinstalls(
    http: httpx.AsyncClient, world: World, paired: Callable[[str], Awaitable[Device]]
) -> None:
    device = await paired(NUMBER)
    await http.post(f"/contacts/{FRIEND}/say", json={"to": NUMBER, "text": "hello"})
    before = (await http.get(f"/contacts/{FRIEND}")).json()["devices"]
    forgotten = await http.post(f"/contacts/{FRIEND}/forget", json={"account": f"+{NUMBER}"})
    assert forgotten.json() == {"sessions": 1}
    await http.post(f"/contacts/{FRIEND}/reinstall", json={"notify": False})
    assert "notification" not in world.queue.counts((NUMBER, device.device))
    await http.post(f"/contacts/{FRIEND}/reinstall")
    assert (await device.next("notification")).get_child("identity") is not None
    assert (await http.get(f"/contacts/{FRIEND}")).json()["devices"] != before
