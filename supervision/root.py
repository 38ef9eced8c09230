"""RootSupervisor: the one actor that Ray restarts; it restarts all others.

It starts itself, so that a root which Ray brought back adopts what lives without anybody's help:
the same processes, no reconnect (G8). What it must remember is elsewhere:
names in Ray, leases in Redis, desires in the state store. No single child, nor Redis, nor the
store, can hold it up.
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

from actors.config import handover
from actors.config.settings import Settings, written_at
from actors.connection.backup.bucket.access import Reach
from actors.connection.backup.bucket.remote import RemoteBucket
from actors.connection.backup.open_vault import open_vault
from actors.connection.consequences import LEASE_GONE
from actors.metrics.counters import measures
from actors.queue.lanes import Lanes
from actors.redis.client import RedisAway, connect
from actors.redis.leases import EXPIRES, Leases
from actors.redis.pokes import pokes
from actors.runtime.actor_base import Shell, end_tasks
from actors.state.copies import copy_of
from actors.state.documents import CONNECTIONS
from actors.state.open_store import open_documents
from supervision.children import RENEWED, Children
from supervision.cluster import ROOT, ActorDead, Cluster, NoAnswer, Refused
from supervision.connections import Tending
from supervision.keeper import restart_log
from supervision.policy import Expiry, Intensity, Lives, Memory, Probes, Wave
from supervision.previous_owner import Owners
from supervision.registry import Registry
from supervision.removal import Removal
from supervision.reports import process_files
from supervision.reports.metrics_collector import Tallying
from supervision.reports.recovery_log import Recovery
from supervision.restart_budgets import Budgets
from supervision.root_generation import Newest
from supervision.services import BEHIND, ROLES, Services
from supervision.standbys import Standbys
from supervision.start_limiter import Gate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from supervision.children import Child, End

log = structlog.get_logger()

BEAT_EVERY = 2.0
LOOK_EVERY = 2.0
AGAIN = 1.0
BEHIND_WITHIN = 30.0
"""Seconds of a cold start after which connections that are not served yet hold up no service."""
BEGIN = 1.0
"""Seconds after which a Redis that says nothing no longer holds up what needs none."""
STOP_CONNECTION = 12.0
STOP_SERVICE = 3.0
RENEW_SERVICE = 60.0


class RootSupervisor(Shell):
    """Keeps every connection, service and standby as it should be, for ever.

    When it dies, the children go on; the next one adopts them. On a host with a directory of its own
    it ends at once, for it has neither the state nor the keeper's ear there.
    """

    def __init__(self, data: str, name: str = ROOT) -> None:
        super().__init__(data, name)
        self._deciding: list[asyncio.Task[None]] = []
        self._telling: list[asyncio.Task[None]] = []
        self._look_now = asyncio.Event()
        self._changed = asyncio.Event()
        self._adopted = asyncio.Event()
        self._looked = asyncio.Event()
        self._booting = asyncio.ensure_future(self._boot())

    async def status(self) -> list[dict[str, Any]]:
        """Every process of the tree: role, connection, pid, actor, state."""
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
        """Make standbys and services anew, one after the other, of the code that is there now.

        Nobody waits for either. Connections are renewed by who asks for their restart.
        """
        await self._adopted.wait()
        await self._standbys.renew()
        for old in [child for role in ROLES for child in self._children if child.role == role]:
            await self._children.drain(old, RENEWED)
            deadline = time.monotonic() + RENEW_SERVICE
            while not any(one.role == old.role and one is not old for one in self._children):
                if time.monotonic() > deadline:
                    raise NoAnswer(f"{old.role} is not back within {RENEW_SERVICE:.0f} s")
                await asyncio.sleep(0.1)

    async def _boot(self) -> None:
        try:
            await self.start()
        except Exception:
            # Ray is the one that restarts the root, so it has to see it die.
            log.exception("boot broke", action="boot")
            await asyncio.sleep(AGAIN)
            os._exit(1)

    async def _start(self) -> None:
        settings = self._settings = Settings.load(self.data)
        if settings.several_hosts and handover.is_own(self.data):
            raise handover.NotShared
        self._redis = connect(settings)
        self._leases = Leases(self._redis)
        self._newest = Newest(self._redis)
        documents = open_documents(settings)
        self._cluster = Cluster(self.data)
        intensity = Intensity(settings.max_restarts, settings.min_uptime / 1000)
        base, cap = settings.restart_backoff_base / 1000, settings.restart_backoff_cap / 1000
        budgets = Budgets(Lives(intensity, base, cap), documents)
        self._registry = Registry(documents, budgets, copy_of(settings, CONNECTIONS))
        self._recovery = Recovery(documents)
        self._tallying = await asyncio.to_thread(Tallying, self.data, self._lag)
        self._children = Children(
            self._cluster,
            Probes(),
            # Without AUTO_RECOVERY nobody would start again what was drained.
            Memory.of(settings) if settings.auto_recovery else None,
            way := Reach.of(settings),
            offer=partial(handover.offer, self.data) if settings.several_hosts else lambda: None,
            confirm=self._confirm_if_told,
            on_end=self._child_ended,
            on_change=self._changed.set,
            on_told=self._tallying.told,
            on_gone=self._tallying.gone,
        )
        self._standbys = Standbys(self._children, settings.standby_actors)
        self._services = Services(
            self._children,
            Lives(intensity, base, cap),
            self._recovery,
            vault=isinstance(way.bucket, RemoteBucket),
        )
        self._tending = Tending(
            registry=self._registry,
            leases=self._leases,
            children=self._children,
            standbys=self._standbys,
            gate=Gate(Wave(size=max(4, 2 * (os.cpu_count() or 1)))),
            budgets=budgets,
            recovery=self._recovery,
            removal=Removal(
                self._registry,
                self._leases,
                Lanes(self._redis, settings),
                documents,
                settings.sessions,
                state=self._services.state,
                traces=settings.traces,
                vault=None if way.bucket is None else open_vault(settings, way.bucket),
                on_removed=self._tallying.forget,
            ),
            owners=Owners(self._children, Expiry(EXPIRES) if settings.several_hosts else None),
            auto_recovery=settings.auto_recovery,
            limit=settings.max_connections,
            settings_at=partial(written_at, self.data),
            confirm=self._confirm,
        )
        self._deciding = self._begin_loops(self._reconcile, self._listen, self._keep_standbys)
        self._telling = self._begin_loops(
            self._recovery.run,
            budgets.run,
            self._write_roster,
            self._show_life,
            self._tell_restarts,
        )
        # Before: from then on a root that this one replaces begins nothing that is not adopted.
        with suppress(RedisAway, TimeoutError):
            async with asyncio.timeout(BEGIN):
                await self._newest.begin()
        if await self._adopt():
            self._tallying.back()
            self._services.ensure()
        else:
            log.info("cold start", action="start")
            self._services.ensure(but=BEHIND)
            self._deciding.append(asyncio.ensure_future(self._make_those_behind()))
        self._adopted.set()
        # Not before: what a living child told the root before is not to be taken for news.
        self._telling += self._begin_loops(self._keep_tally)

    async def _adopt(self) -> int:
        """Take in every living child, at once; how many there were."""
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
                # It did not say so itself, or has only just been asked to serve.
                child.connection, child.epoch = lease.connection, lease.epoch
                if child.pid is None and lease.owner is not None:
                    child.pid, child.node = lease.owner.pid, lease.owner.node
            if child.role in ROLES:
                self._services.adopted(child)
            elif child.connection is None:
                self._standbys.add(child)
        if children:
            # The tree lived, so an owner without an actor fell while nobody watched.
            for name in owners.keys() - {child.name for child in children}:
                self._tending.orphaned(owners[name])
        log.info(
            "adopted",
            action="adopt",
            children=len(children),
            connections=sum(child.connection is not None for child in children),
        )
        return len(children)

    async def _make_those_behind(self) -> None:
        """Give the connections of a cold start the cores first (G8)."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BEHIND_WITHIN):
                await self._looked.wait()
                await self._tending.settled()
        self._services.ensure()

    def _child_ended(self, child: Child, end: End) -> None:
        if end.reason in LEASE_GONE:
            measures.count("teimoso_epochs_lost")
        if child.role in ROLES:
            self._services.ended(child, end)
        elif not self._standbys.remove(child):
            self._tending.ended(child, end)

    async def _reconcile(self) -> None:
        await self._adopted.wait()
        while True:
            asked = self._look_now.is_set()
            self._look_now.clear()
            await self._confirm_if_told()
            await self._registry.refresh(asked=asked)
            await self._tending.look()
            self._looked.set()
            await self._children.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._look_now.wait()

    async def _confirm(self) -> None:
        """End this process if it has been replaced. Raises `RedisAway`."""
        if not await self._newest.still():
            log.error("replaced", action="end")
            os._exit(1)

    async def _confirm_if_told(self) -> None:
        """The same; without Redis the tree is kept as it is known (G11)."""
        with suppress(RedisAway, TimeoutError):
            async with asyncio.timeout(BEGIN):
                await self._confirm()

    async def _keep_standbys(self) -> None:
        await self._adopted.wait()
        await self._standbys.keep()

    async def _listen(self) -> None:
        redis = connect(self._settings, blocking=True)
        while True:
            try:
                async for _ in pokes(redis):
                    self._look_now.set()
            except RedisAway:
                await asyncio.sleep(AGAIN)

    async def _write_roster(self) -> None:
        """Write who there is whenever it may have changed, for those who ask without Ray."""
        written: list[process_files.Entry] | None = None
        while True:
            await self._changed.wait()
            self._changed.clear()
            there = [process_files.Entry.of("root", os.getpid())]
            there += [
                process_files.Entry.of(_role(child), child.pid, child.serves, child.node)
                for child in self._children
                if child.pid is not None
            ]
            entries = [entry for entry in there if entry is not None]
            if entries != written:
                await self._confirm_if_told()
                await asyncio.to_thread(process_files.write, self.data, entries)
                written = entries
            await asyncio.sleep(0.05)

    async def _show_life(self) -> None:
        """Tell the keeper that the main loop runs: a root that hangs is noticed by nobody else."""
        while True:
            await asyncio.to_thread(process_files.beat, self.data)
            await asyncio.sleep(BEAT_EVERY)

    async def _keep_tally(self) -> None:
        await self._tallying.keep(self._children)

    async def _tell_restarts(self) -> None:
        """Write into the history what the keeper started again; what is there already stays."""
        told: set[restart_log.Restart] = set()
        while True:
            noted = await asyncio.to_thread(restart_log.read, self.data)
            self._tallying.heard(noted)
            for one in noted:
                if one not in told:
                    self._recovery.repeat(one.action)
            told = set(noted)
            await asyncio.sleep(LOOK_EVERY)

    def _begin_loops(self, *loops: Callable[[], Awaitable[None]]) -> list[asyncio.Task[None]]:
        return [asyncio.ensure_future(self._for_ever(loop)) for loop in loops]

    async def _for_ever(self, loop: Callable[[], Awaitable[None]]) -> None:
        """A loop that breaks is said and begun again: the root has no one to fall back on."""
        while True:
            try:
                await loop()
            except Exception:
                log.exception("loop broke", action="root", loop=getattr(loop, "__qualname__", None))
            await asyncio.sleep(AGAIN * random.uniform(0.5, 1))  # noqa: S311 - spread only

    async def _stop(self) -> None:
        """Drain and end every child: connections side by side, then the services."""
        await self.start()
        await end_tasks(self._deciding, 1.0)
        await self._services.stop()
        await self._tending.stop()
        closing = asyncio.ensure_future(self._children.close())
        children = list(self._children)
        connections = [child for child in children if child.role == "connection"]
        await asyncio.gather(*(self._end_one(child, STOP_CONNECTION) for child in connections))
        services = {child.role: child for child in children if child.role in ROLES}
        # The state last: the others have their last word with it.
        for roles in (("health", "queue", "vault"), ("state",)):
            await asyncio.gather(
                *(self._end_one(services[role], STOP_SERVICE) for role in roles if role in services)
            )
        await closing
        log.info("stopped", action="stop", children=len(children))

    async def _end_one(self, child: Child, within: float) -> None:
        try:
            await child.handle.call("stop", within=within)
        except (ActorDead, NoAnswer, Refused) as error:
            log.warning("not stopped", action="stop", actor=child.name, error=repr(error))
        await self._children.dismiss(child)

    @staticmethod
    def _entry(
        role: str, pid: int | None, actor: str, connection: str | None, state: str
    ) -> dict[str, Any]:
        return {
            "role": role,
            "connection": connection,
            "pid": pid,
            "actor": actor,
            "state": state,
        }


def _role(child: Child) -> str:
    if child.role == "connection" and child.serves is None:
        return "standby"
    return child.role
