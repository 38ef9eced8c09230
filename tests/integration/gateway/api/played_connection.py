"""Plays a connection on the real queue for tests of the API; its mirroring is the product's."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import InboxMessage
from actors.messages.content import Text, encode, is_plain
from actors.queue.upkeep import QueueUpkeep
from actors.redis.leases.leases import Leases, Owner
from actors.runtime import host_identity
from actors.state.account import chat_activity
from actors.state.messages.received import changing, content_of, incoming, storing
from tests.integration.gateway.api.messages.test_messages import Actor
from tests.integration.gateway.served import SHOP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.messages.content import Content
    from actors.queue.outbound_queue import OutboundQueue
    from actors.queue.records import ClaimedMessage
    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api

CHAT = "15550100002@s.whatsapp.net"
ACCOUNT = "15550100001@s.whatsapp.net"
NOBODY = f"{SHOP}.3EB0000000000000000000"


class Rest(Actor):
    """The parts that send, mirror and receive for the connection."""

    def __init__(self, lanes: OutboundQueue, epoch: int, documents: Documents) -> None:
        super().__init__(lanes, epoch, SHOP)
        self.documents = documents
        self.upkeep = QueueUpkeep(lanes, documents, 30, time.time)
        self.came = 0

    async def sends(self) -> list[ClaimedMessage]:
        """Send all that is queued, mirror it, and return it."""
        sent: list[ClaimedMessage] = []
        while jobs := (await self.lanes.claims.claim(SHOP, self.epoch, 10, time.time())).jobs:
            for job in jobs:
                await self.complete(job.id)
            sent += jobs
        await self.mirrors()
        return sent

    async def mirrors(self) -> None:
        await self.upkeep.list_connections()
        for _ in range(4):
            await self.upkeep.mirror()

    async def receives(self, message_id: str, said: Content, **more: Any) -> str:
        self.came += 1
        fields = {"sender": CHAT, **more}
        item = asdict(
            InboxMessage(
                key=self.came,
                chat=CHAT,
                message_id=message_id,
                at=int(time.time()),
                type=said.type,
                text=said.text if isinstance(said, Text) else None,
                content=None if is_plain(said) else encode(said),
                **fields,
            )
        )
        document = incoming(SHOP, item, time.time())
        known = chat_activity.of_message(document, document["id"])
        await self.documents.batch(
            [
                storing(document),
                *changing(SHOP, document, content_of(item)),
                *chat_activity.noting(SHOP, [known]),
            ]
        )
        return str(document["id"])


@pytest.fixture
async def rest(
    lanes: OutboundQueue, leases: Leases, api: Api, documents: Documents
) -> AsyncIterator[Rest]:
    lease = await leases.take(SHOP, Owner("connection:test", os.getpid(), host_identity.here()))
    made = Rest(lanes, lease.epoch, documents)
    await made.sends()
    yield made
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)


def change(api: Api, kind: str, message: str, **more: Any) -> Any:
    body = {"connection": "shop", "to": CHAT, "type": kind, "message": message, **more}
    headers = {"Idempotency-Key": key} if (key := body.pop("key", None)) else {}
    return api.post("/api/messages", json=body, headers=headers)


def message(api: Api, identity: str) -> dict[str, Any]:
    answer = api.get(f"/api/messages/{identity}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def listed(api: Api, identity: str) -> dict[str, Any]:
    items = api.get("/api/messages", params={"connection": "shop"}).json()["items"]
    found: dict[str, Any] = next(item for item in items if item["id"] == identity)
    return found
