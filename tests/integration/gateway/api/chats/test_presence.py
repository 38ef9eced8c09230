"""Presence and typing, through the API; the connection is played on the real Redis."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from actors.redis.commands import Commands
from actors.redis.leases.leases import Leases, Owner
from actors.redis.presence import PresenceNote, Presences
from actors.runtime import host_identity
from tests.integration.gateway.served import SHOP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from tests.integration.gateway.served import Api, Gateway
    from tests.processes.valkey import Valkey

ANA, BEN = "15550100002@s.whatsapp.net", "15550100003@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
OWNER = Owner("connection:test", os.getpid(), host_identity.here())
SUBSCRIPTIONS = "/api/connections/shop/subscriptions"


@pytest.fixture
async def presences(leases: Leases, redis: Redis, api: Api) -> AsyncIterator[Presences]:
    """Of a connection that is open since now."""
    lease = await leases.take(SHOP, OWNER)
    await _opens(leases, lease.epoch)
    yield Presences(redis)
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)


async def _opens(leases: Leases, epoch: int) -> None:
    await leases.report(SHOP, epoch, state="open", cause=None, since=time.time())


def seen(api: Api, who: str) -> dict[str, Any]:
    answer = api.get(f"/api/connections/shop/presence/{who}")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_a_person_is_not_seen_by_an_owner_that_is_gone(
    api: Api, presences: Presences, leases: Leases
) -> None:
    """G14: nobody knows whether the person still is online."""
    await presences.note(SHOP, [PresenceNote(ANA, ANA, "available", time.time())])
    assert seen(api, ANA)["presence"] == "available"
    lease = await leases.take(
        SHOP, Owner("connection:gone", os.getpid(), host_identity.here(), "0:0")
    )
    await leases.report(SHOP, lease.epoch, state="open", cause=None, since=1.0)
    assert seen(api, ANA)["presence"] == "unknown"


async def test_a_person_is_seen_online_and_typing_and_gone(api: Api, presences: Presences) -> None:
    nothing: dict[str, Any] = {
        "chat": ANA,
        "presence": "unknown",
        "last_seen": None,
        "typing": None,
        "at": None,
        "participants": [],
    }
    assert seen(api, "15550100002") == nothing
    now = time.time()
    await presences.note(SHOP, [PresenceNote(ANA, ANA, "available", now)])
    told = seen(api, "+1 555 010-0002")
    at = told.pop("at")
    assert told == {key: value for key, value in nothing.items() if key != "at"} | {
        "presence": "available"
    }
    assert abs(datetime.fromisoformat(at).timestamp() - now) < 0.01
    await presences.note(SHOP, [PresenceNote(ANA, ANA, "recording", now + 0.5)])
    assert seen(api, ANA)["typing"] == "recording"
    await presences.note(
        SHOP,
        [
            PresenceNote(ANA, ANA, "paused", now + 1),
            PresenceNote(ANA, ANA, "unavailable", now + 1, 1_790_000_000),
        ],
    )
    told = seen(api, ANA)
    assert (told["presence"], told["typing"]) == ("unavailable", None)
    assert told["last_seen"] == "2026-09-21T14:13:20.000Z"


async def test_each_participant_of_a_group_is_seen_typing(api: Api, presences: Presences) -> None:
    now = time.time()
    await presences.note(
        SHOP,
        [
            PresenceNote(GROUP, ANA, "composing", now),
            PresenceNote(GROUP, BEN, "recording", now + 0.5),
        ],
    )
    told = seen(api, GROUP)
    assert (told["chat"], told["presence"], told["typing"]) == (GROUP, "unknown", "recording")
    assert [one["participant"] for one in told["participants"]] == [BEN, ANA]
    assert seen(api, ANA)["typing"] is None


async def test_presence_from_a_closed_socket_is_unknown(
    api: Api, presences: Presences, leases: Leases
) -> None:
    await presences.note(SHOP, [PresenceNote(BEN, BEN, "available", time.time(), 1_790_000_000)])
    assert seen(api, BEN)["presence"] == "available"
    lease = await leases.read(SHOP)
    assert lease is not None
    await leases.report(SHOP, lease.epoch, state="reconnecting", cause="network", since=time.time())
    assert seen(api, BEN)["presence"] == "unknown"
    await _opens(leases, lease.epoch)
    told = seen(api, BEN)
    assert (told["presence"], told["last_seen"]) == ("unknown", "2026-09-21T14:13:20.000Z")


async def test_the_owner_is_asked_to_subscribe(
    gateway: Gateway, api: Api, presences: Presences, redis: Redis
) -> None:
    owner = Commands(redis, gateway.settings)
    try:
        asking = asyncio.to_thread(api.post, SUBSCRIPTIONS, json={"chat": "+1 555 010 0002"})
        asked = asyncio.ensure_future(asking)
        command = await owner.next(SHOP, 10)
        assert command is not None
        assert (command.kind, command.args) == ("subscribe", {"chat": ANA})
        await owner.answer(command, {})
        assert (await asked).status_code == 204
    finally:
        await owner.close()


@pytest.mark.usefixtures("presences")
@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        ("unsupported_chat", (422, "unsupported_chat")),
        ("not_connected", (409, "connection_not_open")),
        ("ack_timeout", (504, "not_answered")),
    ],
)
async def test_each_refusal_of_the_owner_has_a_code_of_its_own(
    gateway: Gateway, api: Api, redis: Redis, error: str, refusal: tuple[int, str]
) -> None:
    """A refusal that would come again is no failure of the server."""
    owner = Commands(redis, gateway.settings)
    try:
        path = f"/api/connections/shop/chats/{GROUP}/typing"
        asking = asyncio.to_thread(api.post, path, json={"state": "composing"})
        asked = asyncio.ensure_future(asking)
        command = await owner.next(SHOP, 10)
        assert command is not None
        await owner.answer(command, {"error": error})
        answer = await asked
        assert (answer.status_code, answer.json()["code"]) == refusal
    finally:
        await owner.close()


async def test_an_owner_that_is_gone_is_not_asked(api: Api, leases: Leases) -> None:
    """G14: the answer does not wait for it."""
    lease = await leases.take(
        SHOP, Owner("connection:gone", os.getpid(), host_identity.here(), "0:0")
    )
    await leases.report(SHOP, lease.epoch, state="open", cause=None, since=time.time())
    answer = api.post(SUBSCRIPTIONS, json={"chat": ANA})
    assert (answer.status_code, answer.json()["code"]) == (409, "connection_not_open")
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)


def test_what_is_refused(api: Api) -> None:
    for chat, code in (
        (GROUP, "unsupported_chat"),
        ("1", "invalid_number"),
        (None, "invalid_field"),
    ):
        answer = api.post(SUBSCRIPTIONS, json={"chat": chat})
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    answer = api.post(SUBSCRIPTIONS, json={"chat": ANA})
    assert (answer.status_code, answer.json()["code"]) == (409, "connection_not_open")
    for who, code in (("x@g.us", "unsupported_chat"), ("me", "invalid_number")):
        answer = api.get(f"/api/connections/shop/presence/{who}")
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    answer = api.get(f"/api/connections/nowhere/presence/{ANA}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_connection")


def test_without_redis_nothing_is_known(own_gateway: Gateway, own_valkey: Valkey) -> None:
    own_valkey.kill()
    for answer in (
        own_gateway.api.get(f"/api/connections/shop/presence/{ANA}"),
        own_gateway.api.post(SUBSCRIPTIONS, json={"chat": ANA}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "redis_away")
        assert answer.headers["Retry-After"]
