"""Random interleavings of all transitions, judged by what was promised and not by the keys."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from actors.queue.outbound_queue import LeaseLost, NotCancellable, NotDead, NotFound
from actors.redis import keys
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, SHOP, Desk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CHATS = (ANA, BEN, EVA, LEO)
STEPS = 400


class World:
    """Does one thing after another at the desk, and keeps what must come true."""

    def __init__(self, desk: Desk, seed: int, *, orderly: bool = False) -> None:
        """With `orderly` no message may overtake another or end but as sent."""
        self.desk = desk
        self.orderly = orderly
        self.chance = random.Random(seed)
        self.accepted: list[str] = []
        self.attempts: defaultdict[str, list[str]] = defaultdict(list)
        self.held: dict[str, int] = {}  # text → the epoch that claimed it
        self.proven: set[str] = set()
        self.failures: defaultdict[str, int] = defaultdict(int)

    def some(self, texts: list[str]) -> str | None:
        return self.chance.choice(texts) if texts else None

    async def accept(self) -> None:
        text = f"{len(self.accepted):04}"
        chat = self.chance.choice(CHATS)
        later = not self.orderly and self.chance.random() < 0.15
        await self.desk.accept(
            text,
            chat,
            priority=5 if self.orderly else self.chance.choice((0, 5, 5, 5, 9)),
            send_at=self.desk.now + self.chance.randrange(1, 30) if later else None,
        )
        self.accepted.append(text)

    async def claim(self) -> None:
        jobs = await self.desk.claim(self.chance.randrange(4))
        busy = {(await self.desk.get(text)).chat for text in self.in_hand()} if jobs else set()
        for job in jobs:
            assert job.text not in self.proven, "sent twice"
            assert job.chat not in busy, "two of a chat in flight"
            busy.add(job.chat)
            self.held[job.text] = self.desk.epoch
            self.attempts[job.chat].append(job.text)

    def in_hand(self) -> list[str]:
        current = [text for text, epoch in self.held.items() if epoch == self.desk.epoch]
        return [text for text in current if text not in self.proven]

    async def complete(self) -> None:
        if (text := self.some(sorted(self.held))) is None:
            return
        epoch = self.held.pop(text)
        self.proven.add(text)
        try:
            await self.desk.complete(text, epoch=epoch)
        except LeaseLost:
            assert epoch < self.desk.epoch
        else:
            assert epoch == self.desk.epoch

    async def fail(self) -> None:
        if (text := self.some(sorted(self.held))) is None:
            return
        epoch = self.held.pop(text)
        self.failures[text] += 1
        dies = not self.orderly and self.chance.random() < 0.2
        retry_in = None if dies else self.chance.randrange(1, 20)
        try:
            await self.desk.fail(
                text, retry_in=retry_in, uncertain=self.chance.random() < 0.5, epoch=epoch
            )
        except LeaseLost:
            assert epoch < self.desk.epoch

    async def unclaim(self) -> None:
        if (text := self.some(sorted(self.held))) is not None:
            epoch = self.held.pop(text)
            try:
                await self.desk.unclaim(text, epoch=epoch)
            except LeaseLost:
                assert epoch < self.desk.epoch

    async def receipt(self) -> None:
        if self.chance.random() < 0.3 and (text := self.some(self.accepted)) is not None:
            self.proven.add(text)
            await self.desk.receipt(text, self.chance.choice(("delivered", "read")))

    async def take(self) -> None:
        if self.chance.random() < 0.3:
            sending = [await self.desk.get(text) for text in self.in_hand()]
            if self.orderly and any(record.crashes for record in sending):
                # Not a second crash: it would be the end of the message.
                desk = self.desk
                await desk.leases.release(SHOP, desk.epoch, state="stopped", cause=None)
            await self.desk.take()

    async def cancel(self) -> None:
        if (text := self.some(self.accepted)) is not None:
            try:
                await self.desk.cancel(text)
            except NotCancellable as refused:
                assert refused.status not in {"queued", "waiting", "cancelled"}  # noqa: PT017

    async def retry(self) -> None:
        if (text := self.some(self.accepted)) is not None:
            try:
                await self.desk.retry(text)
            except NotDead as refused:
                assert refused.status != "dead"  # noqa: PT017

    async def promote(self) -> None:
        await self.desk.lanes.promote(SHOP, self.desk.now)

    async def pass_time(self) -> None:
        self.desk.now += self.chance.randrange(1, 10)

    @property
    def choices(self) -> list[Callable[[], Awaitable[None]]]:
        often = [self.accept] * 6 + [self.claim] * 6 + [self.complete] * 3 + [self.fail] * 2
        rarely = [self.unclaim, self.take, self.promote, self.pass_time]
        unruly = [] if self.orderly else [self.receipt, self.cancel, self.retry]
        return [*often, *rarely, *unruly]

    async def finish(self) -> None:
        """A quiet end: everything that is open is sent."""
        await self.desk.take()
        for _ in range(50):
            self.desk.now += 1000
            while jobs := await self.desk.claim():
                for job in jobs:
                    assert job.text not in self.proven
                    self.proven.add(job.text)
                    self.attempts[job.chat].append(job.text)
                    await self.desk.complete(job.text)


@pytest.mark.parametrize("seed", range(4))
async def test_g2_g3_g5_whatever_happens_nothing_is_lost_or_sent_twice(
    desk: Desk, seed: int
) -> None:
    world = World(desk, seed)
    for step in range(STEPS):
        await world.chance.choice(world.choices)()
        if step % 10 == 0:
            await desk.check()
    await world.finish()
    await desk.check()
    assert len(world.accepted) > STEPS / 10
    for text in world.accepted:
        status = await desk.status(text)
        if text in world.proven:
            assert status in {"sent", "delivered", "read"}
        else:
            assert status in {"dead", "cancelled"}
            poison = (await desk.get(text)).error == "poison"
            assert status != "dead" or poison or world.failures[text] > 0

    while changed := await desk.lanes.reader.changed(SHOP, 100):
        await desk.lanes.reader.mirrored(SHOP, changed)
    await desk.lanes.dead_letters.retry_all(SHOP, desk.now + 1)
    await world.finish()
    await desk.lanes.reader.mirrored(SHOP, await desk.lanes.reader.changed(SHOP, 1000))
    of = keys.of(SHOP)
    left = {str(key) for key in await desk.redis.keys("*") if ":message:" not in str(key)}
    assert left - {of.wake} == {of.lease, of.counters, of.finished}


@pytest.mark.parametrize("seed", range(4))
async def test_g4_order_holds_across_failures_and_crashes(desk: Desk, seed: int) -> None:
    world = World(desk, seed, orderly=True)
    for _ in range(STEPS):
        await world.chance.choice(world.choices)()
    await world.finish()
    assert desk.epoch > 3
    assert len(world.failures) > 5
    attempted = [text for texts in world.attempts.values() for text in texts]
    assert sorted(set(attempted)) == world.accepted
    for texts in world.attempts.values():
        assert texts == sorted(texts)


async def test_an_unknown_message_disturbs_nothing(desk: Desk) -> None:
    desk.ids["nobody"] = f"{SHOP}.3EB0000000000000000000"
    await desk.accept("a")
    await desk.complete("nobody")
    assert await desk.fail("nobody", retry_in=1) == "dead"
    await desk.unclaim("nobody")
    await desk.receipt("nobody")
    with pytest.raises(NotFound):
        await desk.cancel("nobody")
    assert await desk.drain() == ["a"]
