"""The flight recorder through the API; the connection's owner is played on the real Redis."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from actors.redis.commands import Commands
from actors.redis.leases.leases import Leases, Owner
from actors.runtime import host_identity
from tests.integration.gateway.served import SHOP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx
    from redis.asyncio import Redis

    from tests.integration.gateway.served import Api, Gateway

TRACE = "/api/connections/shop/trace"
TOLD = {
    "tracing": True,
    "file": f"logs/trace/{SHOP}.jsonl",
    "lines": 12,
    "dropped": 0,
    "error": None,
}


@pytest.fixture
async def owner(leases: Leases, redis: Redis, gateway: Gateway) -> AsyncIterator[Commands]:
    """Of a connection that is served, and not open."""
    lease = await leases.take(SHOP, Owner("connection:test", os.getpid(), host_identity.here()))
    await leases.report(SHOP, lease.epoch, state="pairing", cause=None, since=1.0)
    commands = Commands(redis, gateway.settings)
    yield commands
    await commands.close()
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)


async def asked(api: Api, owner: Commands, method: str, words: dict[str, Any]) -> httpx.Response:
    """Returns the API's answer when the owner answers `words`; its command has to be the one of the request."""
    asking = asyncio.ensure_future(asyncio.to_thread(api.request, method, TRACE))
    command = await owner.next(SHOP, 10)
    assert command is not None
    action = {"POST": "start", "DELETE": "stop", "GET": "look"}[method]
    assert (command.kind, command.args) == ("trace", {"action": action})
    await owner.answer(command, words)
    return await asking


@pytest.mark.parametrize("method", ["POST", "DELETE", "GET"])
async def test_the_owner_is_asked(api: Api, owner: Commands, method: str) -> None:
    answer = await asked(api, owner, method, TOLD)
    assert (answer.status_code, answer.json()) == (200, TOLD)


async def test_an_owner_of_an_older_release_records_nothing(api: Api, owner: Commands) -> None:
    answer = await asked(api, owner, "POST", {"error": "unknown_command"})
    assert (answer.status_code, answer.json()["code"]) == (504, "not_answered")


async def test_a_connection_that_nobody_serves_has_no_recorder(
    api: Api, leases: Leases, redis: Redis
) -> None:
    lease = await leases.take(SHOP, Owner("connection:test", os.getpid(), host_identity.here()))
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)
    answer = api.post(TRACE)
    assert (answer.status_code, answer.json()["code"]) == (409, "connection_not_open")
