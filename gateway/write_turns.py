"""Spreads the writes of each tenant over rounds of the event loop while several tenants write."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

WRITES_PER_ROUND: Final = 2
"""Writes that a tenant begins in a round of the event loop."""

SHARED_SECONDS: Final = 10.0
"""Seconds for which a process counts as shared once two tenants have written one after the other."""


class WriteTurns:
    """While several tenants write, none of them begins more than `WRITES_PER_ROUND` writes in a round of the event loop.

    Each round reads the requests of others, so that theirs come between. The writes of a tenant begin in their order.
    A tenant that writes alone waits for nothing: turns make the groups that are committed together smaller. The bound
    is on writes that begin, not on writes that run, as one of `KeyedSemaphores` would be: a write waits for the commit
    of its group, and more of them make the group larger and no commit slower.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: str | None = None
        self._alone_at = 0.0
        self._begun = Counter[str]()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    def turn(self, tenant: str) -> asyncio.Future[None] | None:
        """Return the turn that a write of the tenant has to wait for, or None if it may begin at once."""
        now = self._clock()
        if tenant != self._last:
            if self._last is not None:
                self._alone_at = now + SHARED_SECONDS
            self._last = tenant
        if now >= self._alone_at and not self._waiting:
            return None
        loop = asyncio.get_running_loop()
        if not self._begun:
            loop.call_soon(self._begin_round)
        if self._begun[tenant] < WRITES_PER_ROUND and tenant not in self._waiting:
            self._begun[tenant] += 1
            return None
        turn = loop.create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        return turn

    def _begin_round(self) -> None:
        self._begun.clear()
        for tenant, waiting in tuple(self._waiting.items()):
            while waiting and self._begun[tenant] < WRITES_PER_ROUND:
                turn = waiting.popleft()
                if not turn.done():  # its request was not cancelled
                    turn.set_result(None)
                    self._begun[tenant] += 1
            if not waiting:
                del self._waiting[tenant]
        if self._begun:
            asyncio.get_running_loop().call_soon(self._begin_round)
