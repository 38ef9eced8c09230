"""Renews a connection's lease in Redis; ends serving once it is lost, and suspends serving while it has expired."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

import structlog

from actors.redis.client import RedisAway
from actors.redis.leases.leases import LeaseMissing
from actors.runtime.actor_base import end_tasks
from actors.runtime.backoff import persist

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.redis.leases.leases import Lease, Leases

T = TypeVar("T")

log = structlog.get_logger()

RETRY_PAUSE = 1.0
"""Seconds between tries while Redis is away."""


class LeaseKeeper:
    """One epoch's hold (G6): `held` while nobody else may serve, `lapsed` once somebody may.

    With several hosts Redis may be out of this owner's reach alone, and then a successor comes
    once `expires` seconds have passed. They are counted from when the last renewal that was kept
    began: the expiry in Redis is later, so the owner always lets go first. A renewal that is kept
    after that, with nobody having come, gives the hold back. On one host (`expires` None) there is
    no successor that could not have ended the owner, and a Redis that is away takes no hold.
    """

    def __init__(
        self,
        leases: Leases,
        lease: Lease,
        *,
        every: float,
        expires: float | None,
        taken_at: float,
        on_kept: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """`taken_at`: when the taking began, on the monotonic clock."""
        self._leases = leases
        self._connection, self._epoch = lease.connection, lease.epoch
        self._every = every if expires is None else min(every, expires / 3)
        self._expires = expires
        self._began = self._renewed_at = taken_at
        self._on_kept, self._on_lost = on_kept, on_lost
        self.held, self.lapsed = asyncio.Event(), asyncio.Event()
        self.held.set()

    async def while_held(self, serve: Callable[[], Awaitable[T]], grace: float) -> T | None:
        """The result of `serve`; None when it was cut off because somebody else may serve by now.

        It begins once the lease is held, and has `grace` seconds to end.
        """
        await self.held.wait()
        serving = asyncio.ensure_future(serve())
        lapse = asyncio.ensure_future(self.lapsed.wait())
        try:
            await asyncio.wait([serving, lapse], return_when=asyncio.FIRST_COMPLETED)
            return serving.result() if serving.done() else None
        finally:
            await end_tasks([serving, lapse], grace)

    async def beat(self) -> None:
        """Renew the lease again and again; a Redis that is away is asked again each second."""
        pause = self._every
        while True:
            await asyncio.sleep(pause)
            try:
                kept = await persist(self._renew, RedisAway, first=RETRY_PAUSE, longest=RETRY_PAUSE)
            except LeaseMissing:
                self._on_lost("lease_missing")
                return
            if not kept:
                self._on_lost("lost")
                return
            self._renewed_at = self._began
            # An answer that came after its own time gives nothing back: ask again at once.
            pause = self._every if self._left() > 0 else 0.0
            if self.lapsed.is_set() and self._left() > 0:
                log.info("lease held again", action="hold", connection=self._connection)
                self.lapsed.clear()
                self.held.set()
            self._on_kept()

    async def expire(self) -> None:
        """Lapse whenever the time is over; for the life of the epoch."""
        if self._expires is None:
            return
        while True:
            if (left := self._left()) > 0:
                await asyncio.sleep(left)
                continue
            log.warning("lease ran out", action="lapse", connection=self._connection)
            self.held.clear()
            self.lapsed.set()
            await self.held.wait()

    @property
    def left(self) -> float | None:
        """Seconds until somebody else may serve; None where nobody comes while this process lives."""
        return None if self._expires is None else self._left()

    def _left(self) -> float:
        if self._expires is None:
            return self._every
        return self._renewed_at + self._expires - time.monotonic()

    async def _renew(self) -> bool:
        self._began = time.monotonic()
        return await self._leases.renew(self._connection, self._epoch)
