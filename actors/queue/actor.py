"""Implements the QueueActor (Ray): makes delayed messages due in Redis, mirrors queues to SQLite or Firestore."""

from __future__ import annotations

from functools import partial
from typing import Any

from actors.config.settings import Settings
from actors.queue.outbound_queue import OutboundQueue
from actors.queue.upkeep import QueueUpkeep
from actors.redis.client import connect
from actors.runtime.actor_base import LoopShell
from actors.runtime.deletion_time import deletion_time
from actors.state.open_store import open_documents


class QueueActor(LoopShell):
    """Readies, counts and mirrors for all connections.

    While it is dead, messages are accepted and sent all the same; its successor catches up.
    """

    async def _start(self) -> None:
        settings = Settings.load(self.data)
        self._redis = connect(settings)
        self._lanes = OutboundQueue(self._redis, settings)
        self._documents = open_documents(settings)
        self._upkeep = QueueUpkeep(
            self._lanes,
            self._documents,
            settings.dead_letter_retention_days,
            partial(deletion_time, settings.data),
        )
        self._run_for_life(self._upkeep.run())

    async def _close(self) -> None:
        await self._lanes.close()
        await self._redis.aclose()
        await self._documents.close()

    def _health(self) -> dict[str, Any]:
        if self._starting is None or not self._starting.done():
            return {}
        counts = list(self._upkeep.counts.values())
        return {
            "away": sorted(self._upkeep.away),
            "waiting": sum(each.waiting for each in counts),
            "active": sum(each.active for each in counts),
            "delayed": sum(each.delayed for each in counts),
            "dead": sum(each.dead for each in counts),
        }
