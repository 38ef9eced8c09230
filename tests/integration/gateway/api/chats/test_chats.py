"""Contacts, chats and labels through the API: read as they are stored, changed through the queue."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.abilities.app_state_changes import AppStateChange
from actors.messages.content import ChatChange
from actors.state.account.app_state import changing
from tests.integration.gateway.api.connections.test_account import here
from tests.integration.gateway.api.played_connection import rest as rest  # noqa: PLC0414
from tests.integration.gateway.served import SHOP, Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from actors.queue.outbound_queue import OutboundQueue
    from actors.state.documents import Documents
    from tests.integration.gateway.api.played_connection import Rest
    from tests.integration.gateway.served import Api

ROOT = "/api/connections/shop"
ANA, BEN, ZOE = (f"1555010000{n}@s.whatsapp.net" for n in (2, 3, 4))
GROUP = "120363000000000001@g.us"
LID, NUMBERED = "90000000000082@lid", "15550100082@s.whatsapp.net"
SOON = time.time() + 3600


async def note(documents: Documents, *changes: AppStateChange) -> None:
    """As the StateManager stores them; each call what is newer than the one before."""
    noted = {"epoch": 1, "collection": "regular", "news": True, "noted_as": "x"}
    items = [
        {**asdict(each), **noted, "key": time.monotonic_ns() + n, "at": each.at or 100.0 + n}
        for n, each in enumerate(changes)
    ]
    await documents.batch([changing(SHOP, item) for item in items])


@pytest.fixture
async def known(documents: Documents) -> None:
    await note(
        documents,
        AppStateChange.contact(BEN, full_name="ben Okafor", first_name="Ben"),
        AppStateChange.contact(ANA, full_name="Ana Pereira", at=5.0),
        AppStateChange.contact(ZOE, first_name="Zoe"),
        AppStateChange.archive(ANA, archived=True, at=50.0),
        AppStateChange.mute(BEN, muted=True, until=SOON, at=60.0),
        AppStateChange.label_of_chat(BEN, "5", labelled=True, at=61.0),
        AppStateChange.mute(GROUP, muted=True, until=4.0, at=70.0),
        AppStateChange.emptied(GROUP, deleted=False, at=71.0),
        AppStateChange.label("5", name="New customer", colour=2),
        AppStateChange.label("6", name="Gone", deleted=True),
    )


def get(api: Api, path: str, **params: Any) -> Any:
    answer = api.get(f"{ROOT}/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.usefixtures("known")
async def test_contacts_are_listed_by_name_in_pages(api: Api) -> None:
    first = get(api, "contacts", limit=2)
    assert [each["name"] for each in first["items"]] == ["Ana Pereira", "ben Okafor"]
    assert first["items"][0] == {
        "address": ANA,
        "name": "Ana Pereira",
        "full_name": "Ana Pereira",
        "first_name": None,
        "changed_at": "1970-01-01T00:00:05.000Z",
    }
    second = get(api, "contacts", limit=2, after=first["next"])
    assert ([each["name"] for each in second["items"]], second["next"]) == (["Zoe"], None)
    assert [each["address"] for each in get(api, "contacts", name="BEN")["items"]] == [BEN]
    assert get(api, "contacts", name="nobody")["items"] == []
    page = get(api, "contacts", name="b", limit=1)
    assert page["next"] is None


@pytest.mark.usefixtures("known")
async def test_contacts_are_found_by_their_addresses(
    api: Api, lanes: OutboundQueue, rest: Rest, documents: Documents
) -> None:
    asked = "+1 555 010 0003,15550100002@s.whatsapp.net,15550100099"
    found = get(api, "contacts", addresses=asked)
    assert {each["address"] for each in found["items"]} == {ANA, BEN}
    await note(documents, AppStateChange.contact(NUMBERED, full_name="Carl"))
    await lanes.joins.rename(SHOP, rest.epoch, LID, NUMBERED)
    assert [each["name"] for each in get(api, "contacts", addresses=LID)["items"]] == ["Carl"]
    many = ",".join(f"1555010{number:04}" for number in range(101))
    for params in ({"addresses": many}, {"addresses": "12"}, {"addresses": GROUP}, {"name": ""}):
        refused = api.get(f"{ROOT}/contacts", params=params)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter"), params
    refused = api.get(f"{ROOT}/contacts", params={"after": "nothing"})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.usefixtures("known")
async def test_chats_are_listed_with_their_settings_and_names(api: Api) -> None:
    group, ben, ana = get(api, "chats")["items"]
    assert (group["chat"], group["name"], group["muted"]) == (GROUP, None, False), "it is over"
    assert group["cleared_at"] == group["changed_at"] == "1970-01-01T00:01:11.000Z"
    assert (ben["chat"], ben["name"], ben["labels"]) == (BEN, "ben Okafor", ["5"])
    assert (ben["muted"], ben["archived"]) == (True, False)
    assert ben["muted_until"] is not None
    assert (ana["chat"], ana["archived"], ana["changed_at"]) == (
        ANA,
        True,
        "1970-01-01T00:00:50.000Z",
    )
    assert [each["chat"] for each in get(api, "chats", archived="true")["items"]] == [ANA]
    others = get(api, "chats", archived="false", pinned="false", unread="false", limit=1)
    assert [each["chat"] for each in others["items"]] == [GROUP]
    after = get(
        api, "chats", archived="false", pinned="false", unread="false", after=others["next"]
    )
    assert [each["chat"] for each in after["items"]] == [BEN]
    assert get(api, "chats/15550100003") == ben
    nothing = get(api, f"chats/{ZOE}")
    assert (nothing["name"], nothing["changed_at"], nothing["labels"]) == ("Zoe", None, [])
    assert get(api, "labels")["items"] == [{"id": "5", "name": "New customer", "colour": 2}]


async def test_another_connection_and_another_key_see_nothing(
    api: Api, gateway: Gateway, documents: Documents
) -> None:
    """G12."""
    await note(documents, AppStateChange.contact(ANA, full_name="Ana Pereira"))
    key = api.post("/api/keys", json={"name": "x", "scopes": ["read"], "connections": ["shop"]})
    with gateway.client(key.json()["key"]) as reader:
        assert reader.get(f"{ROOT}/contacts").status_code == 200
        assert reader.patch(f"{ROOT}/chats/{ANA}", json={"pinned": True}).status_code == 403
        for path in ("contacts", "chats", f"chats/{ANA}", "labels"):
            assert api.get(f"/api/connections/nobody/{path}").status_code == 404
            assert reader.get(f"/api/connections/nobody/{path}").status_code == 403


@pytest.fixture
async def able(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with here(gateway) as client:
        yield client


async def test_a_chat_is_changed_behind_what_it_has_accepted(
    able: httpx.AsyncClient, api: Api, rest: Rest
) -> None:
    text = {"connection": "shop", "to": ANA, "text": "bye"}
    first = (await able.post("/api/messages", json=text)).json()
    path, key = f"{ROOT}/chats/15550100002", {"Idempotency-Key": "archive"}
    body = {"archived": True, "muted": True, "muted_until": "2030-01-01T09:00:00Z"}
    changed = await able.patch(path, json=body, headers=key)
    assert (changed.status_code, changed.json()["status"]) == (202, "queued")
    again = await able.patch(path, json=body, headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (changed.json(), "true")
    other = await able.patch(path, json={"archived": False}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    said, change = await rest.sends()
    assert (said.id, change.id) == (first["id"], changed.json()["id"])
    assert (change.chat, change.decoded) == (
        ANA,
        ChatChange(archived=True, muted=True, muted_until=1_893_488_400.0),
    )
    listed = api.get("/api/messages", params={"connection": "shop"}).json()["items"]
    assert change.id not in {one["id"] for one in listed}
    followed = api.get(changed.headers["location"]).json()
    assert (followed["type"], followed["status"]) == ("chat_change", "sent")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"archived": None},
        {"archived": "yes"},
        {"muted_until": "2030-01-01T09:00:00Z"},
        {"muted": False, "muted_until": "2030-01-01T09:00:00Z"},
        {"colour": 1},
    ],
)
async def test_a_change_names_settings(
    able: httpx.AsyncClient, rest: Rest, body: dict[str, Any]
) -> None:
    refused = await able.patch(f"{ROOT}/chats/{ANA}", json=body)
    assert refused.status_code == 422, refused.text
    assert refused.json()["code"] in {"missing_field", "invalid_field", "unknown_field"}
    assert await rest.sends() == []


async def test_a_change_that_waits_can_be_cancelled(able: httpx.AsyncClient, rest: Rest) -> None:
    changed = await able.patch(f"{ROOT}/chats/{GROUP}", json={"unread": False})
    assert changed.status_code == 202
    cancelled = await able.delete(changed.headers["location"])
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert await rest.sends() == []
