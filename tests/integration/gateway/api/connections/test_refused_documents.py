"""Refused documents through the API; the connection's owner is played on the real Redis."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.queue.outbound_queue import Send
from actors.redis.commands import Commands
from actors.redis.leases.lease_record import HeldItems
from actors.redis.leases.leases import Leases, Owner
from actors.runtime import host_identity
from tests.integration.gateway.served import SHOP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx
    from redis.asyncio import Redis

    from actors.queue.outbound_queue import OutboundQueue
    from tests.integration.gateway.served import Api, Gateway

PATH = "/api/connections/shop/refused-documents"


def item(key: int) -> dict[str, Any]:
    return {
        "key": key,
        "kind": "message",
        "chat": "15550100002@s.whatsapp.net",
        "sender": "15550100002@s.whatsapp.net",
        "message_id": f"3EB0{key:04}",
        "type": "text",
        "at": 1_764_000_000,
        "refused_at": 1_764_000_001.5,
        "size": 1_200_000,
        "excerpt": "hi",
    }


@pytest.fixture
async def owner(leases: Leases, redis: Redis, gateway: Gateway) -> AsyncIterator[Commands]:
    lease = await leases.take(SHOP, Owner("connection:test", os.getpid(), host_identity.here()))
    await leases.report(
        SHOP, lease.epoch, state="reconnecting", cause=None, since=1.0, held=HeldItems(2)
    )
    commands = Commands(redis, gateway.settings)
    yield commands
    await commands.close()
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)


async def asked(
    api: Api, owner: Commands, method: str, path: str, told: dict[str, Any]
) -> tuple[httpx.Response, str, Any]:
    """The API's answer to this reply of the owner, and the command that the owner got."""
    asking = asyncio.ensure_future(asyncio.to_thread(api.request, method, path))
    command = await owner.next(SHOP, 10)
    assert command is not None
    await owner.answer(command, told)
    return await asking, command.kind, command.args


async def test_they_are_listed_in_pages(api: Api, owner: Commands) -> None:
    three = {"items": [item(4), item(7), item(9)]}
    answer, kind, args = await asked(api, owner, "GET", f"{PATH}?limit=2", three)
    assert (kind, args) == ("refused_items", {"limit": "3", "after": "0"})
    told = answer.json()
    assert [one["id"] for one in told["items"]] == ["4", "7"]
    assert told["items"][0]["refused_at"].startswith("2025-11-24T16:00:01")
    assert told["next"] == "7"
    answer, _, args = await asked(api, owner, "GET", f"{PATH}?after=7", {"items": [item(9)]})
    assert args["after"] == "7"
    assert answer.json()["next"] is None


async def test_a_person_decides(api: Api, owner: Commands) -> None:
    there, none = {"there": True}, {"there": False}
    answer, kind, args = await asked(api, owner, "POST", f"{PATH}/4/retry", there)
    assert (answer.status_code, kind, args) == (204, "retry_refused", {"item": "4"})
    answer, kind, args = await asked(api, owner, "DELETE", f"{PATH}/4", there)
    assert (answer.status_code, kind, args) == (204, "discard_refused", {"item": "4"})
    answer, _, _ = await asked(api, owner, "DELETE", f"{PATH}/4", none)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_document")


async def test_what_is_no_id_is_nobody_asked_for(api: Api, owner: Commands) -> None:
    answer = await asyncio.to_thread(api.delete, f"{PATH}/first")
    assert answer.json()["code"] == "unknown_document"
    answer = await asyncio.to_thread(api.get, f"{PATH}?after=first")
    assert answer.json()["code"] == "invalid_cursor"
    assert await owner.next(SHOP, 0.1) is None


async def test_an_owner_of_an_older_release_has_none(api: Api, owner: Commands) -> None:
    answer, _, _ = await asked(api, owner, "GET", PATH, {"error": "unknown_command"})
    assert (answer.status_code, answer.json()["code"]) == (504, "not_answered")


async def test_a_connection_shows_how_many_there_are(api: Api, owner: Commands) -> None:
    answer = await asyncio.to_thread(api.get, "/api/connections/shop")
    assert answer.json()["refused_documents"] == 2
    del owner


async def test_a_connection_that_nobody_serves_has_its_session_closed(
    api: Api, leases: Leases
) -> None:
    lease = await leases.take(SHOP, Owner("connection:test", os.getpid(), host_identity.here()))
    told: dict[str, Any] = {"state": "open", "cause": None, "since": 1.0}
    await leases.report(SHOP, lease.epoch, **told, held=HeldItems(1))
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)
    answer = await asyncio.to_thread(api.get, PATH)
    assert (answer.status_code, answer.json()["code"]) == (409, "connection_not_open")


async def refused(lanes: OutboundQueue, *texts: str) -> list[str]:
    """WhatsApp's ids of messages that were sent, and whose views the store refused."""
    records = [
        (await lanes.accept(Send(SHOP, "15550100002@s.whatsapp.net", text))).record
        for text in texts
    ]
    await lanes.receipts(SHOP, [(each.message_id, "read", time.time()) for each in records])
    changed = await lanes.reader.changed(SHOP, 100)
    await lanes.reader.mirrored(SHOP, changed, {each.id: "refused" for each in records})
    return [each.message_id for each in records]


async def test_messages_that_were_sent_are_listed_before_them(
    api: Api, owner: Commands, lanes: OutboundQueue
) -> None:
    ids = await refused(lanes, "one", "two " * 100, "three")
    answer = await asyncio.to_thread(api.get, f"{PATH}?limit=2")
    told = answer.json()
    assert [each["id"] for each in told["items"]] == ids[:2]
    long = told["items"][1]
    assert (long["kind"], long["type"], long["size"]) == ("sent", "text", 400)
    assert long["excerpt"] == ("two " * 100)[:200]
    assert long["chat"] == "15550100002@s.whatsapp.net"
    answer, _, args = await asked(
        api, owner, "GET", f"{PATH}?limit=2&after={told['next']}", {"items": [item(4), item(7)]}
    )
    assert args == {"limit": "2", "after": "0"}
    told = answer.json()
    assert ([each["id"] for each in told["items"]], told["next"]) == ([ids[2], "4"], "4")
    answer, _, _ = await asked(api, owner, "GET", f"{PATH}?limit=3", {"items": [item(4)]})
    assert ([each["id"] for each in answer.json()["items"]], answer.json()["next"]) == (ids, "0")
    shown = await asyncio.to_thread(api.get, "/api/connections/shop")
    assert shown.json()["refused_documents"] == 2 + 3
    for each in ids:
        await lanes.refused_views.discard(SHOP, each)


async def test_a_person_decides_on_them_without_an_owner(
    api: Api, leases: Leases, lanes: OutboundQueue
) -> None:
    lease = await leases.take(SHOP, Owner("connection:test", os.getpid(), host_identity.here()))
    await leases.report(SHOP, lease.epoch, state="open", cause=None, since=1.0, held=HeldItems(0))
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)
    again, gone = await refused(lanes, "again", "gone")
    told = (await asyncio.to_thread(api.get, PATH)).json()
    assert ([each["id"] for each in told["items"]], told["next"]) == ([again, gone], None)
    answer = await asyncio.to_thread(api.post, f"{PATH}/{again}/retry")
    assert answer.status_code == 204
    assert [each.text for each in await lanes.reader.changed(SHOP, 10)] == ["again"]
    answer = await asyncio.to_thread(api.delete, f"{PATH}/{gone}")
    assert answer.status_code == 204
    assert (await asyncio.to_thread(api.get, PATH)).json()["items"] == []
    record = await lanes.reader.get(f"{SHOP}.{gone}")
    assert record is not None
    assert (record.status, record.text) == ("read", "")
    answer = await asyncio.to_thread(api.delete, f"{PATH}/3EB0{'0' * 18}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_document")
    answer = await asyncio.to_thread(api.get, f"{PATH}?after=sent.first")
    assert answer.json()["code"] == "invalid_cursor"
