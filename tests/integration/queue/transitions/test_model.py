"""Random interleavings, found and shrunk by hypothesis: the scripts against a plain model (`model.py`).

The server is real and is killed in between. After every step all records, counts and places agree;
at the end, when all is sent, no key is left over.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from actors.queue.dead_letters import DAY
from actors.queue.lanes import Lanes, LeaseLost, NotCancellable, NotDead, Which
from actors.redis import keys
from actors.redis.client import connect
from actors.redis.leases import Leases
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, SHOP, Desk
from tests.integration.queue.transitions.model import CONCURRENCY, Model

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.processes.valkey import Valkey

SECONDS = st.integers(1, 30)
SENDS = st.tuples(
    st.sampled_from((ANA, ANA, ANA, BEN, EVA, LEO)),
    st.sampled_from((0, 5, 5, 9)),
    st.none() | SECONDS,
)
OUTCOMES = ("sent", "waiting", "dead", "kept", "waiting", "dead", "unclaimed", "deferred")
WANTED = {"claimed", "waiting", "dead", "redriven", "deferred", "lifted"}
UNPACED = {"poison", "pruned"}
KILLS = 1  # of the server in one run: each takes a while


class Machine(RuleBasedStateMachine):
    """The real queue and the model, given the same."""

    server: Valkey
    seen: Counter[str]
    interval: float = 0
    gap: float = 0

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model = Model(interval=self.interval, gap=self.gap, seen=self.seen)
        self.kills, self.backs = 0, 0
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
        desk = Desk(redis, Lanes(redis, setting), Leases(redis))
        await desk.take()
        return desk

    @rule(sends=st.lists(SENDS, min_size=1, max_size=4))
    def accept(self, sends: list[tuple[str, int, int | None]]) -> None:
        for chat, priority, later in sends:
            text = f"{len(self.model.messages):04}"
            send_at = None if later is None else self.desk.now + later
            self.model.accept(text, chat, priority, send_at, self.desk.now)
            self.do(self.desk.accept(text, chat, priority=priority, send_at=send_at))

    @rule(sends=st.lists(SENDS, min_size=1, max_size=4), data=st.data())
    def work(self, sends: list[tuple[str, int, int | None]], data: st.DataObject) -> None:
        """What an owner mostly does; the rules alone seldom come in an order that gets this far."""
        self.accept(sends)
        if data.draw(st.booleans(), label="the pace allows one"):
            self.desk.now += max(self.interval, self.gap)
        self.claim(data, 4, ahead=data.draw(st.booleans(), label="ahead"))
        for text in [text for text, epoch in self.given.items() if epoch == self.desk.epoch]:
            if text not in self.given:
                continue  # it was to follow one that failed
            outcome = data.draw(st.sampled_from(OUTCOMES), label="outcome")
            del self.given[text]
            if outcome == "sent":
                self.model.prove(text, "sent")
                self.do(self.desk.complete(text))
            elif outcome == "unclaimed":
                self._unclaim(text, self.desk.epoch)
            elif outcome == "deferred":
                self._defer(text, self.desk.epoch, 5)
            elif outcome == "kept":
                self.given[text] = self.desk.epoch
            else:
                self._fail(text, self.desk.epoch, 5 if outcome == "waiting" else None, True)

    @rule(data=st.data(), limit=st.sampled_from((0, 1, 4, 4)), ahead=st.booleans())
    def claim(self, data: st.DataObject, limit: int, *, ahead: bool) -> None:
        """Often with proofs of what this epoch or an older one claimed."""
        given = st.lists(st.sampled_from(sorted(self.given)), unique=True, max_size=3)
        sent = data.draw(given, label="sent") if self.given else []
        for text in sent:
            del self.given[text]
            self.model.prove(text, "sent")
        count, heads = self.model.claimable(limit, self.desk.now)
        given = self.do(self.desk.claim(limit, sent=sent, ahead=ahead))
        jobs = [job for job in given if job.text in {head.text for head in heads.values()}]
        assert len(jobs) == len({job.chat for job in jobs})
        # Which head comes first is open, and one that an owner crashed with flies alone.
        if any(head.crashes for head in heads.values()):
            assert len(jobs) <= count
            assert jobs or not count or self.model.flying()
        else:
            assert len(jobs) == count
        for job in jobs:
            assert heads[job.chat].text == job.text
            self.model.claim(job.text, self.desk.now)
            self.given[job.text] = self.desk.epoch
        followers = [job.text for job in given if job not in jobs]
        expected = self.model.followers() if ahead else []
        assert sorted(followers) == sorted(each.text for each in expected)
        for text in followers:
            self.model.claim(text, self.desk.now, ahead=True)
            self.given[text] = self.desk.epoch
        flying = self.model.flying()
        assert len(flying) < 2 or not any(message.crashes for message in flying)

    @rule(data=st.data())
    def claim_with_an_old_epoch(self, data: st.DataObject) -> None:
        """It takes nothing, and its proofs count."""
        sent = []
        proves = data.draw(st.booleans(), label="with a proof")
        if proves and self.given:
            sent = [self._take(data)[0]]
            self.model.prove(sent[0], "sent")
        with pytest.raises(LeaseLost):
            self.do(self.desk.claim(3, sent=sent, epoch=self.desk.epoch - 1))

    def _take(self, data: st.DataObject) -> tuple[str, int]:
        text = data.draw(st.sampled_from(sorted(self.given)), label="text")
        return text, self.given.pop(text)

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        """Also late, for an older epoch, after a receipt, a cancel or a death: proof counts."""
        text, epoch = self._take(data)
        self.model.prove(text, "sent")
        self._may_be_late(self.desk.complete(text, epoch=epoch), epoch)

    @precondition(lambda self: self.given)
    @rule(data=st.data(), retry_in=st.none() | SECONDS, uncertain=st.booleans())
    def fail(self, data: st.DataObject, retry_in: int | None, *, uncertain: bool) -> None:
        text, epoch = self._take(data)
        self._fail(text, epoch, retry_in, uncertain)

    def _fail(self, text: str, epoch: int, retry_in: int | None, uncertain: bool) -> None:
        due = None if retry_in is None else self.desk.now + retry_in
        behind = self._behind(text)
        failing = self.desk.fail(
            text, retry_in=retry_in, uncertain=uncertain, epoch=epoch, behind=behind
        )
        answer = self._may_be_late(failing, epoch)
        if epoch == self.desk.epoch:
            now = self.desk.now
            assert answer == self.model.fail(text, due=due, uncertain=uncertain, now=now)
            if answer == "waiting":
                self._put_down(behind)

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def unclaim(self, data: st.DataObject) -> None:
        self._unclaim(*self._take(data))

    def _unclaim(self, text: str, epoch: int) -> None:
        behind = self._behind(text)
        self._may_be_late(self.desk.unclaim(text, epoch=epoch, behind=behind), epoch)
        if epoch == self.desk.epoch:
            self.model.unclaim(text)
            self._put_down(behind)

    @precondition(lambda self: self.given)
    @rule(data=st.data(), seconds=SECONDS)
    def defer(self, data: st.DataObject, seconds: int) -> None:
        self._defer(*self._take(data), seconds)

    def _defer(self, text: str, epoch: int, seconds: int) -> None:
        until, behind = self.desk.now + seconds, self._behind(text)
        deferring = self.desk.defer(text, until, epoch=epoch, behind=behind)
        self._may_be_late(deferring, epoch)
        if epoch == self.desk.epoch:
            self.model.defer(text, until)
            self._put_down(behind)

    @rule(seconds=st.integers(-5, 30), chat=st.none() | st.sampled_from((ANA, BEN)))
    def lift(self, seconds: int, chat: str | None) -> None:
        """It ends sooner or later than was told, or one chat is free of it."""
        until = self.desk.now + (seconds if chat is None else 0)
        self.model.lift(until, chat)
        self.do(self.desk.lift(until) if chat is None else self.desk.lift_chat(chat))

    def _put_down(self, texts: list[str]) -> None:
        for text in texts:
            self.given.pop(text, None)

    def _behind(self, text: str) -> list[str]:
        message = self.model.messages[text]
        flies = message.status == "sending" and not message.ahead
        follower = self.model.following(message.chat) if flies else None
        return [] if follower is None else [follower.text]

    def _may_be_late(self, doing: Coroutine[Any, Any, Any], epoch: int) -> Any:
        if epoch == self.desk.epoch:
            return self.do(doing)
        with pytest.raises(LeaseLost):
            self.do(doing)
        return None

    @precondition(lambda self: self.model.messages)
    @rule(data=st.data(), status=st.sampled_from(("delivered", "read")))
    def receipt(self, data: st.DataObject, status: str) -> None:
        text = self._any(data)
        self.model.prove(text, status)
        self.do(self.desk.receipt(text, status))

    @precondition(lambda self: self.model.messages)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        text = self._any(data)
        if self.model.cancel(text):
            self.do(self.desk.cancel(text))
        else:
            with pytest.raises(NotCancellable):
                self.do(self.desk.cancel(text))

    @precondition(lambda self: self.model.messages)
    @rule(data=st.data())
    def redrive(self, data: st.DataObject) -> None:
        dead = [text for text, one in self.model.messages.items() if one.status == "dead"]
        text = data.draw(st.sampled_from(dead), label="dead") if dead else self._any(data)
        self.desk.now += 1  # a repetition is known by its time
        if self.model.retry(text):
            self.do(self.desk.retry(text))
        else:
            with pytest.raises(NotDead):
                self.do(self.desk.retry(text))

    @rule()
    def redrive_all(self) -> None:
        self.desk.now += 1
        count = self.do(self.desk.lanes.retry_all(SHOP, self.desk.now))
        assert count == self.model.retry_all()

    @rule(chat=st.none() | st.sampled_from((ANA, BEN)), limit=st.none() | st.integers(1, 3))
    def redrive_by_filter(self, chat: str | None, limit: int | None) -> None:
        self.desk.now += 1
        which = Which(chat=chat, code="ack_timeout")
        found = self.do(self.desk.lanes.redrive(SHOP, which, limit=limit, now=self.desk.now))
        assert found.count == self.model.redrive(chat, "ack_timeout", limit)

    @rule(seconds=st.sampled_from((0, 0, 20)))
    def prune(self, seconds: int) -> None:
        """Letters that died longer ago leave the list; each can still be sent again by its id."""
        self.desk.now += 1
        now = self.desk.now
        pruned = self.do(self.desk.lanes.prune(SHOP, seconds / DAY, now))
        assert pruned == self.model.prune(now - seconds)

    def _any(self, data: st.DataObject) -> str:
        text: str = data.draw(st.sampled_from(sorted(self.model.messages)), label="text")
        return text

    @rule(data=st.data())
    def crash_twice(self, data: st.DataObject) -> None:
        """Whoever flies alone both times is poison."""
        self.take("crashed")
        for _ in range(2):
            self.claim(data, 1, ahead=False)
            self.take("hung")

    @rule(how=st.sampled_from([None, "crashed"]))
    def take(self, how: str | None) -> None:
        self.model.take(self.desk.now, seen=how is not None)
        self.do(self.desk.take(how))

    @rule(seconds=SECONDS)
    def pass_time(self, seconds: int) -> None:
        self.desk.now += seconds

    @precondition(lambda self: not self.interval and not self.gap)
    @rule(seconds=SECONDS)
    def set_the_clock_back(self, seconds: int) -> None:
        # By a fraction more each time, so that no time comes again: a redrive is known by its own.
        self.backs += 1
        self.desk.now -= seconds + self.backs / 64

    @rule()
    def promote(self) -> None:
        self.model.follow_clock(self.desk.now)
        due = self.do(self.desk.lanes.promote(SHOP, self.desk.now))
        self.model.promote(self.desk.now)
        gaps = {at for at in self.model.gaps.values() if at > self.desk.now}
        assert due == self.model.next_due() or due in gaps

    @rule()
    def mirror(self) -> None:
        self.do(self._mirror())

    async def _mirror(self) -> None:
        while changed := await self.desk.lanes.changed(SHOP, 100):
            await self.desk.lanes.mirrored(SHOP, changed)

    @precondition(lambda self: self.kills < KILLS)
    @rule()
    def kill_the_server(self) -> None:
        self.kills += 1
        self.server.kill()
        self.server.start()

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
        self.desk.now += 1000
        await self.desk.lanes.retry_all(SHOP, self.desk.now)
        await self.desk.lanes.promote(SHOP, self.desk.now)
        while await self.desk.drain(CONCURRENCY):
            self.desk.now += max(self.interval, self.gap)
        await self.desk.lanes.promote(SHOP, self.desk.now)
        await self._mirror()
        for message in self.model.messages.values():
            status = await self.desk.status(message.text)
            assert (status == "cancelled") == (message.status == "cancelled")
            expired = "dead" if message.expired else None
            assert status in {"sent", "delivered", "read", "cancelled", expired}
        await self.desk.check()
        of = keys.of(SHOP)
        left = {key async for key in self.desk.redis.scan_iter("*") if ":message:" not in key}
        assert left <= {of.lease, of.counters, of.wake}
        assert await self.desk.lanes.remove(SHOP)
        # Records of what is finished go by themselves: `check` saw that each has its time.
        assert all([":message:" in key async for key in self.desk.redis.scan_iter("*")])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("share", [0.3, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize(("interval", "gap"), [(0, 0), (2, 0), (0, 5), (1, 3)])
def test_the_scripts_do_what_the_model_does(
    own_server: Valkey, interval: float, gap: float, share: float
) -> None:
    """`share` of the runs, and more of them until everything that is wanted has happened."""
    seen: Counter[str] = Counter()
    given = {"server": own_server, "interval": interval, "gap": gap, "seen": seen}
    machine = type("Machine", (Machine,), given)
    wanted = WANTED | ({"paced"} if interval or gap else UNPACED)
    for number in range(int(5 / share)):
        # What is drawn depends on the modules that are loaded, so on the tests that ran before.
        run_state_machine_as_test(
            seed(number)(machine),
            settings=settings(
                max_examples=int(share * (10 if interval or gap else 30)),
                stateful_step_count=60,
                deadline=None,
                phases=[Phase.generate],  # add Phase.shrink for the shortest way there: minutes
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        if all(seen[name] for name in wanted):
            return
    pytest.fail(f"what never happened was not compared: {seen}")
