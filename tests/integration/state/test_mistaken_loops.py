"""A loop that breaks for a reason that nobody foresaw goes on, and is an alert (G13)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.media.open_store import open_store
from actors.redis import keys
from actors.redis.client import connect
from actors.redis.leases.leader_election import Leadership
from actors.redis.leases.leases import Leases
from actors.runtime.actor_base import end_tasks
from actors.state.caches.local_copies import LocalCopy
from actors.state.documents import API_KEYS, CONNECTIONS, EVENT_LOG, HEAD, HEALTH_STATUS, WEBHOOKS
from actors.state.own_mistakes import MISTAKE_DOCUMENT
from actors.state.webhooks import Webhooks
from gateway.acceptance.address_policy import Guarded
from gateway.connection_cache import ConnectionCache
from gateway.http.api_keys import ApiKeyCache
from gateway.webhooks.dispatcher import WebhookDispatcher
from gateway.webhooks.event_tail import EventTail
from gateway.webhooks.requests.delivery_body import DeliveryBodies
from gateway.webhooks.requests.http_post import Posters
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from actors.config.settings import Settings
    from actors.state.documents import Documents

SOON = 10.0
PACKAGES = ("actors", "gateway", "supervision")
SOURCES = Path(__file__).parents[3]

LOGGED_ALONE = {"gateway/http/access_log.py", "supervision/root.py"}
"""One `log.exception` of each: a request is answered with 500, a root that does not start has no store."""


async def nobody() -> AsyncIterator[None]:
    await asyncio.Event().wait()
    yield


async def tail(documents: Documents, _: Settings) -> None:
    follower = EventTail(documents)
    with follower.followed():
        await follower.run()


async def cache(documents: Documents, _: Settings) -> None:
    await ConnectionCache(documents, nobody, LocalCopy(None)).run()


async def keys_of(documents: Documents, _: Settings) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - nobody has read the keys
        await ApiKeyCache(documents).find("x")
    await asyncio.Event().wait()


async def dispatcher(documents: Documents, settings: Settings) -> None:
    redis = connect(settings)
    await WebhookDispatcher(
        documents,
        Webhooks(documents),
        EventTail(documents),
        Posters(Guarded(private=True)),
        Leadership(redis, keys.WEBHOOKS_CHANNEL),
        bodies=DeliveryBodies(documents, Leases(redis), open_store(settings)),
        deletion_time=time.time,
    ).run()


@pytest.mark.parametrize(
    ("loop", "action", "place"),
    [
        (tail, "read_events", (EVENT_LOG, HEAD, {"seq": "x"})),
        (cache, "refresh_connections", (CONNECTIONS, "shop", {"name": 1})),
        (keys_of, "read_keys", (API_KEYS, "key", {"name": 1})),
        (dispatcher, "webhooks", (WEBHOOKS, "wh_1", {"url": 1})),
    ],
)
async def test_a_document_that_breaks_a_loop(
    settings: Settings, documents: Documents, loop: Any, action: str, place: tuple[str, str, Any]
) -> None:
    await documents.set(*place)
    running: Awaitable[None] = loop(documents, settings)
    task = asyncio.ensure_future(running)

    async def noted() -> bool:
        found = await documents.get(HEALTH_STATUS, MISTAKE_DOCUMENT)
        return found is not None and found["action"] == action

    try:
        await eventually("it is noted", noted, SOON)
        assert not task.done()
    finally:
        await end_tasks([task], 5)


def test_no_loop_only_logs() -> None:
    for path in (path for name in PACKAGES for path in (SOURCES / name).rglob("*.py")):
        text, name = path.read_text(), path.relative_to(SOURCES).as_posix()
        notes = text.count("await own_mistakes.note_once(") + text.count("await self._mistaken(")
        assert text.count("log.exception(") <= notes + (name in LOGGED_ALONE), name
