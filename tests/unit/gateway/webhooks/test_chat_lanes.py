"""Lanes of chats: order, what goes next, and the place that is stored."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from actors.state.events.event import Event
from gateway.webhooks import chat_lanes as module
from gateway.webhooks.chat_lanes import ChatLane, ChatLanes, lane_of
from gateway.webhooks.delivery_policy import MAX_PAUSE
from tests.unit.gateway.webhooks.lanes import deliver, event, filled, refuse

if TYPE_CHECKING:
    from actors.state.events.outbox import NumberedEvent


@pytest.mark.parametrize(
    ("kind", "connection", "data", "lane"),
    [
        ("message.received", "shop", {"chat": "1@s"}, "shop/1@s"),
        ("message.read", "shop", {"chat": "1@s"}, "shop/1@s"),  # one chat has one order
        ("message.read", "other", {"chat": "1@s"}, "other/1@s"),
        ("connection.state", "shop", {}, "shop/connection"),
        ("connection.qr", "shop", {}, "shop/connection"),
        ("call.received", "shop", {"caller": "1@s"}, "shop/call"),
        ("alert.raised", None, {}, "/alert"),
    ],
)
def test_the_lane_of_an_event(
    kind: Any, connection: str | None, data: dict[str, Any], lane: str
) -> None:
    assert lane_of(Event("e", kind, connection, 1.0, data)) == lane


def test_chats_go_in_turn_and_one_event_of_each_at_a_time() -> None:
    lanes = filled("a", "a", "b", "c")
    first = [lanes.take_new() for _ in range(3)]
    assert [lane.waiting[0].seq for lane in first if lane] == [1, 3, 4]
    assert lanes.take_new() is None, "a has one on its way"
    assert first[0] is not None
    assert deliver(lanes, first[0]) == 1
    following = lanes.take_new()
    assert following is not None
    assert following.waiting[0].seq == 2


def test_a_refused_event_holds_its_own_chat_until_it_is_due() -> None:
    lanes = filled("a", "b", "a", "b")
    a, b = lanes.take_new(), lanes.take_new()
    assert a is not None
    assert b is not None
    refuse(lanes, a, retry_at=10.0)
    deliver(lanes, b)
    assert lanes.take_new() is b
    deliver(lanes, b)
    assert lanes.take_new() is None
    assert lanes.take_retry(9.9) is None
    assert lanes.take_retry(10.0) is a
    assert lanes.take_retry(10.0) is None, "it is on its way"
    assert (a.head, [each.seq for each in a.waiting]) == (1, [3])
    a.busy = False
    lanes.release(a)
    lanes.queue(a)
    assert lanes.take_new() is a


def test_a_retry_is_not_later_than_the_longest_pause_though_the_clock_was_set_back() -> None:
    lanes = filled("a")
    a = lanes.take_new()
    assert a is not None
    refuse(lanes, a, retry_at=1_000_000.0)
    assert lanes.take_retry(1_000_000.0 - MAX_PAUSE) is None
    assert lanes.take_retry(1_000_000.0 - MAX_PAUSE - 1) is a


def test_all_that_were_refused_go_at_once_where_a_person_says_so() -> None:
    lanes = filled("a", "b")
    for _ in range(2):
        lane = lanes.take_new()
        assert lane is not None
        refuse(lanes, lane, retry_at=100.0)
    lanes.retry_now()
    assert lanes.due() == 0.0
    assert lanes.take_retry(1.0) is not None
    assert lanes.take_retry(1.0) is not None


def test_the_place_is_what_is_done_and_no_more() -> None:
    lanes = filled("a", "b", "c", "d", "e", cursor=5)
    assert lanes.place(()) == (5, ())
    for seq in (7, 9, 10):
        lanes.finish(seq)
    assert lanes.place(()) == (5, (7, 7, 9, 10))
    assert lanes.place({6}) == (7, (9, 10)), "once a document has it"
    lanes.finish(6)
    lanes.finish(8)
    assert lanes.place(()) == (10, ())


def test_what_is_done_is_not_taken_in_again() -> None:
    lanes = ChatLanes(5, [(7, 8), (10, 12)])
    assert lanes.place(()) == (5, (7, 8, 10, 12))
    for seq in range(6, 15):
        assert lanes.read(event(seq), wanted=True) == 0
    lane = lanes.take_new()
    assert lane is not None
    assert [each.seq for each in lane.waiting] == [6, 9, 13, 14]


def test_the_log_is_read_on_behind_what_is_done() -> None:
    lanes = ChatLanes(5, [(6, 1_000_000), (1_000_002, 2_000_000)])
    assert lanes.position == 1_000_000
    lanes.read(event(1_000_001), wanted=False)
    assert lanes.position == 2_000_000
    assert lanes.place(()) == (2_000_000, ())


def test_what_is_gone_before_it_was_read_is_counted_but_for_what_is_done() -> None:
    lanes = ChatLanes(5, [(7, 8)])
    assert lanes.read(event(12), wanted=True) == 1 + 3
    assert lanes.place(()) == (11, ())
    assert lanes.read(event(13), wanted=True) == 0


def test_memory_has_a_bound_of_events_and_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_EVENTS", 3)
    monkeypatch.setattr(module, "WAITING_EVENT_BYTES", 100)
    lanes = filled("a", "b")
    lanes.read(event(3), wanted=True)
    seen = [lanes.full]
    lanes.finish(3)
    seen.append(lanes.full)
    lanes.read(event(4, size=99), wanted=True)
    lanes.finish(2)
    seen.append(lanes.full)
    lanes.finish(4)
    seen.append(lanes.full)
    assert seen == [True, False, True, False]


def test_a_renamed_chat_goes_on_once_nothing_is_left_under_its_former_address() -> None:
    lanes = filled("lid", "number", "lid")
    lanes.read(event(4, "number", former="lid"), wanted=True)
    lanes.read(event(5, "number"), wanted=True)
    lanes.read(event(6, "lid"), wanted=True)
    lid, number = lanes.take_new(), lanes.take_new()
    assert lid is not None
    assert number is not None
    assert deliver(lanes, number) == 2, "the two were two chats until then"
    assert lanes.take_new() is None
    refuse(lanes, lid, retry_at=10.0)
    assert lanes.take_new() is None, "also while the event is tried again"
    assert lanes.take_retry(10.0) is lid
    lid.busy = False
    lanes.release(lid)
    lanes.finish(1)
    lanes.queue(lid)
    assert lanes.take_new() is lid
    assert lanes.take_new() is None
    assert deliver(lanes, lid) == 3
    order = [lanes.take_new(), lanes.take_new()]
    assert {lane.waiting[0].seq for lane in order if lane} == {4, 6}, "what came later is free"


def test_what_waits_for_a_former_address_can_be_put_away_and_is_found_again() -> None:
    lanes = filled("lid")
    lid = lanes.take_new()
    assert lid is not None
    refuse(lanes, lid, retry_at=10.0)
    first = event(2, "number", former="lid")
    lanes.read(first, wanted=True)
    lanes.read(event(3, "number"), wanted=True)
    assert [each.seq for _, each in lanes.spill()] == [2, 3]
    number = lanes.lane("shop/number")
    assert (number.head, number.behind, number.retry_at) == (2, True, 0.0)
    assert lanes.take_retry(1.0) is None, "it waits all the same"
    for seq in (1, 2, 3):
        lanes.finish(seq)
    assert lanes.take_retry(10.0) is lid
    lid.busy = False
    lanes.release(lid)
    lanes.queue(lid)
    assert lanes.take_retry(10.0) is number


def test_one_that_is_stored_waits_until_the_log_is_read_up_to_it() -> None:
    """After a crash: what is before it under the former address may only be in the log."""
    lanes = ChatLanes(0, [(2, 2)])
    number = lanes.lane("shop/number")
    lanes.hold(number, 2, 2.0, 0, 0.0, former="shop/lid")
    assert lanes.take_retry(1.0) is None
    lanes.read(event(1, "lid"), wanted=True)
    assert lanes.position == 2
    assert lanes.take_retry(1.0) is None
    lid = lanes.take_new()
    assert lid is not None
    assert deliver(lanes, lid) == 1
    assert lanes.take_retry(1.0) is number


def test_two_chats_that_swap_their_addresses_do_not_wait_for_each_other() -> None:
    lanes = filled("a", "b")
    lanes.read(event(3, "b", former="a"), wanted=True)
    lanes.read(event(4, "a", former="b"), wanted=True)
    lanes.read(event(5, "b", former="a"), wanted=True)
    order = []
    while (lane := lanes.take_new()) is not None:
        order.append(deliver(lanes, lane))
    assert order == [1, 2, 3, 4, 5]
    assert vars(lanes)["_lanes"] == {}


def test_what_waits_behind_a_refused_event_can_be_put_away() -> None:
    lanes = filled("a", "b", "a", "b", "a")
    a = lanes.take_new()
    assert a is not None
    refuse(lanes, a, retry_at=10.0)
    assert [(lane, each.seq) for lane, each in lanes.spill()] == [(a, 3), (a, 5)]
    assert a.behind
    assert list(lanes.spill()) == []
    lanes.read(event(6, "a"), wanted=True)
    assert [each.seq for _, each in lanes.spill()] == [6], "all of it stays behind the rest"


def test_no_lane_stays_that_has_nothing() -> None:
    lanes = filled(*(f"chat {number}" for number in range(100)))
    while (lane := lanes.take_new()) is not None:
        deliver(lanes, lane)
    assert vars(lanes)["_lanes"] == {}
    assert lanes.place(()) == (100, ())


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_each_chat_keeps_its_order_and_the_place_tells_what_is_open(
    seed: int,
) -> None:
    """Random deliveries, refusals, and restarts from the place that was stored last."""
    run = _Run(random.Random(seed))
    while len(run.done) < len(run.log):
        run.step()
        cursor, ranges = run.lanes.place(())
        known = set(range(1, cursor + 1))
        for first, last in zip(ranges[::2], ranges[1::2], strict=True):
            known |= set(range(first, last + 1))
        assert known <= run.done
    for chat in "abcd":
        seqs = [each.seq for each in run.order if each.event.data["chat"] == chat]
        assert list(dict.fromkeys(seqs)) == sorted(set(seqs))
    firsts = list({each.seq: each for each in run.order}.values())
    for place, renamed in enumerate(firsts):
        former = renamed.event.data.get("former")
        late = [
            each.seq
            for each in firsts[place:]
            if each.event.data["chat"] == former and each.seq < renamed.seq
        ]
        assert not late, "before the event that tells of its other address"


class _Run:
    def __init__(self, rolls: random.Random) -> None:
        self.rolls = rolls
        self.log = [self.event(seq) for seq in range(1, 200)]
        self.lanes, self.reading, self.now = ChatLanes(0, []), 0, 0.0
        self.flying: list[ChatLane] = []
        self.done: set[int] = set()
        self.order: list[NumberedEvent] = []

    def event(self, seq: int) -> NumberedEvent:
        chat, former = self.rolls.sample("abcd", 2)
        return event(seq, chat, former=former if self.rolls.random() < 0.1 else None)

    def step(self) -> None:
        self.now += 1.0
        roll = self.rolls.random()
        if roll < 0.02:
            cursor, ranges = self.lanes.place(())
            self.lanes = ChatLanes(cursor, list(zip(ranges[::2], ranges[1::2], strict=True)))
            self.reading, self.flying = self.lanes.position, []
        elif roll < 0.4 and self.reading < len(self.log):
            assert self.lanes.read(self.log[self.reading], wanted=True) == 0
            self.reading += 1
        elif roll < 0.6:
            lane = self.lanes.take_retry(self.now) or self.lanes.take_new()
            self.flying += [] if lane is None else [lane]
        elif self.flying:
            self.end(self.flying.pop(self.rolls.randrange(len(self.flying))))

    def end(self, lane: ChatLane) -> None:
        lane.busy = False
        seq = lane.waiting.popleft().seq if lane.head is None else lane.head
        if self.rolls.random() < 0.3:
            self.lanes.hold(lane, seq, 1.0, 1, self.now + self.rolls.random() * 5)
        else:
            self.lanes.release(lane)
            self.lanes.finish(seq)
            self.order.append(self.log[seq - 1])
            self.done.add(seq)
        self.lanes.queue(lane)
