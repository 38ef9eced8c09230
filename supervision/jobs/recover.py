"""Implements `teimoso jobs run recover-connection`: has the root actor restart connections that are not open, and waits."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from actors.redis.change_notifications import poke
from actors.redis.leases.leases import Leases
from actors.runtime import processes
from actors.runtime.connection_ids import name_of
from actors.runtime.owner_liveness import Liveness
from actors.state.connections import Connections
from supervision.jobs.job import JobFailed, only

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from supervision.jobs.job import Job

RECOVERY_POLL_SECONDS = 0.5
WELL = frozenset({"open", "pairing"})
"""States without anything to recover: `pairing` waits for a person."""


def options(parser: ArgumentParser) -> None:
    """Add the connection, and the seconds until it has to be open."""
    parser.add_argument(
        "connection", nargs="?", help="the connection; by default all that should run"
    )
    parser.add_argument(
        "--within", type=float, default=60.0, help="seconds to wait until they are open"
    )


async def run(job: Job, given: Namespace) -> dict[str, Any]:
    """Recovers connections that are not open. One that is not open in time fails the job."""
    registry, redis = Connections(job.documents()), job.redis()
    leases = Leases(redis)
    there = [one.id for one in (await registry.list()).items if one.desired == "running"]
    chosen = only(given.connection, there)
    requested = [one for one in chosen if await _state(leases, one) not in WELL]
    if job.dry_run:
        return {"connections": len(chosen), "asked": _names(requested)}
    for connection in requested:
        await registry.request_recovery(connection)
        job.report(connection=name_of(connection), asked=True)
    await poke(redis)
    left, deadline = list(requested), time.monotonic() + given.within
    while left and time.monotonic() < deadline:
        await asyncio.sleep(RECOVERY_POLL_SECONDS)
        back = [one for one in left if await _state(leases, one) in WELL]
        left = [one for one in left if one not in back]
        for connection in back:
            done = len(requested) - len(left)
            job.report(connection=name_of(connection), done=done, of=len(requested))
    if left:
        late = ", ".join(_names(left))
        raise JobFailed("not_recovered", f"Not back within {given.within:g} s: {late}.")
    return {"connections": len(chosen), "asked": _names(requested)}


def _names(connections: Sequence[str]) -> list[str]:
    return [name_of(each) for each in connections]


async def _state(leases: Leases, connection: str) -> str | None:
    """Returns the state of the lease; None without an owner, or with a dead one on this host."""
    lease = await leases.read(connection)
    if lease is None or lease.owner is None:
        return None
    elsewhere = not processes.is_here(lease.owner.node)
    return lease.state if elsewhere or Liveness().of(connection, lease) else None
