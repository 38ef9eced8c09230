"""The real queue and the model side by side, compared after each rule."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant

from actors.queue.outbound_queue import LeaseLost, OutboundQueue
from actors.redis import keys
from actors.redis.client import connect
from actors.redis.leases.leases import Leases
from tests.integration.queue.desk import SHOP, Desk
from tests.integration.queue.transitions.model.model import CONCURRENCY, Model

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Coroutine

    from tests.processes.valkey import Valkey


class Comparison(RuleBasedStateMachine):
    """The real queue and the model, under the same calls."""

    server: Valkey
    seen: Counter[str]
    interval: float = 0
    gap: float = 0

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model = Model(interval=self.interval, gap=self.gap, seen=self.seen)
        self.kills, self.backs, self.accepted = 0, 0, 0
        self.given: dict[str, int] = {}  # text → the epoch that claimed it
        self.desk = self.do(self._open())

    def do(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(doing)

    async def _open(self) -> Desk:
        setting = self.server.settings(
            queue_concurrency=CONCURRENCY,
            pacing_messages_per_minute=int(60 / self.interval) if self.interval else 0,
            pacing_chat_gap=int(self.gap * 1000),
        )
        redis = connect(setting)
        await redis.flushdb()
        desk = Desk(redis, OutboundQueue(redis, setting), Leases(redis))
        await desk.take()
        return desk

    def _may_be_late(self, doing: Coroutine[Any, Any, Any], epoch: int) -> Any:
        if epoch == self.desk.epoch:
            return self.do(doing)
        with pytest.raises(LeaseLost):
            self.do(doing)
        return None

    async def mirror_all(self) -> None:
        while changed := await self.desk.lanes.reader.changed(SHOP, 100):
            await self.desk.lanes.reader.mirrored(SHOP, changed)

    async def marked(self) -> set[str]:
        """The texts of messages whose last change is not mirrored."""
        marked: Any = await self.desk.redis.zrange(keys.of(SHOP).changed, 0, -1)
        return {text for text, id_ in self.desk.ids.items() if id_.partition(".")[2] in marked}

    @invariant()
    def everything_agrees(self) -> None:
        self.do(self._compare())

    async def _compare(self) -> None:
        found = await self.desk.look()
        records = await self.desk.records(found)
        for text, expected in self.model.messages.items():
            record = records[text]
            assert (record.status, record.attempts) == (expected.status, expected.attempts)
            assert (record.uncertain, record.error) == (expected.uncertain, expected.error)
            assert len(record.crashes) == expected.crashes
            assert (record.expired_at is not None) == expected.expired
        counts, count = await self.desk.check(found), self.model.count
        assert (counts.active, counts.dead) == (count("sending"), len(self.model.dead()))
        assert counts.waiting + counts.delayed == count("queued") + count("waiting")

    def teardown(self) -> None:
        try:
            self.do(self._finish())
        finally:
            self.do(self.desk.redis.connection_pool.disconnect())
            self.runner.close()

    async def _finish(self) -> None:
        """All is sent in the end, in order, and leaves nothing behind but its record."""
        await self.desk.take()
        for names in self.model.joining.items():
            assert await self.desk.rename(*names) == "done"
        self.desk.now += 1000
        await self.desk.lanes.dead_letters.retry_all(SHOP, self.desk.now)
        await self.desk.lanes.promote(SHOP, self.desk.now)
        while await self.desk.drain(CONCURRENCY):
            self.desk.now += max(self.interval, self.gap)
        await self.desk.lanes.promote(SHOP, self.desk.now)
        await self.mirror_all()
        for message in self.model.messages.values():
            status = await self.desk.status(message.text)
            assert (status == "cancelled") == (message.status == "cancelled")
            expired = "dead" if message.expired else None
            assert status in {"sent", "delivered", "read", "cancelled", expired}
        await self.desk.check()
        of = keys.of(SHOP)
        left = {key async for key in self.desk.redis.scan_iter("*") if ":message:" not in key}
        stays = {of.lease, of.counters, of.wake, of.finished, of.aliases, of.nameless}
        assert left <= stays, left - stays
        assert await self.desk.lanes.remove(SHOP)
        assert all([":message:" in key async for key in self.desk.redis.scan_iter("*")])
