"""Messages through the API; the connection and its actor are played on the real queue."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from actors.redis.leases.leases import Owner
from actors.runtime import host_identity
from actors.state.documents import MESSAGES
from gateway.http.api_keys import create
from tests.integration.gateway.served import SHOP
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.queue.outbound_queue import OutboundQueue
    from actors.redis.leases.leases import Leases
    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api, Gateway

OWNER = Owner("connection:test", os.getpid(), host_identity.here())


def body(text: str, **more: Any) -> dict[str, Any]:
    return {"connection": "shop", "to": "15550100002", "text": text, **more}


def send(api: Api, text: str, **more: Any) -> dict[str, Any]:
    answer = api.post("/api/messages", json=body(text, **more))
    assert answer.status_code == 202, answer.text
    accepted: dict[str, Any] = answer.json()
    return accepted


class Actor:
    """The steps of a ConnectionActor on the queue."""

    def __init__(self, lanes: OutboundQueue, epoch: int, connection: str) -> None:
        self.lanes, self.epoch, self.connection = lanes, epoch, connection

    async def claim(self, identity: str) -> None:
        """Claim and send everything before `identity`, and claim that."""
        while True:
            claim = await self.lanes.claims.claim(self.connection, self.epoch, 10, time.time())
            assert claim.jobs
            for job in claim.jobs:
                if job.id != identity:
                    await self.complete(job.id)
            if identity in [job.id for job in claim.jobs]:
                return

    async def complete(self, identity: str) -> None:
        now = time.time()
        await self.lanes.claims.complete(self.connection, self.epoch, identity, at=now, now=now)

    async def fail(self, identity: str, *, uncertain: bool = False) -> None:
        await self.lanes.claims.fail(
            self.connection,
            self.epoch,
            identity,
            code="not_on_whatsapp",
            permanent=True,
            uncertain=uncertain,
            retry_at=None,
            now=time.time(),
        )


@pytest.fixture
async def actor(lanes: OutboundQueue, leases: Leases, api: Api) -> AsyncIterator[Actor]:
    lease = await leases.take(SHOP, OWNER)
    yield Actor(lanes, lease.epoch, SHOP)
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)


async def test_a_message_is_followed_from_queued_to_read(api: Api, actor: Actor) -> None:
    answer = api.post("/api/messages", json=body("hi", type="text", to="+1 (555) 010-0002"))
    accepted = answer.json()
    assert answer.status_code == 202
    assert set(accepted) == {"id", "message_id", "status", "error"}
    assert (accepted["status"], accepted["error"]) == ("queued", None)
    assert accepted["id"] == f"{SHOP}.{accepted['message_id']}"
    where = answer.headers["location"]
    assert where == f"/api/messages/{accepted['id']}"

    def read() -> dict[str, Any]:
        found: dict[str, Any] = api.get(where).json()
        return found

    message = read()
    assert message["chat"] == "15550100002@s.whatsapp.net"
    assert (message["text"], message["direction"], message["type"]) == ("hi", "out", "text")
    assert message["attempts"] == 0
    await actor.claim(accepted["id"])
    assert read()["status"] == "sending"
    await actor.complete(accepted["id"])
    assert read()["status"] == "sent"
    assert read()["attempts"] == 1
    await actor.lanes.receipts(SHOP, [(accepted["message_id"], "read", time.time())])
    message = read()
    assert message["status"] == "read"
    times = [message[f"{name}_at"] for name in ("accepted", "queued", "sending", "sent", "read")]
    assert all(times)
    assert times == sorted(times)


def test_a_later_message_waits(api: Api) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    accepted = send(api, "later", send_at=at.isoformat(), to="15550100003")
    assert accepted["status"] == "waiting"
    message = api.get(f"/api/messages/{accepted['id']}").json()
    assert datetime.fromisoformat(message["send_at"]) - at < timedelta(seconds=1)


def test_the_same_key_and_body_give_the_first_answer(api: Api) -> None:
    key = {"Idempotency-Key": "order 1#a"}
    first = api.post("/api/messages", json=body("once"), headers=key)
    again = api.post("/api/messages", json=body("once"), headers=key)
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    other = api.post("/api/messages", json=body("twice"), headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


async def test_the_keys_of_two_programs_do_not_meet(
    api: Api, gateway: Gateway, documents: Documents
) -> None:
    key = {"Idempotency-Key": "order 1"}
    first = api.post("/api/messages", json=body("of the first"), headers=key)
    _, token = await create(documents, name="second", scopes=["send"], quota=UNLIMITED)
    with gateway.client(token) as second:
        gateway.until(lambda: second.post("/api/messages", json={}).status_code == 422, 5)
        other = second.post("/api/messages", json=body("of the second"), headers=key)
        same = second.post("/api/messages", json=body("of the second"), headers=key)
    assert (first.status_code, other.status_code) == (202, 202)
    assert first.json()["id"] != other.json()["id"] == same.json()["id"]


@pytest.mark.parametrize("key", ["", "a" * 256, "tab\tbed", "ä"])
def test_a_key_that_cannot_be_used(api: Api, key: str) -> None:
    answer = api.post("/api/messages", json=body("x"), headers=[(b"Idempotency-Key", key.encode())])
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")


async def test_the_first_answer_again_after_it_was_sent(api: Api, actor: Actor) -> None:
    key = {"Idempotency-Key": "sent meanwhile"}
    first = api.post("/api/messages", json=body("meanwhile"), headers=key).json()
    await actor.claim(first["id"])
    await actor.complete(first["id"])
    assert api.post("/api/messages", json=body("meanwhile"), headers=key).json() == first


async def test_wait_answers_when_it_is_sent(api: Api, actor: Actor) -> None:
    async def send_soon() -> None:
        await asyncio.sleep(0.3)
        claim = await actor.lanes.claims.claim(SHOP, actor.epoch, 10, time.time())
        while not claim.jobs:  # it may not be accepted yet
            await asyncio.sleep(0.02)
            claim = await actor.lanes.claims.claim(SHOP, actor.epoch, 10, time.time())
        while claim.jobs:
            for job in claim.jobs:
                await actor.complete(job.id)
            claim = await actor.lanes.claims.claim(SHOP, actor.epoch, 10, time.time())

    sending = asyncio.create_task(send_soon())
    begun = time.monotonic()
    answer = await asyncio.to_thread(
        api.post, "/api/messages", json=body("wait", to="15550100004"), params={"wait": 10}
    )
    await sending
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["error"]) == ("sent", None)
    assert 0.2 < time.monotonic() - begun < 9


def test_wait_ends_when_time_is_up(api: Api) -> None:
    begun = time.monotonic()
    answer = api.post("/api/messages", json=body("nobody sends"), params={"wait": "0.5"})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert 0.5 <= time.monotonic() - begun < 10


async def test_cancel_while_it_is_queued(api: Api, actor: Actor) -> None:
    accepted = send(api, "never mind", to="15550100005")
    path = f"/api/messages/{accepted['id']}"
    cancelled = api.delete(path)
    assert cancelled.status_code == 200
    assert cancelled.json()["status"] == "cancelled"
    assert cancelled.json()["cancelled_at"]
    again = api.delete(path)
    assert again.json().get("message_status", "cancelled") == "cancelled"
    sending = send(api, "too late", to="15550100006")
    await actor.claim(sending["id"])
    late = api.delete(f"/api/messages/{sending['id']}")
    assert (late.status_code, late.json()["code"]) == (409, "not_cancellable")
    assert late.json()["message_status"] == "sending"
    await actor.complete(sending["id"])


def document(number: int, **more: Any) -> dict[str, Any]:
    chat = f"1555010002{number % 2}@s.whatsapp.net"
    return {
        "message_id": f"IN{number}",
        "connection": SHOP,
        "chat": chat,
        "sender": chat,
        "direction": "in",
        "type": "text",
        "text": f"hello {number}",
        "status": "received",
        "source": "live",
        "at": 1000.0 + number,
        "received_at": 1000.0 + number,
        **more,
    }


async def test_what_came_in_is_read(api: Api, documents: Documents) -> None:
    ids = [f"{SHOP}.in.{number:024x}" for number in range(5)]
    for number, identity in enumerate(ids):
        await documents.set(MESSAGES, identity, document(number))
    one = api.get(f"/api/messages/{ids[0]}").json()
    assert (one["text"], one["status"], one["direction"]) == ("hello 0", "received", "in")
    assert one["received_at"] == "1970-01-01T00:16:40.000Z"

    def listed(**query: Any) -> list[str]:
        found: list[str] = []
        while True:
            page = api.get("/api/messages", params=query).json()
            found += [each["id"] for each in page["items"]]
            if page["next"] is None:
                return found
            query["after"] = page["next"]

    assert listed(connection="shop", direction="in", limit=2) == ids[::-1]
    assert listed(connection="shop", direction="in", order="oldest", limit=2) == ids
    assert listed(connection="shop", chat="+1 555 010-0020", direction="in") == [
        ids[4],
        ids[2],
        ids[0],
    ]
    assert listed(status="received") == ids[::-1]
    assert listed(connection="shop", status="dead") == []
    cancel = api.delete(f"/api/messages/{ids[0]}")
    assert (cancel.status_code, cancel.json()["code"]) == (409, "not_cancellable")


async def test_an_outgoing_message_that_redis_forgot(api: Api, documents: Documents) -> None:
    identity = f"{SHOP}.3EB0" + "F" * 18
    await documents.set(
        MESSAGES,
        identity,
        document(1, direction="out", status="read", sender=None, queued_at=1001.0, read_at=1003.0),
    )
    message = api.get(f"/api/messages/{identity}").json()
    assert (message["status"], message["read_at"]) == ("read", "1970-01-01T00:16:43.000Z")


@pytest.mark.parametrize(
    "identity",
    [
        "nonsense",
        "shop.3EB0",
        "shop.3EB0" + "0" * 18,
        "shop.in." + "f" * 24,
        "%00",
        "shop.3EB0" + "g" * 18,
        "a" * 3000,
    ],
)
def test_messages_that_do_not_exist(api: Api, identity: str) -> None:
    for method, path in (
        ("GET", f"/api/messages/{identity}"),
        ("DELETE", f"/api/messages/{identity}"),
        ("POST", f"/api/queue/dead/{identity}/retry"),
    ):
        answer = api.request(method, path)
        if method == "DELETE" and ".in." in identity:
            assert answer.status_code == 409
        else:
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_message")
