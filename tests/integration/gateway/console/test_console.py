"""The console over HTTP: who gets in, what a key may do there, and what a page says when it is bad."""

from __future__ import annotations

import os
import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import pytest_asyncio

from actors.connection.engine import Qr
from actors.redis.leases.lease_record import HeldItems
from actors.redis.leases.leases import Leases, Owner
from actors.runtime import host_identity
from actors.state.documents import API_KEYS
from gateway.app import OPERATIONS
from gateway.console.page_app import PageApp
from gateway.console.routes import routes
from gateway.http import api_keys
from tests.integration.gateway.person import Person
from tests.integration.gateway.removal import remove
from tests.integration.gateway.served import KEY, SHOP, Gateway
from tests.unlimited import UNLIMITED
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from actors.state.documents import Documents


class Key(NamedTuple):
    id: str
    token: str


_INCARNATION = re.compile('name="incarnation" value="([^"]+)"')
PAGES = ("/", "/console/connections/shop")


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[Person]:
    with Person(gateway, KEY) as person:
        yield person


@pytest.fixture
def nobody(gateway: Gateway) -> Iterator[Person]:
    with Person(gateway, None) as person:
        yield person


def test_without_a_key_there_is_nothing_but_the_login(gateway: Gateway, nobody: Person) -> None:
    nobody.follow_redirects = False
    opened = 0
    for route in routes(OPERATIONS):
        assert isinstance(route.endpoint, PageApp)
        address = re.sub(r"\{\w+(:path)?\}", "shop", route.path)
        for method in (route.methods or set()) - {"HEAD"}:
            answer = nobody.request(method, address)
            if address in {"/console/login", "/console/static/shop"}:
                opened += 1
                continue
            assert answer.status_code == 303, (method, address)
            assert answer.headers["location"] == "/console/login"
            assert "shop" not in answer.text
    assert opened == 3
    part = nobody.part("/")
    assert part.status_code == 401, "the script of a page that lay open"


def test_the_login_takes_a_key_that_may_read(nobody: Person) -> None:
    assert "API key" in nobody.get("/").text
    for wrong in ("", "tmo_" + "x" * 43, "<script>"):
        answer = nobody.post("/console/login", data={"key": wrong})
        assert answer.status_code == 401
        assert "There is no such API key" in answer.text
        assert "<script>" not in answer.text
        assert not nobody.cookies
    page = nobody.post("/console/login", data={"key": f" {KEY} "})
    assert page.url.path == "/"
    assert ">shop</a>" in page.text
    assert nobody.get("/console/login").url.path == "/", "who is logged in needs no login"


def test_the_cookie_is_for_the_browser_alone_and_holds_no_key(nobody: Person) -> None:
    nobody.follow_redirects = False
    plain = nobody.post("/console/login", data={"key": KEY})
    told = plain.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(told.split("; "))
    assert "Secure" not in told
    assert KEY not in told
    assert api_keys.digest(KEY) not in told
    secure = nobody.post(
        "/console/login", data={"key": KEY}, headers={"X-Forwarded-Proto": "https"}
    )
    assert "; Secure" in secure.headers["set-cookie"]


def test_logging_out_ends_it(gateway: Gateway) -> None:
    with Person(gateway, KEY) as person:
        assert person.submit("/console/logout").url.path == "/console/login"
        assert person.get("/").url.path == "/console/login"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://x.test"},
    ],
)
def test_a_form_of_another_site_does_nothing(
    gateway: Gateway, admin: Person, headers: dict[str, str]
) -> None:
    fields = {"token": admin.token, "id": "stolen"}
    answer = admin.post("/console/connections", data=fields, headers=headers)
    assert (answer.status_code, "cross_site" in answer.text) == (403, True)
    login = admin.post("/console/login", data={"key": KEY}, headers=headers)
    assert login.status_code == 403
    assert gateway.api.get("/api/connections/stolen").status_code == 404


def test_a_form_without_the_token_of_its_session_does_nothing(
    gateway: Gateway, admin: Person
) -> None:
    with Person(gateway, KEY) as other:
        for token in ("", "x", other.token):
            answer = admin.post("/console/connections", data={"token": token, "id": "stolen"})
            assert (answer.status_code, "cross_site" in answer.text) == (403, True)
    assert gateway.api.get("/api/connections/stolen").status_code == 404


@pytest.mark.parametrize("path", PAGES)
def test_pages_run_nothing_that_they_say(admin: Person, path: str) -> None:
    page = admin.get(path)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?! src=)|\son\w+=|\sstyle=|javascript:|https?://", page.text)


def test_a_part_is_what_is_between_the_bars_of_the_page(admin: Person) -> None:
    part = admin.part("/").text
    assert part.strip() in admin.get("/").text
    assert "<html" not in part
    assert "<h1>Connections</h1>" in part


def test_static_files_are_kept_for_good_by_their_version(admin: Person) -> None:
    page = admin.get("/console/conversations/shop").text
    for name in ("console.css", "console.js", "conversations.js", "icon.svg"):
        found = re.search(rf'"(/console/static/{re.escape(name)}\?v=\w+)"', page)
        assert found
        file = admin.get(found[1])
        assert file.status_code == 200
        assert "immutable" in file.headers["cache-control"]
        again = admin.get(found[1], headers={"If-None-Match": file.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert admin.get(f"/console/static/{name}?v=old").headers["cache-control"] == "no-cache"
    assert admin.get("/console/static/console.py").status_code == 404


def test_what_is_not_there_is_said_on_a_page(admin: Person) -> None:
    for path in ("/console/nothing", "/console/connections/none", "/console/connections/A B"):
        answer = admin.get(path)
        assert answer.status_code == 404
        assert "<h1>There is no" in answer.text
    assert admin.submit("/console/connections/shop/explode").status_code == 404


def test_a_connection_is_added_stopped_started_and_removed(gateway: Gateway, admin: Person) -> None:
    page = admin.submit("/console/connections", id="desk")
    assert page.url.path == "/console/connections/desk"
    assert "<h1>desk</h1>" in page.text
    again = admin.submit("/console/connections", id="desk")
    assert again.status_code == 409
    assert 'role="alert"' in again.text
    for wrong in ("", "Desk", "<b>", "a" * 65):
        refused = admin.submit("/console/connections", id=wrong)
        assert refused.status_code == 422
        assert "<b>" not in refused.text
    stopped = admin.submit("/console/connections/desk/stop")
    assert ">Start</button>" in stopped.text
    assert gateway.api.get("/api/connections/desk").json()["desired"] == "stopped"
    admin.submit("/console/connections/desk/start")
    assert gateway.api.get("/api/connections/desk").json()["desired"] == "running"
    for verb in ("delete", "logout"):
        for typed in ({}, {"confirm": ""}, {"confirm": "shop"}):
            asked = admin.submit(f"/console/connections/desk/{verb}", **typed)
            assert (asked.status_code, "Type desk to confirm." in asked.text) == (422, True)
            assert "its queue: 0 messages not sent, 0 dead letters" in asked.text
    assert gateway.api.get("/api/connections/desk").json()["desired"] == "running"
    removed = admin.submit("/console/connections/desk/delete", confirm="desk")
    assert removed.url.path == "/"
    assert gateway.api.get("/api/connections/desk").status_code == 404


def test_an_account_is_shown_as_online_by_a_click(gateway: Gateway, admin: Person) -> None:
    page, shown = "/console/connections/shop", "/console/connections/shop/settings"
    for fields, online, offered in (
        ({"show_online": "true"}, True, "Show it as online no more"),
        ({}, False, "Show it as online"),
    ):
        answer = admin.submit(shown, **fields)
        assert answer.status_code == 200
        assert str(answer.url).endswith(page)
        assert f"<button>{offered}</button>" in answer.text
        assert gateway.api.get("/api/connections/shop").json()["show_online"] is online


def test_a_proxy_and_calls_are_set_by_forms_of_their_own(gateway: Gateway, admin: Person) -> None:
    page, settings = "/console/connections/shop", "/console/connections/shop/settings"
    url = "socks5://shop:s3cret@proxy.example:1080"

    def now() -> tuple[object, ...]:
        found = gateway.api.get("/api/connections/shop").json()
        names = ("show_online", "proxy", "reject_calls", "reject_calls_text")
        return tuple(found[name] for name in names)

    admin.submit(settings, show_online="true")
    answer = admin.submit(settings, setting="proxy", proxy=url)
    assert str(answer.url).endswith(page)
    assert "socks5://***:***@proxy.example:1080" in answer.text
    assert "s3cret" not in answer.text
    refused = admin.submit(settings, setting="proxy", proxy="socks5://s3cret@proxy.example:1080")
    assert refused.status_code == 422
    assert "a user needs a password" in refused.text
    assert "s3cret" not in refused.text
    admin.submit(settings, setting="calls", reject_calls="true", reject_calls_text="No <calls>")
    assert now() == (True, "socks5://***:***@proxy.example:1080", True, "No <calls>")
    assert "No &lt;calls&gt;" in admin.part(page).text
    admin.submit(settings, setting="calls")
    admin.submit(settings, setting="proxy", proxy=" ")
    admin.submit(settings)
    assert now() == (False, None, False, None)


def incarnation(gateway: Gateway, name: str) -> str:
    found: str = gateway.api.get(f"/api/connections/{name}").json()["incarnation"]
    return found


@pytest_asyncio.fixture
async def pairing(gateway: Gateway, leases: Leases) -> str:
    """A connection that shows a QR, as its owner reports it."""
    gateway.api.post("/api/connections", json={"id": "pair"})
    connection = incarnation(gateway, "pair")
    lease = await leases.take(connection, Owner("a", os.getpid(), host_identity.here()))
    qr = Qr(text="2@first", expires_at=lease.since + 60)
    assert await leases.report(
        connection, lease.epoch, state="pairing", cause=None, since=lease.since, qr=qr
    )
    return "pair"


async def test_a_limit_of_an_account_is_shown_with_its_end(
    gateway: Gateway, admin: Person, leases: Leases
) -> None:
    gateway.api.post("/api/connections", json={"id": "limited"})
    connection = incarnation(gateway, "limited")
    lease = await leases.take(connection, Owner("a", os.getpid(), host_identity.here()))
    until = time.time() + 3600
    limit: dict[str, Any] = {
        "limited_until": until,
        "limit_reason": "new_chats_capped",
        "held": HeldItems(refused_documents=7, deferred_files=5, over_budget_files=2),
    }
    assert await leases.report(
        connection, lease.epoch, state="open", cause=None, since=lease.since, **limit
    )
    shown = gateway.api.get("/api/connections/limited").json()
    assert shown["limit_reason"] == "new_chats_capped"
    assert datetime.fromisoformat(shown["limited_until"]).timestamp() == pytest.approx(until, abs=1)
    for page in ("/", "/console/connections/limited"):
        text = admin.get(page).text
        assert "messages that would begin another wait." in text
        assert shown["limited_until"] in text
    assert "teimoso refused list limited" in text
    assert "<dt>Waiting files</dt><dd>5 " in text
    assert (shown["deferred_files"], shown["over_budget_files"]) == (5, 2)


def test_a_form_is_for_the_connection_that_its_page_showed(gateway: Gateway, admin: Person) -> None:
    """G12: the form is sent after another connection took the name."""
    api = gateway.api
    api.post("/api/connections", json={"id": "again"}).raise_for_status()
    page, chat = "/console/connections/again", "/console/conversations/again/15550100002"
    shown = _INCARNATION.findall(admin.get(page).text)
    assert len(set(shown)) == 1
    assert set(_INCARNATION.findall(admin.get(chat).text)) == set(shown)
    remove(gateway, shown[0])
    api.post("/api/connections", json={"id": "again"}).raise_for_status()
    for address, fields in (
        (f"{page}/stop", {}),
        (f"{page}/delete", {"confirm": "again"}),
        (chat, {"text": "hi"}),
    ):
        answer = admin.submit(address, incarnation=shown[0], **fields)
        assert (answer.status_code, "unknown_connection" in answer.text) == (404, True)
    assert api.get("/api/connections/again").json()["desired"] == "running"
    lanes = api.get("/api/queue").json()["items"]
    assert [lane["waiting"] for lane in lanes if lane["connection"] == "again"] == [0]
    assert admin.submit(f"{page}/stop", incarnation="other--K7Q2M9XA4TBC").status_code == 404
    remove(gateway, incarnation(gateway, "again"))


def test_the_qr_is_for_those_who_may_link(
    gateway: Gateway, admin: Person, documents: Documents, pairing: str
) -> None:
    page = admin.get(f"/console/connections/{pairing}").text
    assert "<svg" in page
    assert 'class="qr"' in page
    assert "2@first" not in page


async def made(gateway: Gateway, documents: Documents, *scopes: api_keys.Scope, **more: Any) -> Key:
    """A new key, once the gateway knows it."""
    identifier, token = await api_keys.create(
        documents, name="made", scopes=scopes, **more, quota=UNLIMITED
    )

    def known() -> bool:
        with gateway.client(token) as client:
            return client.get("/api/connections").status_code != 401

    until("the key is known", known, api_keys.KEYS_RETRY_PAUSE + 3)
    return Key(identifier, token)


@pytest_asyncio.fixture
async def reader(gateway: Gateway, documents: Documents, pairing: str) -> AsyncIterator[Person]:
    """Somebody who may read one connection."""
    key = await made(gateway, documents, "read", connections=[SHOP, incarnation(gateway, pairing)])
    with Person(gateway, key.token) as person:
        yield person


def test_what_a_key_may_not_do_is_not_offered_and_refused(
    gateway: Gateway, admin: Person, reader: Person, pairing: str
) -> None:
    admin.submit("/console/connections", id="other")
    home = reader.get("/").text
    assert ">shop</a>" in home
    assert ">other</a>" not in home
    assert "Add a connection" not in home
    assert "Add a connection" in admin.get("/").text
    one = reader.get(f"/console/connections/{pairing}").text
    assert "<form" not in one.partition("<main")[2]
    assert "<dt>Webhooks</dt><dd>20</dd>" in one, "its limits"
    assert "/console/settings" not in one
    assert "/console/settings#RATE_LIMIT" in admin.get(f"/console/connections/{pairing}").text
    assert 'class="qr"' not in one
    assert "<form" in admin.get(f"/console/connections/{pairing}").text.partition("<main")[2]
    for address in (f"/console/connections/{pairing}/stop", "/console/connections"):
        answer = reader.submit(address, id="more")
        assert (answer.status_code, "missing_scope" in answer.text or "scope" in answer.text) == (
            403,
            True,
        )
    assert gateway.api.get(f"/api/connections/{pairing}").json()["desired"] == "running"
    forbidden = reader.get("/console/connections/other")
    assert (forbidden.status_code, "connection_forbidden" in forbidden.text) == (403, True)
    admin.submit("/console/connections/other/delete", confirm="other")


async def test_a_key_that_is_revoked_is_logged_out(gateway: Gateway, documents: Documents) -> None:
    identifier, token = await made(gateway, documents, "read")
    with Person(gateway, token) as guest:
        assert guest.get("/").url.path == "/"
        await documents.delete(API_KEYS, identifier)
        until(
            "the guest is logged out",
            lambda: guest.get("/").url.path == "/console/login",
            api_keys.KEYS_FRESH_SECONDS + api_keys.KEYS_RETRY_PAUSE + 3,
        )
        assert guest.part("/").status_code == 401


async def test_a_key_that_may_not_read_has_no_console(
    gateway: Gateway, documents: Documents, nobody: Person
) -> None:
    _, token = await made(gateway, documents, "metrics", "send")
    answer = nobody.post("/console/login", data={"key": token})
    assert answer.status_code == 403
    assert "may read" in answer.text
    assert not nobody.cookies
