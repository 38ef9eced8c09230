"""Decides whether a connection's owner is alive: on this host by its pid, on others by renewals of its lease in Redis."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from actors.runtime import processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.redis.leases.leases import Lease, Owner


class Liveness:
    """An owner counts as alive only while that is known; while Redis is away, the one known last.

    A process of this host is looked at: it is the very one that took the lease. One of another host
    has to be seen to beat; `beats` are the seconds that a beat holds, None where there is no
    other host: an owner of another one is gone then.
    """

    def __init__(
        self, beats: float | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._beats = beats
        self._clock = clock
        self._owners: dict[str, tuple[Owner, float, float | None]] = {}

    def of(self, connection: str, lease: Lease | None) -> bool:
        """Whether a living process serves the connection; `lease` is None where Redis is away."""
        if lease is not None:
            self._note(lease)
        seen = self._owners.get(connection)
        if seen is None:
            return False
        owner, _, beat_at = seen
        if processes.is_here(owner.node):
            started = processes.start_of(owner.pid)
            return started is not None and owner.started in ("", started)
        if self._beats is None or beat_at is None:
            return False
        return self._clock() - beat_at < self._beats

    def _note(self, lease: Lease) -> None:
        owner = lease.owner
        if owner is None:
            self._owners.pop(lease.connection, None)
            return
        before = self._owners.get(lease.connection)
        if before is None or before[0] != owner:
            self._owners[lease.connection] = (owner, lease.beat, None)
        elif before[1] != lease.beat:
            self._owners[lease.connection] = (owner, lease.beat, self._clock())
