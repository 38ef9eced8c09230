"""The life of a connection through the API; the root is played by writing its part."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import pytest

from actors.connection.engine import Qr
from actors.redis.change_notifications import pokes
from actors.redis.client import connect
from actors.redis.leases.leases import Owner
from actors.runtime import host_identity
from actors.state.connection_document import Observed
from actors.state.connections import Connections

if TYPE_CHECKING:
    from actors.redis.leases.leases import Leases
    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api, Gateway

OWNER = Owner("connection:test", os.getpid(), host_identity.here())


def make(api: Api, name: str) -> str:
    """The id of a new connection."""
    made = api.post("/api/connections", json={"id": name})
    assert made.status_code == 201, made.text
    incarnation: str = made.json()["incarnation"]
    return incarnation


def test_made_listed_read_and_deleted(api: Api) -> None:
    made = api.post("/api/connections", json={"id": "made"})
    assert made.status_code == 201
    assert made.headers["location"] == "/api/connections/made"
    assert made.json()["state"] == "connecting"
    assert made.json()["desired"] == "running"
    assert made.json()["epoch"] == 0
    assert api.get(made.headers["location"]).json() == made.json()
    assert "made" in [each["id"] for each in api.get("/api/connections").json()["items"]]

    again = api.post("/api/connections", json={"id": "made"})
    assert (again.status_code, again.json()["code"]) == (409, "connection_exists")

    assert api.delete("/api/connections/made").status_code == 204
    assert api.get("/api/connections/made").json()["code"] == "unknown_connection"
    assert api.delete("/api/connections/made").status_code == 404
    assert "made" not in [each["id"] for each in api.get("/api/connections").json()["items"]]
    sent = api.post("/api/messages", json={"connection": "made", "to": "15550100002", "text": "hi"})
    assert (sent.status_code, sent.json()["code"]) == (404, "unknown_connection")

    removing = api.post("/api/connections", json={"id": "made"})
    assert removing.status_code == 409  # the root has not removed it yet
    assert "removed" in removing.json()["detail"]


def test_pages_of_connections(api: Api) -> None:
    for name in ("page-a", "page-b", "page-c"):
        make(api, name)
    first = api.get("/api/connections", params={"limit": 1}).json()
    seen = [first["items"][0]["id"]]
    while first["next"]:
        first = api.get("/api/connections", params={"limit": 2, "after": first["next"]}).json()
        seen += [each["id"] for each in first["items"]]
    assert seen == sorted(seen)
    assert {"page-a", "page-b", "page-c", "shop"} <= set(seen)


async def test_wishes_reach_the_registry(api: Api, documents: Documents) -> None:
    registry = Connections(documents)
    make(api, "wishes")
    for verb, desired in (("stop", "stopped"), ("logout", "logged_out"), ("start", "running")):
        answer = await asyncio.to_thread(api.post, f"/api/connections/wishes/{verb}")
        assert answer.status_code == 202
        assert answer.json()["desired"] == desired
        registered = await registry.get("wishes")
        assert registered is not None
        assert registered.desired == desired
    assert registered is not None
    before = registered.generation
    assert (await asyncio.to_thread(api.post, "/api/connections/wishes/restart")).status_code == 202
    after = await registry.get("wishes")
    assert after is not None
    assert after.generation == before + 1
    assert after.desired == "running"


async def test_each_wish_pokes_the_root(api: Api, gateway: Gateway) -> None:
    make(api, "poked")
    listening = connect(gateway.settings, blocking=True)
    heard = pokes(listening)
    try:
        await anext(heard)  # listening
        for verb in ("stop", "start", "restart", "logout"):
            await asyncio.to_thread(api.post, f"/api/connections/poked/{verb}")
            await asyncio.wait_for(anext(heard), 5)
    finally:
        await heard.aclose()
        await listening.aclose()


async def test_recovery(api: Api, documents: Documents) -> None:
    registry = Connections(documents)
    make(api, "ill")
    make(api, "resting")
    api.post("/api/connections/resting/stop")

    async def recover(connection: str) -> int:
        registered = await registry.get(connection)
        assert registered is not None
        return registered.recover

    everything = api.post("/api/connections/recover")  # no body
    assert everything.status_code == 202
    assert "ill" in everything.json()["items"]
    assert "resting" not in everything.json()["items"]
    assert await recover("ill") == 1
    assert await recover("resting") == 0
    one = api.post("/api/connections/recover", json={"connection": "ill"})
    assert one.json() == {"items": ["ill"], "next": None}
    assert await recover("ill") == 2
    unknown = api.post("/api/connections/recover", json={"connection": "nobody"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_connection")
    # the path of the verb is still free for a connection of that name
    assert api.get("/api/connections/recover").json()["code"] == "unknown_connection"


async def test_the_lease_is_seen_at_once(api: Api, leases: Leases, documents: Documents) -> None:
    live = make(api, "live")
    lease = await leases.take(live, OWNER)
    await leases.report(
        live,
        lease.epoch,
        state="open",
        cause=None,
        since=time.time(),
        account="15550100001@s.whatsapp.net",
    )
    seen = api.get("/api/connections/live").json()
    assert (seen["state"], seen["epoch"]) == ("open", lease.epoch)
    assert seen["account"] == "15550100001@s.whatsapp.net"
    # an older word in the store changes nothing, a newer one does
    registry = Connections(documents)
    await registry.observe(live, Observed("failed", epoch=lease.epoch - 1, since=time.time()))
    assert api.get("/api/connections/live").json()["state"] == "open"
    await registry.observe(live, Observed("failed", epoch=lease.epoch + 5, since=1.0))
    seen = api.get("/api/connections/live").json()
    assert (seen["state"], seen["epoch"]) == ("failed", lease.epoch + 5)


async def test_the_qr_comes_in_three_forms(api: Api, leases: Leases) -> None:
    pair = make(api, "pair")
    nothing = api.get("/api/connections/pair/qr")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_to_scan")
    assert nothing.json()["state"] == "connecting"
    lease = await leases.take(pair, OWNER)
    text = "https://wa.me/settings/linked_devices#2@" + "a" * 200 + ",b,c,d,1"
    await leases.report(
        pair,
        lease.epoch,
        state="pairing",
        cause=None,
        since=time.time(),
        qr=Qr(text, time.time() + 20),
    )
    path = "/api/connections/pair/qr"
    found = api.get(path, headers={"Accept": "application/json"})
    assert found.json()["qr"] == text
    assert found.json()["expires_at"].endswith("Z")
    assert found.headers["cache-control"] == "no-store"
    png = api.get(path, headers={"Accept": "image/png"})
    assert png.headers["content-type"] == "image/png"
    assert png.content.startswith(b"\x89PNG")
    svg = api.get(path, headers={"Accept": "image/svg+xml"})
    assert svg.headers["content-type"].startswith("image/svg+xml")
    assert b"<svg" in svg.content
    assert api.get(path, headers={"Accept": "text/html"}).status_code == 406
    await leases.report(pair, lease.epoch, state="open", cause=None, since=time.time())
    opened = api.get(path)
    assert (opened.status_code, opened.json()["state"]) == (409, "open")


@pytest.mark.parametrize(
    ("method", "suffix"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/qr"),
        ("GET", "/pairing-code"),
        ("POST", "/start"),
        ("POST", "/stop"),
        ("POST", "/restart"),
        ("POST", "/logout"),
    ],
)
@pytest.mark.parametrize("name", ["nobody", "No%20Such", "%00", "a" * 500, "x%2Fy"])
def test_what_does_not_exist(api: Api, method: str, suffix: str, name: str) -> None:
    answer = api.request(method, f"/api/connections/{name}{suffix}")
    assert answer.status_code == 404
    assert answer.json()["code"] in {"unknown_connection", "not_found"}


async def test_settings_are_changed_one_by_one(api: Api, documents: Documents) -> None:
    made = api.post("/api/connections", json={"id": "set", "show_online": True})
    assert made.json()["show_online"] is True
    registry = Connections(documents)
    for body, shown in (({}, True), ({"show_online": False}, False), ({"show_online": True}, True)):
        answer = await asyncio.to_thread(api.patch, "/api/connections/set", json=body)
        assert (answer.status_code, answer.json()["show_online"]) == (200, shown)
        registered = await registry.get("set")
        assert registered is not None
        assert registered.options.show_online is shown
    for wrong in ({"show_online": "yes"}, {"engine": "native"}):
        answer = await asyncio.to_thread(api.patch, "/api/connections/set", json=wrong)
        assert answer.status_code == 422
    gone = await asyncio.to_thread(api.patch, "/api/connections/nobody", json={})
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_connection")
    make(api, "unset")
    assert api.get("/api/connections/unset").json()["show_online"] is False


PROXY = "socks5://shop:s3cret@proxy.example:1080"
SHOWN = "socks5://***:***@proxy.example:1080"


async def test_a_proxy_is_kept_and_shown_without_its_secrets(
    api: Api, documents: Documents
) -> None:
    made = api.post("/api/connections", json={"id": "proxied", "proxy": PROXY})
    assert (made.status_code, made.json()["proxy"]) == (201, SHOWN)
    registry = Connections(documents)

    async def kept() -> str | None:
        registered = await registry.get("proxied")
        assert registered is not None
        assert "s3cret" not in repr(registered)
        return registered.options.proxy

    assert await kept() == PROXY
    for body, proxy, shown in (
        ({"show_online": True}, PROXY, SHOWN),
        ({"proxy": None}, None, None),
        ({"proxy": "http://9.9.9.9:3128"}, "http://9.9.9.9:3128", "http://9.9.9.9:3128"),
        ({"proxy": PROXY, "show_online": None}, PROXY, SHOWN),
    ):
        answer = await asyncio.to_thread(api.patch, "/api/connections/proxied", json=body)
        assert (answer.status_code, answer.json()["proxy"]) == (200, shown)
        assert answer.json()["show_online"] is True
        assert await kept() == proxy
    for path in ("/api/connections", "/api/connections/proxied", "/health"):
        assert "s3cret" not in (await asyncio.to_thread(api.get, path)).text


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "127.1", "localhost", "[fd00::1]"])
def test_a_proxy_at_a_private_address_is_refused(api: Api, host: str) -> None:
    api.post("/api/connections", json={"id": "within"})
    proxy = {"proxy": f"socks5://shop:s3cret@{host}:1080"}
    for refused in (
        api.post("/api/connections", json={"id": "none", **proxy}),
        api.patch("/api/connections/within", json=proxy),
    ):
        assert (refused.status_code, refused.json()["code"]) == (422, "private_url")
        assert "CONNECTION_PROXY_PRIVATE" in refused.json()["detail"]
    assert api.get("/api/connections/none").status_code == 404
    assert api.get("/api/connections/within").json()["proxy"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        "socks5://s3cret@proxy.example:1080",
        "https://shop:s3cret@proxy.example:1080",
        "http://shop:s3cret@proxy.example",
        SHOWN,
        "s3cret",
        "",
        1080,
    ],
)
def test_what_is_no_proxy_is_refused(api: Api, wrong: object) -> None:
    api.post("/api/connections", json={"id": "noproxy"})
    for refused in (
        api.post("/api/connections", json={"id": "none", "proxy": wrong}),
        api.patch("/api/connections/noproxy", json={"proxy": wrong, "show_online": True}),
    ):
        code = "invalid_field" if isinstance(wrong, int) else "invalid_proxy"
        assert (refused.status_code, refused.json()["code"]) == (422, code)
        assert "s3cret" not in refused.text
    assert api.get("/api/connections/none").status_code == 404
    assert api.get("/api/connections/noproxy").json()["show_online"] is False


async def test_what_becomes_of_calls_is_set(api: Api, documents: Documents) -> None:
    made = api.post("/api/connections", json={"id": "calls", "reject_calls": True}).json()
    assert (made["reject_calls"], made["reject_calls_text"]) == (True, None)
    for body, on, text in (
        ({"reject_calls_text": "No calls, please write."}, True, "No calls, please write."),
        ({"reject_calls": False}, False, "No calls, please write."),
        ({"reject_calls": None, "reject_calls_text": None}, False, None),
    ):
        answer = (await asyncio.to_thread(api.patch, "/api/connections/calls", json=body)).json()
        assert (answer["reject_calls"], answer["reject_calls_text"]) == (on, text)
        registered = await Connections(documents).get("calls")
        assert registered is not None
        options = registered.options
        assert (options.reject_calls, options.reject_calls_text) == (on, text)
    for wrong in ({"reject_calls": "yes"}, {"reject_calls_text": ""}, {"reject_calls_text": "\0"}):
        refused = await asyncio.to_thread(api.patch, "/api/connections/calls", json=wrong)
        assert refused.status_code == 422


async def test_a_setting_that_changed_pokes_the_root(api: Api, gateway: Gateway) -> None:
    make(api, "nudged")
    listening = connect(gateway.settings, blocking=True)
    heard = pokes(listening)
    try:
        await anext(heard)  # listening
        body = {"show_online": True}
        await asyncio.to_thread(api.patch, "/api/connections/nudged", json=body)
        await asyncio.wait_for(anext(heard), 5)
    finally:
        await heard.aclose()
        await listening.aclose()
