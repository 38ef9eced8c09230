"""Opens and closes what the gateway's request handlers share: Redis, state store, caches and background tasks."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Self

import structlog

from actors.connection.backup.open_vault import open_bucket
from actors.health.resources import files_room
from actors.media.conversion import ffmpeg
from actors.media.open_store import open_store
from actors.queue.outbound_queue import OutboundQueue
from actors.redis import change_notifications, keys
from actors.redis.client import RedisAway, connect
from actors.redis.commands import Commands
from actors.redis.leases.leader_election import Leadership
from actors.redis.leases.leases import EXPIRES, Lease, Leases
from actors.redis.presence import Presences
from actors.runtime.actor_base import end_tasks
from actors.runtime.deletion_time import deletion_time
from actors.runtime.limits.keyed_semaphores import KeyedSemaphores
from actors.runtime.owner_liveness import Liveness
from actors.state.caches.local_copies import copy_of
from actors.state.connections import Connections
from actors.state.documents import API_KEYS, CONNECTIONS, StoreAway
from actors.state.open_store import open_documents
from actors.state.tenants.store_floor import StoreFloor
from actors.state.webhooks import Webhooks
from gateway.acceptance.address_policy import Guarded
from gateway.acceptance.former_spool import FormerSpool
from gateway.acceptance.link_previews import LinkPreviews
from gateway.acceptance.redis_wait import RedisWait
from gateway.acceptance.send_acceptance import Acceptor
from gateway.acceptance.url_fetch import UrlFetcher
from gateway.concurrency import ConcurrencyLimiter
from gateway.connection_cache import ConnectionCache
from gateway.console.login.login_rate_limiter import LoginLimiter
from gateway.http import limit_problems
from gateway.http.api_keys import ApiKeyCache
from gateway.http.rate_limiter import RateLimiter
from gateway.instance_snapshot import SnapshotReader
from gateway.metrics.actor_counters import ActorCounters
from gateway.metrics.exposition import Metrics
from gateway.redis_memory import RedisMemoryMonitor
from gateway.redis_probe import watch
from gateway.schemas import presenters
from gateway.text_search import TextSearches
from gateway.webhooks.dispatcher import WebhookDispatcher
from gateway.webhooks.event_tail import EventTail
from gateway.webhooks.reader_limits import ReaderLimits
from gateway.webhooks.requests.delivery_body import DeliveryBodies
from gateway.webhooks.requests.http_post import Posters
from gateway.write_turns import WriteTurns
from gateway.wrong_key_limiter import WrongKeyLimiter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.media.local_files import LocalFiles
    from actors.state.connections import Connection as Registered
    from actors.state.documents import Documents
    from gateway.schemas.response_models import Connection

log = structlog.get_logger()

LISTS = 2
"""Lists that one tenant has read and written at once: one thread reads all of SQLite, and one writes all answers."""

READS = 4
"""Other answers that one tenant has read at once."""

QUESTIONS = 16
"""Commands that a connection's owner has of this process at once: it executes half as many at a time."""

PIECES = 2
"""Pieces of files that one tenant has read at once, each by a thread of the few that the process has."""

UPLOAD_STEPS = min(32, (os.cpu_count() or 1) + 4)
"""Steps of a tenant's uploads at once: all threads that asyncio has, so that a tenant alone loses nothing."""


async def _may_preview(settings: Settings, connections: ConnectionCache, connection: str) -> bool:
    """Whether links are fetched for a connection: not where its traffic goes through a proxy, which this would pass by."""
    if not settings.link_previews or settings.whatsapp_proxy is not None:
        return False
    with suppress(StoreAway):
        found = await connections.find(connection)
        return found is not None and found.options.proxy is None
    return False


@dataclass(frozen=True, slots=True)
class Backends:
    """The parts that handlers use. `closing` is set when the process was asked to end."""

    settings: Settings
    redis: Redis
    lanes: OutboundQueue
    leases: Leases
    liveness: Liveness
    documents: Documents
    texts: TextSearches
    registry: Connections
    connections: ConnectionCache
    ring: ApiKeyCache
    rates: RateLimiter
    requests: ConcurrencyLimiter
    waits: ConcurrencyLimiter
    list_turns: KeyedSemaphores[str]
    read_turns: KeyedSemaphores[str]
    write_turns: WriteTurns
    question_turns: KeyedSemaphores[str]
    piece_turns: KeyedSemaphores[str]
    upload_turns: KeyedSemaphores[str]
    guesses: WrongKeyLimiter
    logins: LoginLimiter
    observer: SnapshotReader
    accepting: Acceptor
    metrics: Metrics
    tree: ActorCounters
    commands: Commands
    presences: Presences
    tail: EventTail
    streams: ReaderLimits
    webhooks: Webhooks
    deliverer: WebhookDispatcher
    posters: Posters
    files: LocalFiles
    fetcher: UrlFetcher
    previews: LinkPreviews
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    started: float = field(default_factory=time.monotonic)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Self]:
        """Open everything and keep it fresh; starts also while Redis or the store is away."""
        limit_problems.expect(settings.limits)
        redis = connect(settings)
        listening = connect(settings, blocking=True)
        watching = connect(settings)
        documents = open_documents(settings)
        registry = Connections(documents, limit=settings.connection_limit)
        lanes, leases = OutboundQueue(redis, settings), Leases(redis)
        liveness = Liveness(EXPIRES if settings.several_hosts else None)
        connections = ConnectionCache(
            documents, lambda: change_notifications.pokes(listening), copy_of(settings, CONNECTIONS)
        )
        alone = settings.session_storage_type == "local"
        bucket = None if alone else await asyncio.to_thread(open_bucket, settings)
        files = open_store(settings, bucket)
        former = FormerSpool(settings.data / "spool.db", lanes, documents)
        wait, room = RedisWait(redis, settings), RedisMemoryMonitor(redis, settings)
        floor = StoreFloor.of(settings)
        tail = EventTail(documents)
        webhooks = Webhooks(documents)
        posters = Posters(Guarded(private=settings.webhook_url_private))
        turn = Leadership(redis, keys.WEBHOOKS_CHANNEL)
        bodies = DeliveryBodies(documents, leases, files)
        deliverer = WebhookDispatcher(
            documents,
            webhooks,
            tail,
            posters,
            turn,
            bodies=bodies,
            deletion_time=partial(deletion_time, settings.data),
            floor=None if documents.billed else floor,
        )
        fetcher = UrlFetcher(private=settings.media_url_private)
        backends = cls(
            settings=settings,
            redis=redis,
            lanes=lanes,
            leases=leases,
            liveness=liveness,
            documents=documents,
            texts=TextSearches(documents),
            registry=registry,
            connections=connections,
            ring=ApiKeyCache(documents, copy=copy_of(settings, API_KEYS)),
            rates=RateLimiter(settings.request_quota),
            requests=ConcurrencyLimiter(settings.concurrency_quota),
            waits=ConcurrencyLimiter(settings.concurrency_quota),
            list_turns=KeyedSemaphores(LISTS),
            read_turns=KeyedSemaphores(READS),
            write_turns=WriteTurns(),
            question_turns=KeyedSemaphores(QUESTIONS),
            piece_turns=KeyedSemaphores(PIECES),
            upload_turns=KeyedSemaphores(UPLOAD_STEPS),
            guesses=WrongKeyLimiter(),
            logins=LoginLimiter(),
            observer=SnapshotReader(
                redis,
                documents,
                lanes,
                leases,
                connections,
                liveness=liveness,
                room=room,
                settings=settings,
                floor=floor,
                places=(settings.data, settings.sessions, settings.state_file),
                files_room=partial(files_room, settings),
            ),
            tree=ActorCounters(settings.data),
            accepting=Acceptor(lanes, wait, former, room, floor),
            metrics=Metrics(),
            commands=Commands(redis, settings),
            presences=Presences(redis),
            tail=tail,
            streams=ReaderLimits(
                documents, days=settings.event_retention_days, quota=settings.reader_quota
            ),
            webhooks=webhooks,
            deliverer=deliverer,
            posters=posters,
            files=files,
            fetcher=fetcher,
            previews=LinkPreviews(
                fetcher,
                ffmpeg.of_host(settings, ffmpeg.PREVIEWS),
                documents,
                partial(_may_preview, settings, connections),
            ),
        )
        backends.metrics.watchdog.start()
        await backends.connections.refresh()
        running = (
            watch(watching),
            backends.connections.run(),
            former.run(),
            room.run(),
            floor.run(),
            files.upkeep(backends.accepting.waits, documents=documents).run(),
            tail.run(),
            deliverer.run(),
        )
        tasks = [asyncio.create_task(each) for each in running]
        try:
            yield backends
        finally:
            await end_tasks(tasks, within=5)
            await deliverer.close()
            await wait.close()
            await backends.fetcher.close()
            await backends.files.close()
            await backends.lanes.close()
            await listening.aclose()
            await watching.aclose()
            await redis.aclose()
            await documents.close()

    def waits_for_outcome(self, wait: float) -> bool:
        """Whether a send with this `wait` is answered only once its message is sent, or time is up."""
        return wait > 0 or not self.settings.message_queue_enabled

    async def poke(self) -> None:
        """Have the root look now; if Redis is away it looks by itself within two seconds."""
        try:
            await change_notifications.poke(self.redis)
        except RedisAway:
            log.warning("change notification lost", action="poke_lost")

    async def shown(self, connections: Sequence[Registered]) -> list[Connection]:
        """Each as its lease says; while Redis is away, as the store says."""
        leases: dict[str, Lease] = {}
        with suppress(RedisAway):
            leases = await self.leases.read_all([each.id for each in connections])
        return [
            presenters.connection(
                each,
                leases.get(each.id),
                alive=self.liveness.of(each.id, leases.get(each.id)),
                settings=self.settings,
            )
            for each in connections
        ]
