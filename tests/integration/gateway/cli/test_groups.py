"""`teimoso groups`, on a real gateway; the owner of the connection is played."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.redis.leases.leases import Owner
from actors.runtime import host_identity
from tests.integration.gateway.api.connections.test_account import Able, owned
from tests.integration.gateway.cli.test_lists import run
from tests.integration.gateway.served import SHOP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from actors.redis.leases.leases import Leases
    from tests.integration.gateway.served import Gateway

GROUP, LINK = "120363000000000001@g.us", "https://chat.whatsapp.com/AbCdEfGhIjKlMnOpQrStUv"
ANA, BEN = "15550100002@s.whatsapp.net", "15550100003@s.whatsapp.net"
OUTCOMES = [
    {"address": ANA, "outcome": "done", "error": None},
    {"address": BEN, "outcome": "refused", "error": "invite_needed"},
]


@pytest.fixture
async def owner(gateway: Gateway, redis: Redis, leases: Leases) -> AsyncIterator[Able]:
    lease = await leases.take(SHOP, Owner("connection:test", os.getpid(), host_identity.here()))
    told: dict[str, Any] = {"state": "open", "cause": None, "since": time.time()}
    assert await leases.report(SHOP, lease.epoch, **told)
    async with owned(gateway, redis) as able:
        yield able
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)


async def test_members_are_changed_with_an_outcome_for_each(gateway: Gateway, owner: Able) -> None:
    owner.answer = {"chat": GROUP, "subject": "Chess", "participants": OUTCOMES}
    made = await run(gateway, "groups", "create", "shop", "Chess", "15550100002", BEN)
    chat, *rows = made.splitlines()
    assert chat == GROUP
    assert [row.split() for row in rows[1:]] == [[ANA, "done"], [BEN, "refused", "invite_needed"]]
    owner.answer = {"participants": OUTCOMES}
    for command, action in (
        ("add", "add"),
        ("remove", "remove"),
        ("promote", "promote"),
        ("demote", "demote"),
    ):
        yes = ["--yes"] if command == "remove" else []
        told = await run(gateway, "groups", command, "shop", GROUP, ANA, BEN, *yes, "--json")
        assert json.loads(told) == {"participants": OUTCOMES}
        args = {"chat": GROUP, "action": action, "participants": [ANA, BEN]}
        assert owner.asked[-1] == ("change_members", args)


async def test_a_group_is_set_shown_and_left(gateway: Gateway, owner: Able) -> None:
    words = (
        "--subject",
        "Them",
        "--no-announce",
        "--ephemeral",
        "0",
        "--member-add-mode",
        "admins",
    )
    assert await run(gateway, "groups", "set", "shop", GROUP, *words) == ""
    change = {"subject": "Them", "announce": False, "ephemeral": 0, "member_add_mode": "admins"}
    assert owner.asked == [("change_group", {"chat": GROUP, "change": change})]
    refused = await run(gateway, "groups", "set", "shop", GROUP, status=1)
    assert refused == 'Name a setting to change, as in {"subject": "Chess club"}. (422)\n'
    settings = {
        "description": "Every Tuesday",
        "announce": True,
        "locked": False,
        "ephemeral": 0,
        "member_add_mode": "all",
        "approval": False,
    }
    members = [{"address": ANA, "admin": True, "sender_name": "Ana", "sender_lid": None}]
    owner.answer = {"chat": GROUP, "subject": "Us", "members": members, "settings": settings}
    shown = await run(gateway, "groups", "show", "shop", GROUP)
    assert "Every Tuesday" in shown
    assert shown.splitlines()[-1].split() == ["Ana", ANA, "true"]
    refused = await run(gateway, "groups", "leave", "shop", GROUP, status=1)
    assert "Nothing was done: --yes does it." in refused
    assert owner.asked[-1][0] == "group"
    owner.answer = {}
    await run(gateway, "groups", "leave", "shop", GROUP, "--yes")
    assert owner.asked[-1] == ("leave_group", {"chat": GROUP})


async def test_invitations_are_printed_voided_and_accepted(gateway: Gateway, owner: Able) -> None:
    code = LINK.rpartition("/")[2]
    owner.answer = {"code": code}
    for words, revoke in (((), False), (("--revoke", "--yes"), True)):
        assert await run(gateway, "groups", "invite", "shop", GROUP, *words) == f"{LINK}\n"
        assert owner.asked[-1] == ("group_invite", {"chat": GROUP, "revoke": revoke})
    owner.answer = {"chat": GROUP, "subject": "Us", "description": "", "size": 3}
    shown = json.loads(await run(gateway, "groups", "join", "shop", LINK, "--show", "--json"))
    assert shown == owner.answer
    owner.answer = {"chat": GROUP, "pending": True}
    joined = json.loads(await run(gateway, "groups", "join", "shop", LINK, "--json"))
    assert joined == owner.answer
    assert owner.asked[2:] == [("invited_group", {"code": code}), ("join_group", {"code": code})]
    owner.answer = {"error": "invite_revoked"}
    assert await run(gateway, "groups", "join", "shop", LINK, status=1) == (
        "The invitation is void. (410)\n"
    )
