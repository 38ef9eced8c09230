"""A deliverer that kills itself: ``delivering_child.py DATA PORT ROOM POINT NUMBER``.

`ROOM` is for how many events memory has room. It delivers from the state store in `DATA`, with the turn in the Redis at `PORT`. `POINT` is ``before`` or
``after`` the batch of this number, counted from 1, is in the store; or ``none``: then it goes on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from actors.config.sources import resolve_settings
from actors.media.open_store import open_store
from actors.redis import keys
from actors.redis.leases.leader_election import Leadership
from actors.redis.leases.leases import Leases
from actors.state.sqlite.store import SqliteDocuments
from actors.state.webhooks import Webhooks
from gateway.acceptance.address_policy import Guarded
from gateway.webhooks import chat_lanes, delivery_policy
from gateway.webhooks.dispatcher import WebhookDispatcher
from gateway.webhooks.event_tail import EventTail
from gateway.webhooks.requests.delivery_body import DeliveryBodies
from gateway.webhooks.requests.http_post import Posters
from tests.processes.valkey import PASSWORD


def dying(number: int, *, after: bool) -> None:
    original = SqliteDocuments.batch
    left = number

    async def batch(self: SqliteDocuments, writes: Any) -> None:
        nonlocal left
        left -= 1
        if after or left:
            await original(self, writes)
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    SqliteDocuments.batch = batch  # type: ignore[method-assign]


async def main(data: Path, port: int, room: int, point: str, number: int) -> None:
    chat_lanes.WAITING_EVENTS = room
    delivery_policy.MAX_PAUSE = 1.0  # of its time only: what was refused is tried soon
    if point != "none":
        dying(number, after=point == "after")
    settings = resolve_settings(data=data.parent)
    documents = SqliteDocuments(data)
    redis = Redis(port=port, password=PASSWORD, decode_responses=True)
    tail = EventTail(documents)
    deliverer = WebhookDispatcher(
        documents,
        Webhooks(documents),
        tail,
        Posters(Guarded(private=True)),
        Leadership(redis, keys.WEBHOOKS_CHANNEL),
        bodies=DeliveryBodies(documents, Leases(redis), open_store(settings)),
        deletion_time=time.time,
    )
    await asyncio.gather(tail.run(), deliverer.run())


if __name__ == "__main__":
    store, server, events, where, which = sys.argv[1:]
    asyncio.run(main(Path(store), int(server), int(events), where, int(which)))
