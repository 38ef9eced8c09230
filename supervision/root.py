"""Implements the root Ray actor, which Ray itself restarts: adopts living actors, starts and restarts all others.

A root starts itself, so that one which Ray restarted adopts the living children without a caller:
the same processes, no reconnect (G8). Its state is elsewhere: names in Ray, leases in Redis, desired
states in the state store. No child delays it, and neither do Redis and the store.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from actors.config import settings_transfer
from actors.config.settings import Settings, written_at
from actors.connection.backup.bucket.access import BucketAccess
from actors.connection.backup.bucket.remote import RemoteBucket
from actors.connection.backup.open_vault import open_vault
from actors.connection.disconnects.consequences import LEASE_GONE
from actors.metrics.counters import measures
from actors.queue.outbound_queue import OutboundQueue
from actors.redis.change_notifications import pokes
from actors.redis.client import RedisAway, connect
from actors.redis.leases.leases import EXPIRES, Leases
from actors.runtime.actor_base import Shell, end_tasks
from actors.state import own_mistakes
from actors.state.caches.local_copies import copy_of
from actors.state.documents import CONNECTIONS
from actors.state.open_store import open_documents
from supervision.children import UPGRADE_REASON, Children
from supervision.cluster import ROOT_ACTOR, ActorDead, CallRefused, CallTimeout, Cluster
from supervision.connection_reconciler import ConnectionReconciler
from supervision.keeper import restart_log
from supervision.previous_owner import PreviousOwners
from supervision.registry import Registry
from supervision.removal import Removal
from supervision.reports import process_files
from supervision.reports.metrics_collector import MetricsCollector
from supervision.reports.recovery_log import RecoveryLog
from supervision.restarts.policy import (
    Intensity,
    LeaseExpiry,
    MemoryLimit,
    ProbePolicy,
    RestartRecords,
    Wave,
)
from supervision.restarts.restart_budgets import RestartBudgets
from supervision.restarts.start_limiter import StartLimiter
from supervision.root_generation import RootGeneration
from supervision.services import BEHIND, SERVICES, Services, unneeded
from supervision.standbys import Standbys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from supervision.child import Child, End

log = structlog.get_logger()

BEAT_EVERY = 2.0
LOOK_EVERY = 2.0
RETRY_PAUSE = 1.0
BEHIND_WITHIN = 30.0
"""Seconds of a cold start that the services in `BEHIND` wait for connections to settle, and again for no start to queue."""
REDIS_WAIT_SECONDS = 1.0
"""Seconds to wait for Redis before steps that do not need it."""
STOP_CONNECTION = 12.0
STOP_SERVICE = 3.0
RENEW_SERVICE = 60.0


class RootSupervisor(Shell):
    """Keeps all connections, services and standbys running.

    When it dies, the children go on, and the next root adopts them. On a host with a directory of its
    own it ends at once: neither the state nor the files that the keeper reads are there.
    """

    def __init__(self, data: str, name: str = ROOT_ACTOR) -> None:
        super().__init__(data, name)
        self._deciding: list[asyncio.Task[None]] = []
        self._reporting: list[asyncio.Task[None]] = []
        self._look_now = asyncio.Event()
        self._changed = asyncio.Event()
        self._adopted = asyncio.Event()
        self._looked = asyncio.Event()
        self._booting = asyncio.ensure_future(self._boot())

    async def status(self) -> list[dict[str, Any]]:
        """Returns each process of the tree: role, connection, pid, actor, state."""
        states = {}
        serving = [child.connection for child in self._children if child.connection is not None]
        with suppress(RedisAway):
            leases = await self._leases.read_all(serving)
            states = {connection: lease.state for connection, lease in leases.items()}
        return [
            self._entry("root", os.getpid(), self.name, None, "running"),
            *(
                self._entry(
                    _role(child),
                    child.pid,
                    child.name,
                    child.serves,
                    states.get(child.connection or "", "ready" if child.ready else "starting"),
                )
                for child in self._children
            ),
        ]

    async def renew(self) -> None:
        """Replaces standbys and services, one after the other, by ones that run the installed code.

        No message waits for either. Connections are replaced by requests for their restart.
        """
        await self._adopted.wait()
        await self._standbys.renew()
        for old in [child for role in SERVICES for child in self._children if child.role == role]:
            await self._children.drain(old, UPGRADE_REASON)
            deadline = time.monotonic() + RENEW_SERVICE
            while not any(one.role == old.role and one is not old for one in self._children):
                if time.monotonic() > deadline:
                    raise CallTimeout(f"{old.role} is not back within {RENEW_SERVICE:.0f} s")
                await asyncio.sleep(0.1)

    async def _boot(self) -> None:
        try:
            await self.start()
        except Exception:
            # Ray restarts the root once its process has died.
            log.exception("start failed", action="boot")
            await asyncio.sleep(RETRY_PAUSE)
            os._exit(1)

    async def _start(self) -> None:
        settings = self._settings = Settings.load(self.data)
        if settings.several_hosts and settings_transfer.is_own(self.data):
            raise settings_transfer.NotShared
        self._redis = connect(settings)
        self._leases = Leases(self._redis)
        self._generation = RootGeneration(self._redis)
        documents = open_documents(settings)
        self._mistaken = partial(own_mistakes.note_once, documents)
        self._cluster = Cluster(self.data)
        intensity = Intensity(settings.max_restarts, settings.min_uptime / 1000)
        base, cap = settings.restart_backoff_base / 1000, settings.restart_backoff_cap / 1000
        budgets = RestartBudgets(RestartRecords(intensity, base, cap), documents)
        self._registry = Registry(documents, budgets, copy_of(settings, CONNECTIONS))
        self._recovery = RecoveryLog(documents)
        expiry = LeaseExpiry(EXPIRES) if settings.several_hosts else None
        self._metrics = await asyncio.to_thread(MetricsCollector, self.data, self._watchdog)
        self._children = Children(
            self._cluster,
            ProbePolicy(),
            # Without AUTO_RECOVERY a drained child would not be started again.
            MemoryLimit.of(settings) if settings.auto_recovery else None,
            way := BucketAccess.of(settings),
            offer=partial(settings_transfer.offer, self.data)
            if settings.several_hosts
            else lambda: None,
            confirm=self._confirm_if_possible,
            on_end=self._child_ended,
            on_change=self._changed.set,
            on_report=self._metrics.report,
            on_removed=self._metrics.ended,
        )
        self._standbys = Standbys(self._children, settings.standby_actors)
        self._services = Services(
            self._children,
            RestartRecords(intensity, base, cap),
            self._recovery,
            without=unneeded(settings, remote=isinstance(way.bucket, RemoteBucket)),
        )
        self._start_limiter = StartLimiter(Wave(size=max(4, 3 * (os.cpu_count() or 1))))
        self._connections = ConnectionReconciler(
            registry=self._registry,
            leases=self._leases,
            children=self._children,
            standbys=self._standbys,
            start_limiter=self._start_limiter,
            budgets=budgets,
            recovery=self._recovery,
            removal=Removal(
                self._registry,
                self._leases,
                OutboundQueue(self._redis, settings),
                documents,
                settings.sessions,
                state=self._services.state,
                traces=settings.traces,
                vault=None if way.bucket is None else open_vault(settings, way.bucket),
                on_removed=self._metrics.forget,
            ),
            owners=PreviousOwners(self._children, self._standbys, expiry),
            auto_recovery=settings.auto_recovery,
            limit=settings.max_connections,
            settings_at=partial(written_at, self.data),
            confirm=self._confirm,
            mistaken=self._mistaken,
        )
        self._deciding = self._begin_loops(self._reconcile, self._listen, self._replenish_standbys)
        self._reporting = self._begin_loops(
            self._recovery.run,
            budgets.run,
            self._write_process_files,
            self._show_life,
            self._record_restarts,
        )
        # Before the adoption: from then on a replaced root starts no actor that this one would miss.
        with suppress(RedisAway, TimeoutError):
            async with asyncio.timeout(REDIS_WAIT_SECONDS):
                await self._generation.begin()
        if await self._adopt():
            self._metrics.count_root_restart()
            self._services.ensure()
        else:
            log.info("cold start", action="start")
            self._services.ensure(but=BEHIND)
            self._deciding.append(asyncio.ensure_future(self._start_deferred_services()))
        self._adopted.set()
        # After the adoption: the last reports of living children are no new counts.
        collect = partial(self._metrics.run, self._children, self._mistaken)
        self._reporting += self._begin_loops(collect)

    async def _adopt(self) -> int:
        """Adopts all living children concurrently; returns their number."""
        names = [name for name in await self._cluster.names() if name != self.name]
        found = await asyncio.gather(*(self._children.adopt(name) for name in names))
        children = [child for child in found if child is not None]
        await self._registry.refresh()
        leases = {}
        with suppress(RedisAway):
            leases = await self._leases.read_all(list(self._registry.wanted))
        owners = {lease.owner.actor: lease for lease in leases.values() if lease.owner is not None}
        for child in children:
            lease = owners.get(child.name)
            if child.connection is None and lease is not None:
                # A child that does not answer, or whose `serve` call is in progress.
                child.connection, child.epoch = lease.connection, lease.epoch
                if child.pid is None and lease.owner is not None:
                    child.pid, child.node = lease.owner.pid, lease.owner.node
            if child.role in SERVICES:
                self._services.adopted(child)
            elif child.connection is None:
                self._standbys.add(child)
        if children:
            # The tree lived, so an owner without an actor died between two roots.
            for name in owners.keys() - {child.name for child in children}:
                self._connections.orphaned(owners[name])
        serving = sum(child.connection is not None for child in children)
        log.info("actors adopted", action="adopt", children=len(children), connections=serving)
        return len(children)

    async def _start_deferred_services(self) -> None:
        """Starts the services in `BEHIND` after the connections of a cold start (G8)."""
        for step in (self._looked.wait, self._connections.settled, self._start_limiter.admitted):
            with suppress(TimeoutError):
                async with asyncio.timeout(BEHIND_WITHIN):
                    await step()
        self._services.ensure()

    def _child_ended(self, child: Child, end: End) -> None:
        if end.reason in LEASE_GONE:
            measures.count("teimoso_epochs_lost")
        if child.role in SERVICES:
            self._services.ended(child, end)
        elif not self._standbys.remove(child):
            self._connections.ended(child, end)

    async def _reconcile(self) -> None:
        await self._adopted.wait()
        while True:
            requested = self._look_now.is_set()
            self._look_now.clear()
            await self._confirm_if_possible()
            await self._registry.refresh(requested=requested)
            await self._connections.reconcile_all()
            self._looked.set()
            await self._children.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._look_now.wait()

    async def _confirm(self) -> None:
        """Ends this process if another root replaced it. Raises `RedisAway`."""
        if not await self._generation.is_newest():
            log.error("root replaced", action="end")
            os._exit(1)

    async def _confirm_if_possible(self) -> None:
        """Does the same; without Redis the tree goes on as it is (G11)."""
        with suppress(RedisAway, TimeoutError):
            async with asyncio.timeout(REDIS_WAIT_SECONDS):
                await self._confirm()

    async def _replenish_standbys(self) -> None:
        await self._adopted.wait()
        await self._standbys.replenish()

    async def _listen(self) -> None:
        redis = connect(self._settings, blocking=True)
        while True:
            try:
                async for _ in pokes(redis):
                    self._look_now.set()
            except RedisAway:
                await asyncio.sleep(RETRY_PAUSE)

    async def _write_process_files(self) -> None:
        """Writes the list of processes after each change, for readers without Ray."""
        written: list[process_files.ProcessEntry] | None = None
        while True:
            await self._changed.wait()
            self._changed.clear()
            there = [process_files.ProcessEntry.of("root", os.getpid())]
            there += [
                process_files.ProcessEntry.of(_role(child), child.pid, child.serves, child.node)
                for child in self._children
                if child.pid is not None
            ]
            entries = [entry for entry in there if entry is not None]
            if entries != written:
                await self._confirm_if_possible()
                await asyncio.to_thread(process_files.write, self.data, entries)
                written = entries
            await asyncio.sleep(0.05)

    async def _show_life(self) -> None:
        """Shows the keeper that the main loop runs: no other process notices a root that hangs."""
        while True:
            await asyncio.to_thread(process_files.beat, self.data)
            await asyncio.sleep(BEAT_EVERY)

    async def _record_restarts(self) -> None:
        """Records the restarts by the keeper in the history, each once."""
        recorded: set[restart_log.Restart] = set()
        while True:
            noted = await asyncio.to_thread(restart_log.read, self.data)
            self._metrics.count_restarts(noted)
            for one in [each for each in noted if each not in recorded]:
                self._recovery.repeat(one.action)
            recorded = set(noted)
            await asyncio.sleep(LOOK_EVERY)

    def _begin_loops(self, *loops: Callable[[], Awaitable[None]]) -> list[asyncio.Task[None]]:
        return [asyncio.ensure_future(self._for_ever(loop)) for loop in loops]

    async def _for_ever(self, loop: Callable[[], Awaitable[None]]) -> None:
        """Runs a loop for ever; one that breaks is logged and started again."""
        while True:
            try:
                await loop()
            except Exception:
                log.exception("loop fails", action="root", loop=getattr(loop, "__qualname__", None))
                await self._mistaken("root")
            await asyncio.sleep(RETRY_PAUSE * random.uniform(0.5, 1))  # noqa: S311 - spread only

    async def _stop(self) -> None:
        """Stops and ends all children: connections concurrently, then the services."""
        await self.start()
        await end_tasks(self._deciding, 1.0)
        await self._services.stop()
        await self._connections.stop()
        closing = asyncio.ensure_future(self._children.close())
        children = list(self._children)
        connections = [child for child in children if child.role == "connection"]
        await asyncio.gather(*(self._end_one(child, STOP_CONNECTION) for child in connections))
        services = {child.role: child for child in children if child.role in SERVICES}
        # The state last: the others write their last changes through it.
        for roles in (("health", "queue", "vault", "backup"), ("state",)):
            await asyncio.gather(
                *(self._end_one(services[role], STOP_SERVICE) for role in roles if role in services)
            )
        await closing
        log.info("root stopped", action="stop", children=len(children))

    async def _end_one(self, child: Child, within: float) -> None:
        try:
            await child.handle.call("stop", within=within)
        except (ActorDead, CallTimeout, CallRefused) as error:
            log.warning("actor not stopped", action="stop", actor=child.name, error=repr(error))
        await self._children.dismiss(child)

    @staticmethod
    def _entry(
        role: str, pid: int | None, actor: str, connection: str | None, state: str
    ) -> dict[str, Any]:
        return {"role": role, "connection": connection, "pid": pid, "actor": actor, "state": state}


def _role(child: Child) -> str:
    if child.role == "connection" and child.serves is None:
        return "standby"
    return child.role
