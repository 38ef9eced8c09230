"""Stops the previous owner of a connection, or waits until its lease expires (G6)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from actors.runtime import processes
from supervision.cluster import ActorDead, NoAnswer, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.redis.leases import Lease
    from supervision.children import Children
    from supervision.policy import Expiry

log = structlog.get_logger()

END = 2.0
"""Seconds that a process has to be gone after its SIGKILL."""

ASK = 4.0


class Owners:
    """Never two owners of one connection, as far as that can be had from outside.

    The old one's process is killed if it lives: here by its pid, on another host by an actor that
    runs there. Where nobody can (its host is dead, frozen or cut off), its lease has to run out.
    Whatever slips through is fenced by its epoch, and by WhatsApp, which has one socket an account.
    """

    def __init__(self, children: Children, expiry: Expiry | None) -> None:
        """`expiry` None: on one host all that lives can be reached."""
        self._children = children
        self._expiry = expiry
        self._gone: dict[str, int] = {}

    @property
    def elsewhere(self) -> bool:
        """Whether there may be owners on other hosts."""
        return self._expiry is not None

    def saw(self, leases: Iterable[Lease]) -> None:
        """Note how the leases stand now."""
        if self._expiry is not None:
            now = time.monotonic()
            for lease in leases:
                self._expiry.saw(lease.connection, (lease.epoch, lease.beat), now)

    def ended(self, connection: str, epoch: int) -> None:
        """The owner said itself that it is at its end: it has let go of its socket."""
        self._gone[connection] = max(epoch, self._gone.get(connection, 0))

    async def end(self, lease: Lease) -> float:
        """End the owner that the lease names; how many seconds it may still serve, 0 when gone."""
        owner = lease.owner
        if owner is None or lease.epoch <= self._gone.get(lease.connection, 0):
            return 0.0
        if processes.reachable(lease):
            if owner.pid in self._children.pids:
                return 0.0  # another child's by now
            gone = await asyncio.to_thread(processes.end, owner.pid, lease.since, END)
            return 0.0 if gone else END
        if self._expiry is None or await self._ended_there(lease):
            return 0.0
        now = time.monotonic()
        self._expiry.saw(lease.connection, (lease.epoch, lease.beat), now)
        left = self._expiry.left(lease.connection, now)
        if left > 0:
            log.warning("out of reach", action="wait", connection=lease.connection, seconds=left)
        return left

    async def _ended_there(self, lease: Lease) -> bool:
        owner = lease.owner
        assert owner is not None
        for child in self._children.on(owner.node):
            if child.pid == owner.pid:
                continue
            try:
                gone = await child.handle.aside(
                    "end_neighbour", owner.pid, lease.since, END, within=ASK
                )
            except (ActorDead, NoAnswer, Refused):
                continue
            return bool(gone)
        return False
