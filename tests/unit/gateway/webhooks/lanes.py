"""Fills lanes of chats with events, and has an endpoint take or refuse one."""

from __future__ import annotations

from actors.state.events.event import Event
from actors.state.events.outbox import NumberedEvent
from gateway.webhooks.chat_lanes import ChatLane, ChatLanes


def event(
    seq: int, chat: str | None = "a", size: int = 1, *, former: str | None = None
) -> NumberedEvent:
    data = {} if chat is None else {"chat": chat}
    if former is not None:
        data["former"] = former
    return NumberedEvent(
        seq, 1.0, Event(f"e{seq}", "message.read", "shop", float(seq), data), size=size
    )


def filled(*chats: str, cursor: int = 0) -> ChatLanes:
    """Events of these chats, one after the other."""
    lanes = ChatLanes(cursor, [])
    for seq, chat in enumerate(chats, cursor + 1):
        assert lanes.read(event(seq, chat), wanted=True) == 0
    return lanes


def deliver(lanes: ChatLanes, lane: ChatLane) -> int:
    """The endpoint took the next event of a lane."""
    lane.busy = False
    seq = lane.waiting.popleft().seq
    lanes.finish(seq)
    lanes.queue(lane)
    return seq


def refuse(lanes: ChatLanes, lane: ChatLane, retry_at: float) -> int:
    lane.busy = False
    seq = lane.waiting.popleft().seq
    lanes.hold(lane, seq, float(seq), 1, retry_at)
    lanes.queue(lane)
    return seq
