"""Detects a dead connection behind an open socket, by traffic age and probes; reports it to the owner, who reconnects.

The engine's own keepalive comes first, and ends a socket that says nothing. The rest are
sockets that it trusts and that carry nothing any more, and an engine that is stuck: it answers for
itself, so that somebody else has to ask.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from actors.connection.engine import NotConnected
from actors.metrics.counters import measures

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.engine import Engine
    from actors.connection.owner.timeouts import Timeouts

log = structlog.get_logger()

RETRY_PAUSE = 1.0
"""Seconds between a probe that was not answered and the next."""


@dataclass(frozen=True, slots=True)
class Sign:
    """The result of one probe: whether it was answered, and the seconds that it `took`.

    `age` is that of the traffic when it was over; `listening`: the engine would have read what came.
    """

    answered: bool
    took: float
    age: float
    listening: bool


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The number of probes in a row that showed no life; every method returns a new one (pure).

    A false alarm kills a connection that works, so an unanswered probe is not enough. Where
    anything else was read meanwhile the connection lives. A probe that ended `late` seconds after
    its deadline says more about this process or the machine than about WhatsApp, and does not
    count. Where the engine was busy with what came before, on a slow disk say, the answer may lie
    unread: it takes `most` of them in a row then, and not `limit`.
    """

    deadline: float = 10.0
    late: float = 1.0
    limit: int = 2
    most: int = 20
    vain: int = 0
    unanswered: int = 0

    def after(self, sign: Sign) -> Suspicion:
        """The count after one more probe."""
        if sign.answered or sign.age < sign.took:
            return self.lifted()
        if sign.took > self.deadline + self.late:
            return self
        return replace(self, vain=self.vain + sign.listening, unanswered=self.unanswered + 1)

    def lifted(self) -> Suspicion:
        """It lives, or is another socket's by now."""
        return replace(self, vain=0, unanswered=0)

    @property
    def certain(self) -> bool:
        """Whether the connection is a zombie."""
        return self.vain >= self.limit or self.unanswered >= self.most


class LivenessProbe:
    """Calls `on_lost` (``zombie``) for a connection that is open and dead; a quiet one is left alone.

    Nothing is asked while there is traffic. After `silence` seconds without, a dead one is found
    within two deadlines (G8).
    """

    def __init__(
        self,
        connection: str,
        engine: Engine,
        pace: Timeouts,
        *,
        on_lost: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._engine = engine
        self._silence = pace.silence
        self._on_lost = on_lost
        self._suspicion = Suspicion(pace.probe)

    async def run(self) -> None:
        """Until the connection is a zombie, or this is cancelled."""
        while not self._suspicion.certain:
            await asyncio.sleep(self._left())
            await self._look()
        traffic = self._engine.traffic
        log.error(
            "zombie",
            action="zombie",
            connection=self._connection,
            silent=None if traffic is None else round(traffic.age, 1),
            unanswered=self._suspicion.unanswered,
        )
        measures.count("teimoso_zombies")
        self._on_lost("zombie")

    def _left(self) -> float:
        """Seconds until the next look."""
        if self._suspicion.unanswered:
            return min(RETRY_PAUSE, self._silence)
        traffic = self._engine.traffic
        return self._silence if traffic is None else max(0.0, self._silence - traffic.age)

    async def _look(self) -> None:
        traffic = self._engine.traffic
        if traffic is None or traffic.age < self._silence:
            self._suspicion = self._suspicion.lifted()
            return
        began = time.monotonic()
        try:
            answered = await self._engine.probe(self._suspicion.deadline)
        except NotConnected:
            self._suspicion = self._suspicion.lifted()
            await asyncio.sleep(RETRY_PAUSE)
            return
        took, traffic = time.monotonic() - began, self._engine.traffic
        if traffic is None:
            self._suspicion = self._suspicion.lifted()
            return
        sign = Sign(answered, took, traffic.age, traffic.listening)
        self._suspicion = self._suspicion.after(sign)
