"""Chats of a webhook that wait for the file of a message, while others go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.state.events.event import Event
from actors.state.events.outbox import NumberedEvent
from gateway.webhooks.delivery_policy import MAX_PAUSE
from tests.unit.gateway.webhooks.lanes import deliver, event, filled

if TYPE_CHECKING:
    from gateway.webhooks.chat_lanes import ChatLane, ChatLanes


def file_event(seq: int, chat: str = "a") -> NumberedEvent:
    """The file of a message of this chat has ended."""
    data = {"chat": chat}
    return NumberedEvent(seq, 1.0, Event(f"e{seq}", "message.media", "shop", float(seq), data))


def wait_for_file(lanes: ChatLanes, until: float) -> ChatLane:
    """The next lane that may go, whose event turns out to wait for its file."""
    lane = lanes.take_new()
    assert lane is not None
    lane.busy = False
    lanes.wait_for_file(lane, until)
    lanes.queue(lane)
    return lane


def test_a_chat_whose_message_waits_for_its_file_lets_others_go() -> None:
    lanes = filled("a", "b", "a")
    waits = wait_for_file(lanes, 30.0)
    other = lanes.take_new()
    assert other is not None
    assert deliver(lanes, other) == 2
    assert lanes.take_new() is None
    assert lanes.read(event(4, "a"), wanted=True) == 0
    assert not lanes.has_new, "what comes behind it waits"
    assert lanes.next_file_wait() == 30.0
    lanes.end_file_waits(29.9)
    assert not lanes.has_new
    lanes.end_file_waits(30.0)
    assert lanes.next_file_wait() is None
    assert lanes.take_new() is waits
    assert [deliver(lanes, waits), *(deliver(lanes, waits) for _ in range(2))] == [1, 3, 4]
    assert lanes.place(()) == (4, ())


@pytest.mark.parametrize("wanted", [True, False])
def test_a_file_that_ends_has_its_chat_looked_at_again(wanted: bool) -> None:
    lanes = filled("a", "b")
    waits, other = wait_for_file(lanes, 30.0), wait_for_file(lanes, 40.0)
    lanes.read(file_event(3), wanted=wanted)
    assert lanes.take_new() is waits
    assert lanes.take_new() is None, "that of the other chat is still to come"
    lanes.end_file_waits(30.0)
    assert lanes.next_file_wait() == 40.0
    lanes.retry_now()
    assert lanes.take_new() is other


def test_a_file_that_ends_while_its_message_is_looked_at_is_not_missed() -> None:
    lanes = filled("a")
    lane = lanes.take_new()
    assert lane is not None
    lanes.read(file_event(2), wanted=False)
    lane.busy = False
    lanes.wait_for_file(lane, 30.0)
    lanes.queue(lane)
    assert lanes.take_new() is lane
    lane.busy = False
    lanes.wait_for_file(lane, 30.0)
    lanes.queue(lane)
    assert lanes.take_new() is None, "there was one look more"


def test_a_clock_that_was_set_back_has_nothing_wait_for_longer() -> None:
    lanes = filled("a")
    waits = wait_for_file(lanes, 5000.0)
    lanes.end_file_waits(5000.0 - MAX_PAUSE)
    assert not lanes.has_new
    lanes.end_file_waits(1000.0)
    assert lanes.take_new() is waits


def test_what_waits_for_a_file_is_given_away_where_memory_is_full() -> None:
    lanes = filled("a", "a", "b")
    lane = wait_for_file(lanes, 30.0)
    assert [(each.key, told.seq) for each, told in lanes.spill()] == [("shop/a", 1), ("shop/a", 2)]
    assert (lane.head, lane.attempts, lane.retry_at, lane.behind) == (1, 0, 30.0, True)
    for seq in (1, 2):
        lanes.finish(seq)
    assert lanes.take_retry(29.0) is None
    lanes.read(file_event(4), wanted=False)
    assert lanes.take_retry(29.0) is lane
    lane.busy = False
    lanes.release(lane)
    assert lanes.next_file_wait() is None
