"""Groups are created, changed, joined and left by the owner of the connection, who is asked once."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from actors.redis.leases.leases import Owner
from actors.runtime import host_identity
from gateway.schemas.people.group_changes import MOST_PARTICIPANTS
from tests.integration.gateway.api.connections.test_account import Able, here, owned
from tests.integration.gateway.served import KEY, SHOP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from actors.redis.leases.leases import Leases
    from tests.integration.gateway.served import Api, Gateway

GROUP = "120363000000000001@g.us"
ANA, BEN = "15550100002@s.whatsapp.net", "15550100003@s.whatsapp.net"
AT = {"connection": "shop"}
WHO = {"participants": ["+1 555 010-0002", BEN, ANA]}
CODE = "AbCdEfGhIjKlMnOpQrStUv"
OUTCOMES = [
    {"address": ANA, "outcome": "done", "error": None},
    {"address": BEN, "outcome": "refused", "error": "invite_needed"},
]


@pytest.fixture
async def asked(
    gateway: Gateway, redis: Redis, leases: Leases
) -> AsyncIterator[tuple[httpx.AsyncClient, Able]]:
    """A client, and the owner of an open connection."""
    lease = await leases.take(SHOP, Owner("connection:test", os.getpid(), host_identity.here()))
    told: dict[str, Any] = {"state": "open", "cause": None, "since": time.time()}
    assert await leases.report(SHOP, lease.epoch, **told)
    async with here(gateway) as client, owned(gateway, redis) as owner:
        yield client, owner
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)


async def test_a_group_is_created(asked: tuple[httpx.AsyncClient, Able]) -> None:
    client, owner = asked
    owner.answer = {"chat": GROUP, "subject": "Chess", "participants": OUTCOMES}
    made = await client.post("/api/groups", json={**AT, "subject": "Chess", **WHO})
    assert (made.status_code, made.json()) == (201, owner.answer)
    assert made.headers["location"] == f"/api/groups/{GROUP}?connection=shop"
    assert owner.asked == [("create_group", {"subject": "Chess", "participants": [ANA, BEN]})]


@pytest.mark.parametrize(
    ("method", "part", "action"),
    [
        ("POST", "participants", "add"),
        ("DELETE", "participants", "remove"),
        ("POST", "admins", "promote"),
        ("DELETE", "admins", "demote"),
    ],
)
async def test_each_member_has_an_outcome(
    asked: tuple[httpx.AsyncClient, Able], method: str, part: str, action: str
) -> None:
    client, owner = asked
    owner.answer = {"participants": OUTCOMES}
    path = f"/api/groups/{GROUP}/{part}"
    if method == "POST":
        answer = await client.post(path, params=AT, json=WHO)
    else:
        answer = await client.delete(
            path, params={**AT, "participants": f"15550100002,{BEN},{ANA}"}
        )
    assert (answer.status_code, answer.json()) == (200, {"participants": OUTCOMES})
    args = {"chat": GROUP, "action": action, "participants": [ANA, BEN]}
    assert owner.asked == [("change_members", args)]


async def test_only_the_settings_that_are_named_are_changed(
    asked: tuple[httpx.AsyncClient, Able],
) -> None:
    client, owner = asked
    wanted = {"subject": "Them", "announce": False, "ephemeral_seconds": 0, "description": ""}
    answer = await client.patch(f"/api/groups/{GROUP}", params=AT, json=wanted)
    assert answer.status_code == 204
    change = {"subject": "Them", "announce": False, "ephemeral": 0, "description": ""}
    assert owner.asked == [("change_group", {"chat": GROUP, "change": change})]


async def test_invitations(asked: tuple[httpx.AsyncClient, Able]) -> None:
    client, owner = asked
    owner.answer = {"code": CODE}
    link = {"code": CODE, "link": f"https://chat.whatsapp.com/{CODE}"}
    path = f"/api/groups/{GROUP}/invite"
    assert (await client.get(path, params=AT)).json() == link
    assert (await client.delete(path, params=AT)).json() == link
    owner.answer = {"chat": GROUP, "subject": "Us", "description": "", "size": 3}
    preview = await client.get(f"/api/groups/invites/{CODE}", params=AT)
    assert (preview.status_code, preview.json()) == (200, owner.answer)
    owner.answer = {"chat": GROUP, "pending": True}
    for invite in (CODE, link["link"], f"https://chat.whatsapp.com/invite/{CODE}?mode=gi_t"):
        joined = await client.post("/api/groups/join", json={**AT, "invite": invite})
        assert (joined.status_code, joined.json()) == (200, owner.answer)
    assert owner.asked == [
        ("group_invite", {"chat": GROUP, "revoke": False}),
        ("group_invite", {"chat": GROUP, "revoke": True}),
        ("invited_group", {"code": CODE}),
        *[("join_group", {"code": CODE})] * 3,
    ]


async def test_a_group_is_left(asked: tuple[httpx.AsyncClient, Able]) -> None:
    client, owner = asked
    assert (await client.delete(f"/api/groups/{GROUP}", params=AT)).status_code == 204
    assert owner.asked == [("leave_group", {"chat": GROUP})]


async def test_each_refusal_has_its_status(asked: tuple[httpx.AsyncClient, Able]) -> None:
    """An answer that was lost is no refusal: `not_answered`, with the reason; it is asked once all the same."""
    client, owner = asked
    lost = ("connection_lost", "whatsapp_timeout", "request_failed_500", "unknown_command")
    refused = {
        "not_allowed": 403,
        "unknown_group": 404,
        "unknown_invite": 404,
        "invite_revoked": 410,
        "group_full": 409,
        "whatsapp_refused": 422,
        "whatsapp_limited": 429,
        "not_connected": 409,
    }
    for number, code in enumerate((*refused, *lost), 1):
        owner.answer = {"error": code}
        answer = await client.post("/api/groups/join", json={**AT, "invite": CODE})
        said = answer.json()
        if code in lost:
            assert (said["code"], said["reason"]) == ("not_answered", code)
        else:
            assert said["code"] == {"not_connected": "connection_not_open"}.get(code, code)
        assert (answer.status_code, len(owner.asked)) == (refused.get(code, 504), number)


async def test_a_request_whose_answer_is_lost_is_made_once(
    asked: tuple[httpx.AsyncClient, Able], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner dies after it took the command: nobody takes it again."""
    client, owner = asked
    monkeypatch.setattr("gateway.api.lookups.LOOKUP_TIMEOUT", 0.5)

    async def dies(*_: object) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(owner._commands, "answer", dies)
    answer = await client.post("/api/groups", json={**AT, "subject": "Chess", **WHO})
    assert (answer.status_code, answer.json()["code"]) == (504, "not_answered")
    await asyncio.sleep(0.2)
    assert len(owner.asked) == 1


def test_what_cannot_be_asked_is_refused_unasked(api: Api) -> None:
    """The connection is not open: that would be another refusal."""
    many = ",".join(str(15550100000 + number) for number in range(MOST_PARTICIPANTS + 1))
    cases: tuple[tuple[str, str, dict[str, Any], str], ...] = (
        ("PATCH", f"/api/groups/{GROUP}", {"json": {}}, "missing_field"),
        ("PATCH", f"/api/groups/{GROUP}", {"json": {"subject": ""}}, "invalid_field"),
        ("PATCH", f"/api/groups/{GROUP}", {"json": {"ephemeral_seconds": 5}}, "invalid_field"),
        ("PATCH", f"/api/groups/{GROUP}", {"json": {"member_add_mode": "me"}}, "invalid_field"),
        ("PATCH", "/api/groups/15550100002", {"json": {"subject": "x"}}, "unsupported_chat"),
        ("POST", f"/api/groups/{GROUP}/admins", {"json": {"participants": []}}, "invalid_field"),
        (
            "POST",
            f"/api/groups/{GROUP}/participants",
            {"json": {"participants": many.split(",")}},
            "invalid_field",
        ),
        (
            "DELETE",
            f"/api/groups/{GROUP}/participants",
            {"params": {**AT, "participants": many}},
            "invalid_parameter",
        ),
        (
            "DELETE",
            f"/api/groups/{GROUP}/admins",
            {"params": {**AT, "participants": "nobody"}},
            "invalid_parameter",
        ),
        ("GET", "/api/groups/invites/no%20code", {}, "unknown_invite"),
    )
    for method, path, more, code in cases:
        refused = api.request(method, path, **{"params": AT, **more})
        assert (refused.status_code // 100, refused.json()["code"]) == (4, code), (path, more)
    for invite in ("", "short", "https://example.com/AbCdEfGhIjKlMnOpQrStUv", f"{CODE}/x"):
        refused = api.post("/api/groups/join", json={**AT, "invite": invite})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_field"), invite
    closed = api.delete(f"/api/groups/{GROUP}", params=AT)
    assert (closed.status_code, closed.json()["code"]) == (409, "connection_not_open")


def test_a_word_of_a_path_is_no_group(gateway: Gateway) -> None:
    """`join` stands where a group's address may: no operation of a group is meant."""
    host, keys = f"http://127.0.0.1:{gateway.port}", {"X-Api-Key": KEY}
    with httpx.Client(base_url=host, headers=keys, trust_env=False) as client:
        for method in ("PATCH", "DELETE", "GET"):
            refused = client.request(method, "/api/groups/join", params=AT)
            assert (refused.status_code, refused.headers["allow"]) == (405, "POST"), method
