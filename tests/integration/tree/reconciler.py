"""The root's reconciler over a real Valkey and a real store, where no actor has to be made."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from actors.connection.backup.bucket.access import BucketAccess
from actors.connection.state_manager.remote import RemoteState
from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from actors.redis.leases.leases import Leases
from actors.runtime.connection_ids import name_of
from actors.state import own_mistakes
from actors.state.caches.local_copies import LocalCopy
from actors.state.connections import Connections
from actors.state.open_store import open_documents
from supervision.children import Children
from supervision.cluster import Cluster
from supervision.connection_reconciler import ConnectionReconciler
from supervision.previous_owner import PreviousOwners
from supervision.registry import Registry
from supervision.removal import Removal
from supervision.reports.recovery_log import RecoveryLog
from supervision.restarts.policy import Intensity, ProbePolicy, RestartRecords, Wave
from supervision.restarts.restart_budgets import RestartBudgets
from supervision.restarts.start_limiter import StartLimiter
from supervision.standbys import Standbys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from supervision.restarts.policy import LeaseExpiry
    from tests.processes.valkey import Valkey


@asynccontextmanager
async def open_reconciler(
    server: Valkey,
    *,
    through: type[Leases] = Leases,
    intensity: Intensity | None = None,
    expiry: LeaseExpiry | None = None,
    limit: int = 10,
    connection: str = "shop",
    confirm: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[tuple[ConnectionReconciler, Leases]]:
    """A `connection` that should run; the reconciler, and the `through` by which it sees the leases."""
    settings = server.settings()
    redis, documents = connect(settings), open_documents(settings)
    leases = through(redis)
    confirm = confirm or partial(asyncio.sleep, 0)
    budgets = RestartBudgets(RestartRecords(intensity or Intensity(10, 10.0), 0.1, 1.0), documents)
    registry = Registry(documents, budgets, LocalCopy(None))
    children = Children(
        Cluster(settings.data),
        ProbePolicy(),
        None,
        BucketAccess(None),
        confirm=confirm,
        on_end=lambda _child, _end: None,
        on_report=lambda _child, _report: None,
        on_removed=lambda _child: None,
        on_change=lambda: None,
    )
    standbys = Standbys(children, 0)
    reconciler = ConnectionReconciler(
        registry=registry,
        leases=leases,
        children=children,
        standbys=standbys,
        start_limiter=StartLimiter(Wave()),
        budgets=budgets,
        recovery=RecoveryLog(documents),
        removal=Removal(
            registry,
            leases,
            OutboundQueue(redis, settings),
            documents,
            settings.sessions,
            state=RemoteState(),
            traces=settings.traces,
            vault=None,
        ),
        owners=PreviousOwners(children, standbys, expiry),
        auto_recovery=True,
        limit=limit,
        settings_at=lambda: 0.0,
        confirm=confirm,
        mistaken=partial(own_mistakes.note_once, documents),
    )
    try:
        await Connections(documents).create(name_of(connection), id=connection)
        await registry.refresh()
        await registry.apply(registry.wanted[connection])
        yield reconciler, leases
    finally:
        await reconciler.stop()
        await redis.aclose()
        await documents.close()
