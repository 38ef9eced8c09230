"""Starts, stops and restarts each connection's Ray actor, in the root actor, by the steps that `reconcile.py` decides.

Each connection with a difference has a task of its own, so that a stuck one delays no other (G9).
The desired state is in the state store, the owner in the lease record; memory has only the last falls.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from actors.connection.backup.bucket.port import BucketAway
from actors.metrics.counters import measures
from actors.redis.client import RedisAway
from actors.runtime.actor_base import end_tasks
from actors.state.documents import StoreAway
from supervision.cluster import ActorDead, CallRefused, CallTimeout
from supervision.reconcile import (
    CRASHED,
    FOR_GOOD,
    HUNG,
    NO_EPOCH,
    NO_STEP,
    Configure,
    Fall,
    Forget,
    Kill,
    Logout,
    MarkApplied,
    Settle,
    StartActor,
    Step,
    StopActor,
    decide,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.redis.leases.leases import Lease, Leases
    from actors.state.connections import Connection
    from supervision.child import Child, End
    from supervision.children import Children
    from supervision.previous_owner import PreviousOwners
    from supervision.registry import Registry
    from supervision.removal import Removal
    from supervision.reports.recovery_log import RecoveryLog
    from supervision.restarts.restart_budgets import RestartBudgets
    from supervision.restarts.start_limiter import StartLimiter
    from supervision.standbys import Standbys

log = structlog.get_logger()

SERVE_WITHIN, STOP_WITHIN, NEXT_TRY = 300.0, 20.0, 1.0
"""Seconds for a child to start serving, for one to stop, and until the next try.

A session of millions of rows is restored in a minute on a slow machine; probes find a child that hangs meanwhile.
"""


class ConnectionReconciler:
    """Brings each connection from its observed to its desired state.

    Without Redis there are no epochs: starts wait, and running connections go on (G11).
    """

    def __init__(
        self,
        *,
        registry: Registry,
        leases: Leases,
        children: Children,
        standbys: Standbys,
        start_limiter: StartLimiter,
        budgets: RestartBudgets,
        recovery: RecoveryLog,
        removal: Removal,
        owners: PreviousOwners,
        auto_recovery: bool,
        limit: int,
        settings_at: Callable[[], float],
        confirm: Callable[[], Awaitable[None]],
        mistaken: Callable[[str], Awaitable[object]],
    ) -> None:
        """`settings_at`: the last write of the settings; `confirm` ends a replaced root; `mistaken` notes an exception."""
        self._registry, self._leases, self._budgets = registry, leases, budgets
        self._children, self._standbys, self._start_limiter = children, standbys, start_limiter
        self._recovery, self._removal, self._owners = recovery, removal, owners
        self._auto_recovery, self._limit = auto_recovery, limit
        self._settings_at, self._confirm, self._mistaken = settings_at, confirm, mistaken
        self._falls: dict[str, str] = {}
        self._gave_up: dict[str, tuple[int, str]] = {}
        self._fell_at: dict[str, float] = {}
        self._before: dict[str, str | None] = {}
        self._ready_at: dict[str, float] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: dict[str, asyncio.Event] = {}
        self._unmarked: dict[str, tuple[int, str]] = {}
        self._stopped = False

    async def reconcile_all(self) -> None:
        """Starts a task for each connection whose observed state differs from the desired one."""
        wanted = self._registry.wanted
        try:
            leases = await self._leases.read_all(list(wanted))
        except RedisAway:
            return
        self._owners.saw(leases.values())
        for connection in wanted:
            due = self._decide(connection, leases.get(connection)) != NO_STEP
            if due or connection in self._unmarked:
                self.reconcile(connection)

    def reconcile(self, connection: str) -> None:
        """Starts a task that ends once nothing is left to do for the connection."""
        if self._stopped:
            return
        task = self._tasks.get(connection)
        if task is not None and not task.done():
            self._again[connection].set()
            return
        self._again[connection] = asyncio.Event()
        self._tasks[connection] = asyncio.ensure_future(self._reconcile(connection))

    def ended(self, child: Child, end: End) -> None:
        """Handles the end of a connection's actor."""
        if (connection := child.connection) is None:
            return
        if not end.died:
            self._owners.ended(connection, child.epoch or 0)
        if end.reason == "failed":
            # The lease says so as well, unless Redis was away.
            self._gave_up[connection] = (child.epoch or 0, end.cause or end.reason)
        elif end.reason not in {"stopped", "logged_out"}:
            self._fall(connection, end.reason, child.lived, child.epoch)
            self._before.setdefault(connection, child.state)
        self.reconcile(connection)

    def orphaned(self, lease: Lease) -> None:
        """Handles the death of an owner between two roots."""
        if lease.cause in {CRASHED, HUNG}:  # counted by the previous root
            self._falls[lease.connection] = lease.cause
        else:
            lived = max(0.0, time.time() - lease.since)  # at most: its state changed then
            self._fall(lease.connection, CRASHED, lived, lease.epoch)
            self._before.setdefault(lease.connection, lease.state)

    async def settled(self) -> None:
        """Waits until nothing is left to do for any connection."""
        while begun := [task for task in self._tasks.values() if not task.done()]:
            await asyncio.wait(begun)

    async def stop(self) -> None:
        """Ends all tasks and starts no more."""
        self._stopped = True
        await end_tasks(self._tasks.values(), 3.0)

    def _decide(self, connection: str, lease: Lease | None) -> Step:
        wanted = self._registry.wanted.get(connection)
        if wanted is None:
            return NO_STEP
        serving = self._children.serving(connection)
        return decide(
            wanted,
            self._registry.applied(connection),
            lease,
            None if serving is None else serving.epoch or 0,
            self._fallen(connection, lease),
            auto_recovery=self._auto_recovery,
            now=time.time(),
            settings_at=self._settings_at(),
            configured=serving is None or serving.options == wanted.options,
        )

    def _fallen(self, connection: str, lease: Lease | None) -> Fall | None:
        epoch, verdict = self._gave_up.get(connection, (0, ""))
        if lease is not None and lease.epoch == epoch:
            return Fall(verdict, final=True)
        cause = self._falls.get(connection)
        return None if cause is None else Fall(cause, self._budgets.exhausted(connection))

    async def _reconcile(self, connection: str) -> None:
        while not self._stopped:
            self._again[connection].clear()
            try:
                await self._confirm()
                await self._mark(connection)
                lease = await self._leases.read(connection)
                step = self._decide(connection, lease)
                if step != NO_STEP:
                    await self._take(connection, step, lease)
                elif not self._again[connection].is_set():
                    return
            except (RedisAway, StoreAway, BucketAway):
                await asyncio.sleep(NEXT_TRY)
            except (ActorDead, CallTimeout, CallRefused) as error:
                log.warning("failed", action="reconcile", connection=connection, error=repr(error))
                await asyncio.sleep(NEXT_TRY)
            except Exception:  # a bug in one step; no other task has this connection
                log.exception("step failed", action="reconcile", connection=connection)
                await self._mistaken("reconcile")
                await asyncio.sleep(NEXT_TRY)

    async def _take(self, connection: str, step: Step, lease: Lease | None) -> None:
        child = self._children.serving(connection)
        if (wanted := self._registry.wanted[connection]).deleted:
            await self._removal.begin(connection)  # Redis may have been away when it was deleted
        match step:
            case StartActor():
                await self._start(wanted, step, lease)
            case StopActor() if child is not None:
                self._forgive(connection)
                await self._end(child, "stop")
            case Logout() if child is not None:
                await self._end(child, "logout")
            case Kill() if child is not None:
                measures.count("teimoso_epochs_lost")
                await self._children.dismiss(child)
            case Configure() if child is not None:
                await self._children.configure(child, wanted.options)
            case MarkApplied():
                await self._registry.apply(wanted)
            case Settle():
                await self._settle(connection, step, lease)
            case Forget():
                await self._forget(connection, lease)

    async def _start(self, wanted: Connection, step: StartActor, lease: Lease | None) -> None:
        connection = wanted.id
        if step.forgive:
            self._forgive(connection)
        elif step.trial:
            self._budgets.try_once(connection)
        if (wait := self._ready_at.get(connection, 0.0) - time.monotonic()) > 0:
            await self._pause(connection, wait)  # or until the desired state changes
            return
        if sum(child.connection is not None for child in self._children) >= self._limit:
            log.warning("too many connections", action="start", connection=connection)
            await self._pause(connection, 30.0)
            return
        if await self._may_serve(connection, lease):
            return
        async with self._start_limiter.slot(connection):
            await self._serve(wanted, step, lease)

    async def _may_serve(self, connection: str, lease: Lease | None) -> bool:
        """Returns whether the previous owner may still serve; if so, waits for the end of its lease, or less."""
        if lease is None or (left := await self._owners.end(lease)) <= 0:
            return False
        if connection not in self._falls and lease.cause not in {CRASHED, HUNG}:
            # No watch reported its fall, such as for a root that found no actor alive.
            self._unmarked[connection] = (lease.epoch, CRASHED)
            await self._mark(connection)
        await self._pause(connection, left)
        return True

    async def _serve(self, wanted: Connection, step: StartActor, lease: Lease | None) -> None:
        connection = wanted.id
        began = time.monotonic()
        child = None
        try:
            child = await self._standbys.take()
            self._children.assign(child, connection)
            await self._children.configure(child, wanted.options)
            call = (connection, wanted.engine, step.forget)
            epoch = await child.handle.call("serve", *call, within=SERVE_WITHIN)
            self._children.assign(child, connection, epoch)
        except ActorDead:
            # Without a child Ray created none, which is no fall of the connection; else its watch reports the death.
            await (asyncio.sleep(NEXT_TRY) if child is None else self._pause(connection, NEXT_TRY))
            return
        except CallTimeout:
            self._fall(connection, HUNG, 0.0)
            if child is not None:
                child.hung = True
                await self._children.dismiss(child)
            return
        except CallRefused as error:
            await self._refused(connection, child, error)
            return
        finally:
            self._standbys.done()
        # Without an await before: later falls belong to the new actor.
        fall = self._falls.pop(connection, None)
        fell_at, before = self._fell_at.pop(connection, began), self._was(connection, lease)
        await self._registry.apply(wanted)
        log.info(
            "actor serves a connection",
            action="serve",
            connection=connection,
            actor=child.name,
            pid=child.pid,
            epoch=child.epoch,
            reason=step.reason,
        )
        at_last = step.forgive or step.trial
        if fall is not None or at_last:
            self._recovery.record(
                role="connection",
                connection=connection,
                cause=fall or step.reason,
                action="recovered" if at_last else "restarted",
                before=before,
                after="connecting",
                epoch_before=None if lease is None else lease.epoch,
                epoch_after=child.epoch,
                seconds=time.monotonic() - fell_at,
            )

    async def _refused(self, connection: str, child: Child | None, error: CallRefused) -> None:
        """Handles a refused `serve`; one for lack of Redis is no fall of the connection."""
        log.error("serving refused", action="serve", connection=connection, error=error.code)
        if child is not None and error.kind in NO_EPOCH:
            self._children.assign(child, None)
            self._standbys.add(child)
        elif child is not None:
            await self._children.dismiss(child)
        if child is None or error.kind in NO_EPOCH | {"Busy"}:
            await asyncio.sleep(NEXT_TRY)
            return
        lease = await self._leases.read(connection)
        if error.kind in FOR_GOOD:
            await self._settle(connection, Settle("failed", error.code), lease)
        else:
            self._fall(connection, error.code, 0.0, None if lease is None else lease.epoch)

    async def _end(self, child: Child, how: str) -> None:
        try:
            await child.handle.call(how, within=STOP_WITHIN)
        except (CallTimeout, CallRefused) as error:
            log.warning("actor not ended", action=how, actor=child.name, error=repr(error))
        except ActorDead:
            pass
        await self._children.dismiss(child)

    async def _settle(self, connection: str, step: Settle, lease: Lease | None) -> None:
        cause = step.cause
        if lease is not None:
            await self._leases.release(connection, lease.epoch, state=step.state, cause=cause)
            # Releasing has no effect on a lease that was released before; its state would stay old.
            await self._leases.mark(connection, lease.epoch, state=step.state, cause=cause)
        if step.state == "failed":
            self._recovery.record(
                role="connection",
                connection=connection,
                cause=cause or "failed",
                action="gave_up",
                seconds=time.monotonic() - self._fell_at.get(connection, time.monotonic()),
                before=self._was(connection, lease),
                after="failed",
                epoch_before=None if lease is None else lease.epoch,
            )
        self._falls.pop(connection, None)
        self._fell_at.pop(connection, None)
        await self._registry.apply(self._registry.wanted[connection])
        await self._registry.observe(connection, step.state, cause, lease)

    async def _forget(self, connection: str, lease: Lease | None) -> None:
        """Removes the remains of a deleted connection; its name is free only at the very end."""
        if not await self._registry.is_deleted(connection):
            return  # the copy in memory was old, and the id may belong to another connection by now
        if await self._may_serve(connection, lease):
            return
        await self._removal.remove(connection)
        self._forgive(connection)

    def _fall(self, connection: str, cause: str, lived: float, epoch: int | None = None) -> None:
        """Counts a fall of the owner, and notes it for the lease where `epoch` is known."""
        now = time.monotonic()
        self._budgets.fell(connection, lived)
        self._falls[connection] = cause
        self._fell_at.setdefault(connection, now)
        self._ready_at[connection] = now + self._budgets.delay(connection)
        if epoch is not None:
            self._unmarked[connection] = (epoch, cause)

    def _was(self, connection: str, lease: Lease | None) -> str | None:
        # The lease has the state after the fall already.
        return self._before.pop(connection, None) or (None if lease is None else lease.state)

    def _forgive(self, connection: str) -> None:
        self._budgets.forgive(connection)
        for of in (self._falls, self._gave_up, self._before, self._ready_at):
            of.pop(connection, None)

    async def _mark(self, connection: str) -> None:
        """Writes a fall into the lease before the next step, whose verdict it could otherwise overwrite."""
        while (fallen := self._unmarked.get(connection)) is not None:
            epoch, cause = fallen
            await self._leases.mark(connection, epoch, state="reconnecting", cause=cause)
            if self._unmarked.get(connection) == fallen:
                del self._unmarked[connection]

    async def _pause(self, connection: str, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._again[connection].wait()
