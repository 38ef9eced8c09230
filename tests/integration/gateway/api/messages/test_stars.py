"""Stars of messages through the API: behind what their chat has in the queue, on engines that have app state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.messages.content import Delete, Star, Target, Text
from tests.integration.gateway.api.connections.test_account import here
from tests.integration.gateway.api.messages.test_messages import send
from tests.integration.gateway.api.played_connection import CHAT, Rest, change
from tests.integration.gateway.api.played_connection import rest as rest  # noqa: PLC0414
from tests.integration.gateway.served import SHOP, Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from tests.integration.gateway.served import Api

NOBODY = f"{SHOP}.3EB0" + "0" * 18


@pytest.fixture
async def able(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with here(gateway) as client:
        yield client


async def test_messages_are_starred_behind_what_their_chat_has_in_the_queue(
    able: httpx.AsyncClient, api: Api, rest: Rest
) -> None:
    theirs, ours = await rest.receives("STARRED", Text("remember this")), send(api, "and this")
    path, key = f"/api/messages/{theirs}/star", {"Idempotency-Key": "star"}
    starred = await able.put(path, headers=key)
    assert (starred.status_code, starred.json()["status"]) == (202, "queued")
    again = await able.put(path, headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (starred.json(), "true")
    other = await able.delete(path, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert (await able.put(f"/api/messages/{ours['id']}/star")).status_code == 202
    assert (await able.delete(path)).status_code == 202
    first, *stars = await rest.sends()
    assert first.id == ours["id"]
    assert [(one.chat, one.decoded) for one in stars] == [
        (CHAT, Star(Target("STARRED", CHAT), True)),
        (CHAT, Star(Target(ours["message_id"], None), True)),
        (CHAT, Star(Target("STARRED", CHAT), False)),
    ]
    listed = api.get("/api/messages", params={"connection": "shop"}).json()["items"]
    assert starred.json()["id"] not in {one["id"] for one in listed}
    followed = api.get(starred.headers["location"]).json()
    assert (followed["type"], followed["status"]) == ("star", "sent")


async def test_what_is_no_message_is_not_starred(
    able: httpx.AsyncClient, api: Api, rest: Rest
) -> None:
    theirs = await rest.receives("GONE", Text("not for long"))
    reaction = change(api, "reaction", theirs, emoji="x").json()["id"]
    await rest.receives("G1", Delete(Target("GONE", CHAT)))
    for id_, status, code in (
        (NOBODY, 404, "unknown_message"),
        (reaction, 404, "unknown_message"),
        (theirs, 409, "target_deleted"),
    ):
        refused = await able.put(f"/api/messages/{id_}/star")
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert [one.type for one in await rest.sends()] == ["reaction"]
