"""Kills the previous process that served a connection; where out of reach, returns the wait until its lease expires."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from actors.runtime import processes
from supervision.cluster import ActorDead, CallRefused, CallTimeout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.redis.leases.leases import Lease
    from supervision.children import Children
    from supervision.restarts.policy import LeaseExpiry
    from supervision.standbys import Standbys

log = structlog.get_logger()

KILL_SECONDS = 2.0
"""Seconds to wait for the end of a process after its SIGKILL."""

ASK = 4.0


class PreviousOwners:
    """Ensures that a connection has no two owners, before a new one starts.

    The process of the previous owner is killed: on this host by its pid, on another by an actor there, which
    is created where there is none: a standby. Where that is impossible (a dead, frozen or unreachable host), its lease has to expire. An owner
    that survives is fenced by its epoch, and by WhatsApp, which allows one socket for each device.
    """

    def __init__(self, children: Children, standbys: Standbys, expiry: LeaseExpiry | None) -> None:
        """`expiry`: None on a single host, where each process can be reached."""
        self._children = children
        self._standbys = standbys
        self._expiry = expiry
        self._gone: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self._sending: dict[str, asyncio.Task[None]] = {}

    def saw(self, leases: Iterable[Lease]) -> None:
        """Notes the renewals of the leases."""
        if self._expiry is not None:
            now = time.monotonic()
            for lease in leases:
                self._expiry.saw(lease.connection, (lease.epoch, lease.beat), now)

    def ended(self, connection: str, epoch: int) -> None:
        """Notes that an owner ended by itself, and closed its socket before."""
        self._gone[connection] = max(epoch, self._gone.get(connection, 0))

    async def end(self, lease: Lease) -> float:
        """Ends the owner in the lease; returns the seconds for which it may still serve, 0 when it is gone."""
        owner = lease.owner
        if owner is None or lease.epoch <= self._gone.get(lease.connection, 0):
            return 0.0
        if processes.reachable(lease):
            if owner.pid in self._children.pids:
                return 0.0  # the pid of another child by now
            gone = await asyncio.to_thread(processes.end, owner.pid, owner.started, KILL_SECONDS)
            return 0.0 if gone else KILL_SECONDS
        if self._expiry is None or await self._ended_there(lease):
            return 0.0
        if not any(child.node == owner.node for child in self._children):
            self._send(lease, owner.node)
        now = time.monotonic()
        self._expiry.saw(lease.connection, (lease.epoch, lease.beat), now)
        left = self._expiry.left(lease.connection, now)
        if left > 0:
            log.warning(
                "previous owner out of reach",
                action="wait",
                connection=lease.connection,
                seconds=left,
            )
        return left

    async def _ended_there(self, lease: Lease) -> bool:
        owner = lease.owner
        assert owner is not None
        for child in self._children.on(owner.node):
            if child.pid == owner.pid:
                continue
            try:
                gone = await child.handle.aside(
                    "end_neighbour", owner.pid, owner.started, KILL_SECONDS, within=ASK
                )
            except (ActorDead, CallTimeout, CallRefused):
                continue
            return bool(gone)
        return False

    def _send(self, lease: Lease, host: str) -> None:
        """Has a standby created on a host where none of the actors is left: once for each owner, one at a time there."""
        if host not in self._sending and self._sent.get(lease.connection) != lease.epoch:
            self._sent[lease.connection] = lease.epoch
            self._sending[host] = asyncio.ensure_future(self._create_on(host))

    async def _create_on(self, host: str) -> None:
        try:
            self._standbys.add(await self._children.create("connection", host))
        except (ActorDead, CallTimeout, CallRefused) as error:
            log.warning("no standby on the host", action="standby", host=host, error=repr(error))
        finally:
            del self._sending[host]
