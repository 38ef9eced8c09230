"""Writes connections' reported states to SQLite or Firestore, in the StateManager: changes at once, heartbeats batched.

The bill of a store that is paid by the write does not grow with chatter: a report that differs
from the last stored one in nothing but its beat waits for the interval's one batch.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from actors.state.connections import updating, with_observed
from actors.state.documents import WRITES_WITH_EVENTS, StoreAway, commit_each
from actors.state.events.derivation import of_connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from actors.state.connection_document import Observed
    from actors.state.documents import Write

log = structlog.get_logger()


class ObservedStates:
    """The newest (epoch, since) of a connection wins in the store, over all reporters.

    `report` returns when a change is stored (it raises `StoreAway` otherwise, and the reporter
    reports the newest state then); a beat it only notes. A beat that is lost with this
    process is followed by the next.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Write]], Awaitable[None]],
        *,
        interval: float,
        mistaken: Callable[[str], Awaitable[None]],
    ) -> None:
        """`write` returns when the store has the writes; `interval` in seconds.

        `mistaken` is called with the action of the log for a beat that the store refuses for good.
        """
        self._mistaken = mistaken
        self._write = write
        self._interval = interval
        self._stored: dict[str, Observed] = {}
        self._beats: dict[str, Observed] = {}

    async def report(self, connection: str, observed: Observed) -> None:
        """Raises `StoreAway` when a change could not be stored."""
        last = self._stored.get(connection)
        if last is not None and replace(last, beat=observed.beat) == observed:
            if observed.beat > last.beat:
                self._beats[connection] = observed
            return
        await self._write([observation(connection, observed)])
        # Two reports at once are stored in the order of their calls; the later one returns later.
        self._stored[connection] = observed
        self._beats.pop(connection, None)

    async def flush(self) -> None:
        """Store the beats noted since the last time, in one batch; keep them if it is away."""
        beats, self._beats = self._beats, {}
        names = list(beats)
        for start in range(0, len(names), WRITES_WITH_EVENTS):
            part = names[start : start + WRITES_WITH_EVENTS]
            try:
                await self._store(part, beats)
            except StoreAway:
                for name in names[start:]:
                    self._beats.setdefault(name, beats[name])
                return
            for name in part:
                last = self._stored.get(name)
                # A change that was stored meanwhile is newer than this beat.
                if last is not None and replace(last, beat=beats[name].beat) == beats[name]:
                    self._stored[name] = beats[name]

    async def _store(self, names: Sequence[str], beats: Mapping[str, Observed]) -> None:
        """Store beats; one that is refused for good is left out, and holds up no other."""
        each = [[observation(name, beats[name])] for name in names]
        for place in await commit_each(self._write, each):
            log.error("observed state refused", action="observe", connection=names[place])
            await self._mistaken("observe")

    async def run(self) -> None:
        """Flush every interval until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            await self.flush()


def observation(connection: str, observed: Observed) -> Write:
    """The write that notes `observed`, unless the connection is gone or newer is known."""
    return updating(connection, lambda there: with_observed(there, observed), events=of_connection)
