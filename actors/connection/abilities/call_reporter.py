"""Reports calls from the WhatsApp engine to the StateManager actor, in order, which stores them as events.

`call_refusals` refuses them where that is set.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from actors.connection.owner.reporter import FIRST_RETRY_SECONDS, LONGEST_REPORT_PAUSE
from actors.connection.refused_items.bisection import unless_refused
from actors.connection.state_manager.port import StateAway
from actors.runtime.backoff import persist

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from actors.connection.abilities.call_refusals import CallRefusals
    from actors.connection.abilities.port import Call
    from actors.connection.engine import Engine
    from actors.connection.state_manager.port import State
    from actors.redis.leases.leases import Lease

MAX_WAITING_CALLS: Final = 100
"""Calls that wait for the StateManager at most; the oldest are dropped."""


class CallReporter:
    """The calls of one epoch, each reported in order once the StateManager can be reached.

    Calls that wait die with the process: WhatsApp reports one that still rings again, and one that is over
    is no use. Under a newer epoch `on_lost` is called (G6).
    """

    def __init__(
        self,
        state: State,
        lease: Lease,
        refusals: CallRefusals,
        *,
        on_lost: Callable[[str], None],
    ) -> None:
        self._state, self._refusals = state, refusals
        self._connection, self._epoch = lease.connection, lease.epoch
        self._on_lost = on_lost
        self._waiting: deque[Call] = deque(maxlen=MAX_WAITING_CALLS)
        self._for_calls = asyncio.Event()

    async def received(self, call: Call) -> None:
        """A call rings, or is over; returns at once."""
        self._waiting.append(call)
        self._for_calls.set()
        self._refusals.received(call)

    def loops(self, engine: Engine) -> list[Coroutine[object, object, None]]:
        """The loops for the life of the epoch: telling of calls, and refusing them."""
        return [self._report(), self._refusals.run(engine), self._refusals.send_late()]

    async def _report(self) -> None:
        """Write calls to the StateManager."""
        while True:
            await self._for_calls.wait()
            if not await persist(
                self._write, StateAway, first=FIRST_RETRY_SECONDS, longest=LONGEST_REPORT_PAUSE
            ):
                self._on_lost("lost")

    async def _write(self) -> bool:
        self._for_calls.clear()
        reported = list(self._waiting)
        items = [asdict(call) for call in reported]
        if reported:
            noting = self._state.note_calls(self._connection, self._epoch, items)
            connection = self._connection
            kept = await unless_refused(noting, connection=connection, action="report_calls")
            if kept is False:
                return False
        for call in reported:
            if call in self._waiting:
                self._waiting.remove(call)
        return True
