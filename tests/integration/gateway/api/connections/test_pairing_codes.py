"""A code to type on the phone, through the API and the console; the owner is played on real Redis."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from actors.connection.engine import PairingCode, Qr
from actors.redis import keys
from actors.redis.commands import Commands
from actors.redis.leases.leases import Leases, Owner
from actors.runtime import host_identity
from actors.state.connections import ConnectionExists
from tests.integration.gateway.person import Person
from tests.integration.gateway.served import KEY, Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx
    from redis.asyncio import Redis

    from tests.integration.gateway.served import Api

TYPED = "typed--T00000000000"
PHONE = "15550100001@s.whatsapp.net"
NUMBER = "+1 (555) 010-0001"
PATH = "/api/connections/typed/pairing-code"


class Played:
    """The owner of a connection that waits for a phone."""

    def __init__(self, leases: Leases, epoch: int, commands: Commands) -> None:
        self.leases, self.epoch, self.commands = leases, epoch, commands

    async def shows(self, code: PairingCode | None = None, **more: Any) -> None:
        now = time.time()
        state = {"state": "pairing", "cause": None, "since": now, **more}
        assert await self.leases.report(
            TYPED, self.epoch, qr=Qr("2@first", now + 60), code=code, **state
        )

    async def answers(self, asking: Any, given: dict[str, Any]) -> httpx.Response:
        """Returns the answer to the caller, once the owner got the command and answered `given`."""
        asked = asyncio.ensure_future(asyncio.to_thread(*asking))
        command = await self.commands.next(TYPED, 10)
        assert command is not None
        assert (command.kind, command.args) == ("pairing_code", {"phone": PHONE})
        await self.commands.answer(command, given)
        answer: httpx.Response = await asked
        return answer


@pytest_asyncio.fixture
async def owner(gateway: Gateway, api: Api, leases: Leases, redis: Redis) -> AsyncIterator[Played]:
    with suppress(ConnectionExists):
        gateway.connect(TYPED)
    lease = await leases.take(TYPED, Owner("connection:typed", os.getpid(), host_identity.here()))
    commands = Commands(redis, gateway.settings)
    played = Played(leases, lease.epoch, commands)
    await played.shows()
    yield played
    await commands.close()
    await redis.unlink(*keys.of(TYPED).scripted)


def ask(api: Api, number: str = NUMBER) -> Any:
    return lambda: api.post(PATH, json={"phone": number})


async def test_a_code_comes_from_the_owner(api: Api, owner: Played) -> None:
    until = time.time() + 100
    answer = await owner.answers([ask(api)], {"text": "K7RM-2V9D", "expires_at": until})
    assert answer.status_code == 201
    assert answer.json()["code"] == "K7RM-2V9D"
    assert answer.json()["expires_at"].endswith("Z")
    assert answer.headers["cache-control"] == "no-store"


async def test_the_code_that_is_open_can_be_read_until_it_is_void(
    api: Api, owner: Played, leases: Leases
) -> None:
    assert api.get(PATH).json()["code"] == "no_pairing_code"
    await owner.shows(PairingCode("K7RM-2V9D", time.time() + 60))
    assert api.get(PATH).json()["code"] == "K7RM-2V9D"
    await leases.take(TYPED, Owner("connection:next", os.getpid(), host_identity.here()))
    gone = api.get(PATH)
    assert (gone.status_code, gone.json()["code"]) == (409, "no_pairing_code")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ({"error": "not_connected"}, 503, "whatsapp_away"),
        ({"error": "already_linked"}, 409, "already_linked"),
        ({"error": "pairing_code_refused"}, 422, "pairing_code_refused"),
        ({"error": "pairing_code_limited"}, 429, "pairing_code_limited"),
        ({"error": "unknown_command"}, 504, "not_answered"),
    ],
)
async def test_why_there_is_no_code(
    api: Api, owner: Played, error: dict[str, Any], status: int, code: str
) -> None:
    answer = await owner.answers([ask(api)], error)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "5550100001" not in answer.text


async def test_a_number_that_is_limited_has_a_time_to_retry(api: Api, owner: Played) -> None:
    answer = await owner.answers([ask(api)], {"error": "pairing_code_limited", "wait": 42})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "42")


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("open", "already_linked"),
        ("stopped", "not_pairing"),
        ("failed", "not_pairing"),
        ("logged_out", "not_pairing"),
    ],
)
async def test_what_does_not_wait_for_a_phone_is_not_asked(
    api: Api, owner: Played, state: str, code: str
) -> None:
    await owner.shows(state=state)
    answer = ask(api)()
    assert (answer.status_code, answer.json()["code"]) == (409, code)


async def test_what_nobody_serves_is_not_asked(
    api: Api, owner: Played, leases: Leases, redis: Redis
) -> None:
    await leases.release(TYPED, owner.epoch, state="reconnecting", cause="crashed")
    answer = ask(api)()
    assert (answer.status_code, answer.json()["code"]) == (409, "not_pairing")
    assert await redis.llen(keys.of(TYPED).commands) == 0
    await redis.unlink(*keys.of(TYPED).scripted)
    answer = ask(api)()
    assert (answer.status_code, answer.json()["code"]) == (409, "not_pairing")


async def test_another_number_than_the_connections_is_refused(api: Api, owner: Played) -> None:
    await owner.shows(account="15550100009@s.whatsapp.net", cause="logged_out")
    answer = ask(api)()
    assert (answer.status_code, answer.json()["code"]) == (409, "other_account")
    assert "5550100009" not in answer.text


@pytest.mark.parametrize(
    "number", ["", "1", "0155501000001", "call me", PHONE, "120363000000000001@g.us", "1" * 16]
)
def test_only_a_number_is_taken(api: Api, owner: Played, number: str) -> None:
    answer = ask(api, number)()
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_number")


@pytest.mark.parametrize("body", [{}, {"phone_number": NUMBER}, {"phone": 15550100001}, []])
def test_only_a_body_of_its_form_is_taken(api: Api, owner: Played, body: Any) -> None:
    assert api.post(PATH, json=body).status_code == 422


def test_a_connection_that_is_not_there_has_no_code(api: Api) -> None:
    path = "/api/connections/nobody/pairing-code"
    answer = api.post(path, json={"phone": NUMBER})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_connection")


async def test_the_page_asks_for_a_code_and_shows_it_until_it_is_void(
    gateway: Gateway, owner: Played
) -> None:
    page = "/console/connections/typed"
    with Person(gateway, KEY) as admin:
        before = admin.get(page).text
        assert "Link with a phone number instead" in before
        assert "Type this code" not in before

        async def reported() -> Any:
            until = time.time() + 60
            await owner.shows(PairingCode("K7RM-2V9D", until))
            return {"text": "K7RM-2V9D", "expires_at": until}

        asking = [lambda: admin.submit(f"{page}/pairing-code", phone=NUMBER)]
        answer = await owner.answers(asking, await reported())
        assert answer.url.path == page
        assert ">K7RM-2V9D<" in answer.text
        assert 'class="qr"' in answer.text, "the QR goes on"
        assert ">K7RM-2V9D<" in admin.part(page).text
        await owner.shows()
        assert "K7RM-2V9D" not in admin.part(page).text


async def test_the_page_says_why_there_is_no_code(gateway: Gateway, owner: Played) -> None:
    page = "/console/connections/typed/pairing-code"
    with Person(gateway, KEY) as admin:
        wrong = admin.submit(page, phone='"><b>1')
        assert wrong.status_code == 422
        assert 'role="alert"' in wrong.text
        assert "<b>" not in wrong.text
        asking = [lambda: admin.submit(page, phone=NUMBER)]
        away = await owner.answers(asking, {"error": "not_connected"})
        assert away.status_code == 503
        assert "WhatsApp cannot be reached now" in away.text
        assert "Link with a phone number instead" in away.text
