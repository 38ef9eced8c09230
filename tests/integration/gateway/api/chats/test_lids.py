"""LIDs where the API takes a person, and what the two addresses of one person show once they are known."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.queue.mirror import mirror_writes
from tests.integration.gateway.api.messages.test_messages import OWNER, Actor
from tests.integration.gateway.served import OTHER, SHOP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.queue.outbound_queue import OutboundQueue
    from actors.redis.leases.leases import Leases
    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api, Gateway
    from tests.processes.valkey import Valkey

LID, NUMBER = "90000000000072@lid", "15550100072"
ANA = f"{NUMBER}@s.whatsapp.net"
HIDDEN = "90000000000075@lid"


@pytest.fixture
async def actor(lanes: OutboundQueue, leases: Leases, api: Api) -> AsyncIterator[Actor]:
    lease = await leases.take(SHOP, OWNER)
    yield Actor(lanes, lease.epoch, SHOP)
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)


def send(api: Api, to: str, text: str = "hi", **more: Any) -> str:
    body = {"connection": "shop", "to": to, "text": text, **more}
    answer = api.post("/api/messages", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def message(api: Api, id_: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/api/messages/{id_}").json()
    return found


async def mirrored(lanes: OutboundQueue, documents: Documents, connection: str = SHOP) -> None:
    """As the queue's actor does it."""
    while records := await lanes.reader.changed(connection, 50):
        await documents.batch(mirror_writes.writes(records))
        await lanes.reader.mirrored(connection, records)


def ids(api: Api, chat: str, **more: Any) -> list[str]:
    query = {"chat": chat, "order": "oldest", "limit": 500, **more}
    answer = api.get("/api/messages", params=query)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["items"]]


async def test_a_lid_is_written_to_and_is_the_persons_chat_once_that_is_known(
    api: Api, actor: Actor, lanes: OutboundQueue, documents: Documents
) -> None:
    """G4, and the id of what was accepted stays."""
    lid, number = "90000000000073@lid", "15550100073@s.whatsapp.net"
    by_lid, by_number = send(api, lid, "one"), send(api, number, "two")
    assert (message(api, by_lid)["chat"], message(api, by_number)["chat"]) == (lid, number)
    await mirrored(lanes, documents)
    assert ids(api, lid, connection="shop") == [by_lid]
    renamed = await lanes.joins.rename(SHOP, actor.epoch, lid, number, now=time.time())
    assert renamed.progress == "done"
    assert message(api, by_lid)["chat"] == number
    later = send(api, lid, "three")
    assert message(api, later)["chat"] == number
    await actor.claim(by_lid)
    assert [message(api, each)["status"] for each in (by_lid, by_number)] == ["sending", "queued"]
    await actor.complete(by_lid)
    await mirrored(lanes, documents)
    for chat in (lid, number):
        assert ids(api, chat, connection="shop") == [by_lid, by_number, later]
    assert ids(api, lid) == [by_lid, by_number, later]  # of any connection
    await actor.claim(later)
    await actor.complete(later)


async def test_each_connection_may_tell_whose_a_lid_is(
    gateway: Gateway, api: Api, lanes: OutboundQueue, leases: Leases, documents: Documents
) -> None:
    """Without a connection in the request, the one that knows it."""
    gateway.connect(OTHER)
    for place, connection in enumerate((SHOP, OTHER)):
        lid, number = f"9000000000008{place}@lid", f"1555010008{place}"
        lease = await leases.take(connection, OWNER)
        renamed = f"{number}@s.whatsapp.net"
        await lanes.joins.rename(connection, lease.epoch, lid, renamed, now=time.time())
        sent = send(api, number, connection=connection)
        await mirrored(lanes, documents, connection)
        assert ids(api, lid) == [sent], connection
        api.delete(f"/api/messages/{sent}")
        await leases.release(connection, lease.epoch, state="stopped", cause=None)


def test_while_redis_is_away_a_lid_is_listed_by_what_is_stored_under_it(
    own_gateway: Gateway, own_valkey: Valkey
) -> None:
    own_valkey.kill()
    assert ids(own_gateway.api, LID) == ids(own_gateway.api, LID, connection="shop") == []


async def test_what_is_spoken_of_is_found_under_either_address(
    api: Api, actor: Actor, lanes: OutboundQueue
) -> None:
    first = send(api, ANA, "one")
    reaction = {"connection": "shop", "to": LID, "type": "reaction", "message": first, "emoji": "x"}
    refused = api.post("/api/messages", json=reaction)
    assert (refused.status_code, refused.json()["code"]) == (409, "target_elsewhere")
    await lanes.joins.rename(SHOP, actor.epoch, LID, ANA, now=time.time())
    accepted = api.post("/api/messages", json=reaction)
    assert accepted.status_code == 202, accepted.text
    assert message(api, accepted.json()["id"])["chat"] == ANA
    quoted = send(api, LID, "two", reply_to=first)
    assert message(api, quoted)["chat"] == ANA
    await actor.claim(quoted)
    await actor.complete(quoted)


async def test_dead_letters_are_sent_again_by_either_address(
    api: Api, actor: Actor, lanes: OutboundQueue
) -> None:
    lid, number = "90000000000074@lid", "15550100074@s.whatsapp.net"
    dead = send(api, lid)
    await actor.claim(dead)
    await actor.fail(dead)
    await lanes.joins.rename(SHOP, actor.epoch, lid, number, now=time.time())
    for chat in (lid, number):
        answer = api.post("/api/queue/redrive", json={"connection": "shop", "chat": chat})
        assert answer.json()["redriven"] == 1, chat
        await actor.claim(dead)
        if chat == lid:
            await actor.fail(dead)
    await actor.complete(dead)


def test_where_a_lid_is_taken(api: Api) -> None:
    """Nobody serves the connection: that far each of them comes."""
    asked = (
        ("/api/connections/shop/subscriptions", {"chat": HIDDEN}),
        (f"/api/connections/shop/chats/{HIDDEN}/typing", {"state": "composing"}),
    )
    for path, body in asked:
        answer = api.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "connection_not_open"), path
    assert api.get(f"/api/connections/shop/presence/{HIDDEN}").json()["chat"] == HIDDEN
    mark = api.post(f"/api/chats/shop/{HIDDEN}/read")
    assert mark.status_code == 202
    api.delete(f"/api/messages/{mark.json()['id']}")


def test_where_a_lid_says_nothing(api: Api) -> None:
    """A phone number is needed there, and a LID hides it."""
    card = {"name": "Ana", "phone": LID}
    contact = {"connection": "shop", "to": NUMBER, "type": "contact", "contacts": [card]}
    for answer in (
        api.get(f"/api/connections/shop/numbers/{LID}"),
        api.post("/api/messages", json=contact),
        api.post("/api/connections/shop/pairing-code", json={"phone": LID}),
    ):
        assert answer.status_code == 422, answer.text
        assert answer.json()["code"] in {"unsupported_chat", "invalid_number", "invalid_field"}
        assert LID not in answer.text.replace(str(answer.request.url.path), "")


@pytest.mark.parametrize("to", ["1@lid", "90000000000072:3@lid", "0123456@lid", "lid"])
def test_what_is_no_lid(api: Api, to: str) -> None:
    answer = api.post("/api/messages", json={"connection": "shop", "to": to, "text": "hi"})
    assert answer.status_code == 422
    assert answer.json()["code"] in {"unsupported_chat", "invalid_number"}


async def test_the_presence_of_a_lid_is_its_persons(
    api: Api, actor: Actor, lanes: OutboundQueue
) -> None:
    await lanes.joins.rename(SHOP, actor.epoch, LID, ANA, now=time.time())
    assert api.get(f"/api/connections/shop/presence/{LID}").json()["chat"] == ANA
