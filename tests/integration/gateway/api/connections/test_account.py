"""Passkeys, resends, app state and calls: refused unasked, or handed to an owner that can do them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from contextlib import asynccontextmanager
from dataclasses import asdict
from html import unescape
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from actors.connection.abilities.app_state_changes import AppStateChange
from actors.connection.abilities.port import Passkey
from actors.connection.engine import Qr
from actors.messages.content import Text
from actors.redis.commands import Commands
from actors.redis.leases.leases import Owner
from actors.runtime import host_identity
from actors.state.account.app_state import changing
from gateway.app import application
from tests.integration.gateway.api.played_connection import CHAT, Rest
from tests.integration.gateway.api.played_connection import rest as rest  # noqa: PLC0414
from tests.integration.gateway.served import KEY, SHOP, Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from actors.redis.leases.leases import Leases
    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api

PASSKEY = "/api/connections/shop/passkey"
OPTIONS = {"challenge": "AAECAwQFBgcICQoLDA0ODw", "rpId": "whatsapp.com", "x": "<b>"}
ASSERTION = {
    "id": "AAECAw",
    "rawId": "AAECAw",
    "type": "public-key",
    "response": {"clientDataJSON": "eyJ9", "authenticatorData": "SZYN", "signature": "MEUC"},
    "authenticatorAttachment": "cross-platform",
    "clientExtensionResults": {"uvm": []},
}


async def test_what_nobody_serves_is_refused(api: Api, rest: Rest) -> None:
    theirs = await rest.receives("THEIRS", Text("?"))
    for path in (
        f"/api/messages/{theirs}/request-resend",
        "/api/connections/shop/app-state",
        "/api/connections/shop/calls/3F0A/reject",
    ):
        refused = api.post(path)
        assert (refused.status_code, refused.json()["code"]) == (409, "connection_not_open")


def test_an_assertion_has_webauthns_form(api: Api) -> None:
    for wrong in (
        {**ASSERTION, "type": "password"},
        {**ASSERTION, "response": {}},
        {**ASSERTION, "rawId": "not base64!"},
        {**ASSERTION, "more": 1},
    ):
        assert api.post(PASSKEY, json=wrong).status_code == 422


class Able:
    """The owner of a connection whose engine can do it all: it answers commands as the test sets it."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answer: dict[str, Any] = {}

    async def run(self) -> None:
        while True:
            command = await self._commands.next(SHOP, 5)
            if command is not None:
                self.asked.append((command.kind, dict(command.args)))
                await self._commands.answer(command, self.answer)


@asynccontextmanager
async def owned(gateway: Gateway, redis: Redis) -> AsyncIterator[Able]:
    commands = Commands(redis, gateway.settings)
    able = Able(commands)
    running = asyncio.create_task(able.run())
    try:
        yield able
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await commands.close()


@asynccontextmanager
async def here(gateway: Gateway, **flags: object) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway in this process, beside that one and with these settings besides."""
    app = application(gateway.settings.model_copy(update=flags))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://127.0.0.1",
            headers={"X-Api-Key": KEY},
        ) as client,
    ):
        yield client


@pytest.fixture
async def able(gateway: Gateway, redis: Redis) -> AsyncIterator[tuple[httpx.AsyncClient, Able]]:
    async with here(gateway) as client, owned(gateway, redis) as owner:
        yield client, owner


async def test_a_challenge_goes_out_and_an_assertion_comes_in(
    able: tuple[httpx.AsyncClient, Able], leases: Leases
) -> None:
    client, owner = able
    lease = await leases.take(SHOP, Owner("connection:test", os.getpid(), host_identity.here()))

    async def report(state: str, passkey: Passkey | None = None) -> None:
        qr = Qr("2@x", time.time() + 60)
        told: dict[str, Any] = {"state": state, "cause": None, "since": time.time()}
        assert await leases.report(SHOP, lease.epoch, **told, qr=qr, passkey=passkey)

    async def step() -> str | None:
        found: str | None = (await client.get("/api/connections/shop")).json()["pairing_step"]
        return found

    await report("pairing")
    assert await step() == "qr"
    for refused in (await client.get(PASSKEY), await client.post(PASSKEY, json=ASSERTION)):
        assert (refused.status_code, refused.json()["code"]) == (409, "no_passkey_challenge")
    expires = time.time() + 600
    await report("pairing", Passkey.challenge(OPTIONS, expires))
    assert await step() == "passkey"
    shown = (await client.get(PASSKEY)).json()
    assert (shown["step"], shown["options"], shown["code"]) == ("assertion", OPTIONS, None)
    assert (await client.post(PASSKEY, json=ASSERTION)).status_code == 204
    kind, args = owner.asked.pop()
    assert kind == "passkey_assertion"
    handed = json.loads(args["assertion"])
    assert handed["response"]["signature"] == "MEUC"
    assert handed.keys() == {"id", "rawId", "type", "response"}
    owner.answer = {"error": "passkey_refused"}
    refused = await client.post(PASSKEY, json=ASSERTION)
    assert (refused.status_code, refused.json()["code"]) == (422, "passkey_refused")
    long = {**ASSERTION, "id": "A" * 9000, "rawId": "A" * 9000}
    refused = await client.post(PASSKEY, json=long)
    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")
    owner.answer = {}
    await report("pairing", Passkey.confirmation("K7RM2V9D", expires))
    shown = (await client.get(PASSKEY)).json()
    assert (shown["step"], shown["options"], shown["code"]) == ("confirmation", None, "K7RM2V9D")
    assert (await client.post(f"{PASSKEY}/confirm")).status_code == 204
    assert owner.asked[-1] == ("confirm_passkey", {})
    await report("open", Passkey.challenge(OPTIONS, expires))
    assert await step() is None
    assert (await client.get(PASSKEY)).status_code == 409
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)


async def test_an_owner_that_can_is_asked(
    able: tuple[httpx.AsyncClient, Able], leases: Leases, rest: Rest
) -> None:
    client, owner = able
    theirs = await rest.receives("THEIRS", Text("?"))
    lease = await leases.take(SHOP, Owner("connection:test", os.getpid(), host_identity.here()))
    told: dict[str, Any] = {"state": "open", "cause": None, "since": time.time()}
    assert await leases.report(SHOP, lease.epoch, **told)
    for path in (
        f"/api/messages/{theirs}/request-resend",
        "/api/connections/shop/app-state",
        "/api/connections/shop/calls/3F0A/reject",
    ):
        assert (await client.post(path)).status_code == 204
    assert owner.asked == [
        ("request_resend", {"chat": CHAT, "sender": CHAT, "message_id": "THEIRS"}),
        ("sync_app_state", {}),
        ("reject_call", {"call": "3F0A"}),
    ]
    owner.answer = {"error": "unknown_call"}
    refused = await client.post("/api/connections/shop/calls/3F0A/reject")
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_call")
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)


async def test_the_console_names_people_as_the_phone_does(
    able: tuple[httpx.AsyncClient, Able], rest: Rest, documents: Documents
) -> None:
    client, _ = able
    await client.post("/console/login", data={"key": KEY}, follow_redirects=True)
    await rest.receives("THEIRS", Text("good morning"))
    address = "/console/conversations/shop"
    assert "<b>Ana</b>" not in unescape((await client.get(address)).text)
    names = asdict(AppStateChange.contact(CHAT, full_name="<b>Ana</b>", at=5.0))
    noted = {
        "epoch": 1,
        "key": 1,
        "collection": "critical_unblock_low",
        "news": True,
        "noted_as": "x",
    }
    await documents.batch([changing(SHOP, {**names, **noted})])
    for path in (address, f"{address}/{CHAT}", f"{address}/15550100099@s.whatsapp.net"):
        page = (await client.get(path)).text
        assert "&lt;b&gt;Ana&lt;/b&gt;" in page, path
        assert "<b>Ana" not in page


async def test_the_console_shows_how_a_challenge_is_signed(
    able: tuple[httpx.AsyncClient, Able], leases: Leases
) -> None:
    client, owner = able
    page = await client.post("/console/login", data={"key": KEY}, follow_redirects=True)
    found = re.search(r'<body data-token="([^"]+)">', page.text)
    assert found, page.text
    token, address = unescape(found[1]), "/console/connections/shop"

    async def submit(path: str, **fields: str) -> httpx.Response:
        told = {"token": token, **fields}
        return await client.post(f"{address}/{path}", data=told, follow_redirects=True)

    lease = await leases.take(SHOP, Owner("connection:test", os.getpid(), host_identity.here()))
    expires = time.time() + 600

    async def shows(passkey: Passkey) -> str:
        told: dict[str, Any] = {"state": "pairing", "cause": None, "since": time.time()}
        assert await leases.report(SHOP, lease.epoch, **told, passkey=passkey)
        return (await client.get(address)).text

    shown = await shows(Passkey.challenge(OPTIONS, expires))
    assert "<b>" not in shown
    assert f"parseRequestOptionsFromJSON({json.dumps(OPTIONS)})" in unescape(shown)
    assert "https://web.whatsapp.com" in shown
    for wrong in ("nothing", "[]", json.dumps({**ASSERTION, "type": "password"})):
        refused = await submit("passkey", assertion=wrong)
        assert (refused.status_code, "That is no assertion" in refused.text) == (422, True)
    assert owner.asked == []
    assert (await submit("passkey", assertion=json.dumps(ASSERTION))).status_code == 200
    assert [kind for kind, _ in owner.asked] == ["passkey_assertion"]
    compared = await shows(Passkey.confirmation("K7RM2V9D", expires))
    assert "K7RM2V9D" in compared
    assert (await submit("passkey/confirm")).status_code == 200
    assert [kind for kind, _ in owner.asked] == ["passkey_assertion", "confirm_passkey"]
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)
