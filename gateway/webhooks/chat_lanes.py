"""Orders a webhook's undelivered events by chat in memory, and picks the chat whose event is tried next (pure).

The worker (`delivery_worker`) takes the log in, and out of each lane one event at a time.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

from gateway.webhooks.delivery_policy import MAX_PAUSE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from actors.state.events.deliveries import Delivery
    from actors.state.events.event import Event
    from actors.state.events.outbox import NumberedEvent

WAITING_EVENTS, WAITING_EVENT_BYTES = 500, 1_000_000
"""Events, and their bytes, that wait in memory for one endpoint; one more may be larger."""

REPEATS = "repeats"
"""The lane of what a person wants once more; those of chats have a slash."""


def lane_of(event: Event) -> str:
    """The lane that keeps the order of this event.

    It is that of a chat, and of what is about none, of the connection's events of one kind: those of
    its state, of its calls, of alerts.
    """
    chat = event.data.get("chat")
    if not isinstance(chat, str):
        chat = event.type.partition(".")[0]
    return f"{event.connection or ''}/{chat}"


def former_lane_of(event: Event) -> str | None:
    """The lane of the address that the chat of this event had until then; None where it had no other."""
    former = event.data.get("former")
    return f"{event.connection or ''}/{former}" if isinstance(former, str) else None


def _ends_file(event: Event) -> bool:
    """Whether no message of the event's chat has to be waited for any more: its file has ended, or it is deleted."""
    return event.type == "message.media" or event.data.get("change") == "delete"


@dataclass(slots=True, eq=False)
class ChatLane:
    """Events of one chat in their order: `head`, then what is stored behind it, then `waiting`.

    `head` is the number of a refused event, which is tried again at `retry_at` after `attempts`. It has
    a document, and so has what is stored `behind`; the worker reads that after the number `last`.
    `spills` counts how often something was put there. The first of `waiting` waits for its message's file until
    `file_until`; `file_news`: a file of the chat ended while it was tried. `former` is the lane whose events before
    `head` go before it, where that one was not tried yet.
    """

    key: str
    waiting: deque[NumberedEvent] = field(default_factory=deque)
    head: int | None = None
    head_at: float | None = None
    former: str | None = None
    attempts: int = 0
    retry_at: float = 0.0
    behind: bool = False
    last: int = 0
    spills: int = 0
    busy: bool = False
    queued: bool = False
    file_until: float | None = None
    file_news: bool = False

    @property
    def empty(self) -> bool:
        """Whether no event of the chat is on its way."""
        return self.head is None and not self.behind and not self.waiting


class ChatLanes:
    """Every event that was taken in is open until `finish`; `place` says what need not be read again.

    A chat that gets another address has two lanes, for the two were two chats to everybody until then. The event
    about it is in the lane of the new address, and goes once nothing from before it is left in the former
    lane; events behind it wait for it. The first event of all waits for none, so that no two lanes wait for
    each other.

    Each operation takes a time that does not depend on how much waits; `behind` and `oldest_at` look at each
    lane and open event, whose number is bounded.
    """

    def __init__(self, cursor: int, done: list[tuple[int, int]]) -> None:
        self._seen = cursor
        self._ahead = deque(done)  # what is known to be done of what was not read again yet
        self._open: dict[int, tuple[int, float]] = {}  # ascending: sizes, and when it happened
        self._bytes = 0
        self._lanes: dict[str, ChatLane] = {}
        self._ready: deque[ChatLane] = deque()
        self._due: list[tuple[float, int, ChatLane]] = []
        self._pushed = 0
        self._file_waits: list[tuple[float, int, ChatLane]] = []
        self._waiting: dict[str, list[ChatLane]] = {}  # by the former lane that they wait for
        self._unread: list[ChatLane] = []  # that wait until the log is read up to their heads
        self.held: dict[str, ChatLane] = {}
        """Lanes whose head has a document and is tried later, the one that is held longest first."""

    @property
    def position(self) -> int:
        """The number behind which the log is to be read on."""
        while self._ahead and self._ahead[0][0] <= self._seen + 1:
            self._seen = max(self._seen, self._ahead.popleft()[1])
        return self._seen

    @property
    def full(self) -> bool:
        """Whether no more events are read for now, by number or by bytes."""
        return len(self._open) >= WAITING_EVENTS or self._bytes >= WAITING_EVENT_BYTES

    @property
    def behind(self) -> bool:
        """Whether a chat has more in documents than its head."""
        return any(each.behind for each in self._lanes.values() if each.key != REPEATS)

    @property
    def oldest_at(self) -> float | None:
        """Time at which the oldest event that waits happened."""
        heads = [each.head_at for each in self.held.values() if each.head_at is not None]
        opened = [at for _, at in self._open.values()]
        return min((*heads, *opened), default=None)

    def read(self, numbered: NumberedEvent, *, wanted: bool) -> int:
        """Take the next event of the log in; how many before it were gone already."""
        missing = 0
        while numbered.seq > self.position + 1:
            gap = self._ahead[0][0] if self._ahead else numbered.seq
            first = min(gap, numbered.seq)
            missing += first - self._seen - 1
            self._seen = first - 1
        if numbered.seq <= self._seen:
            return missing
        self._seen = numbered.seq
        if wanted:
            self._open[numbered.seq] = numbered.size, numbered.event.at
            self._bytes += numbered.size
            lane = self.lane(lane_of(numbered.event))
            lane.waiting.append(numbered)
            self.queue(lane)
        if _ends_file(numbered.event):
            self._file_ended(numbered.event)
        if self._unread:
            waiting, self._unread = self._unread, []
            for each in waiting:
                self._requeue(each)
        return missing

    def follows(self, event: Event) -> bool:
        """Whether the event reports another address of a chat of which something waits under the former one."""
        former = self._lanes.get(former_lane_of(event) or "")
        return former is not None and not former.empty

    def must_wait(self, lane: ChatLane, numbered: NumberedEvent) -> bool:
        """Whether the event, which is in this lane, has to wait for some of the former lane of its chat.

        The lane is queued again once that may be over.
        """
        return self._must_wait(lane, numbered.seq, former_lane_of(numbered.event))

    def finish(self, seq: int) -> None:
        """It was delivered, or a document has it."""
        size, _ = self._open.pop(seq, (0, 0.0))
        self._bytes -= size

    def place(self, stored: Collection[int]) -> tuple[int, tuple[int, ...]]:
        """The cursor and what is done beyond it, once documents have the events in `stored`."""
        seen = self.position
        gaps = [seq for seq in self._open if seq not in stored]
        begin = seen + 1 if not gaps else gaps[0]
        done = []
        for seq, following in pairwise((*gaps, seen + 1)):
            if following > seq + 1:
                done += [seq + 1, following - 1]
        for first, last in self._ahead:
            done += [first, last]
        return begin - 1, tuple(done)

    def lane(self, key: str) -> ChatLane:
        """The lane of this name."""
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = ChatLane(key)
        return lane

    def queue(self, lane: ChatLane) -> None:
        """Have its next event go as soon as it may, unless it is tried already, or waits for a retry."""
        if lane.head is None and lane.empty:
            if not lane.busy:
                self._lanes.pop(lane.key, None)
        elif lane.head is None and not (lane.busy or lane.queued or lane.file_until is not None):
            lane.queued = True
            self._ready.append(lane)
        for each in self._waiting.pop(lane.key, ()):
            self._requeue(each)

    def hold(
        self,
        lane: ChatLane,
        seq: int,
        at: float,
        attempts: int,
        retry_at: float,
        *,
        former: str | None = None,
    ) -> None:
        """Its event of this number, which happened `at`, was refused: it is tried again then.

        One that was not tried yet may have to wait for some of the lane `former`.
        """
        lane.head, lane.head_at, lane.attempts, lane.retry_at = seq, at, attempts, retry_at
        lane.former = former
        self.held[lane.key] = lane
        self._push(lane)

    def restore(self, delivery: Delivery, *, at_once: bool) -> None:
        """Hold the head of a lane that was stored by a former process, `at_once` or when it is due."""
        assert delivery.lane is not None
        lane, numbered = self.lane(delivery.lane), delivery.numbered
        if lane.head is not None:
            return  # found once that one is dealt with
        lane.behind, lane.last = True, numbered.seq
        retry_at = 0.0 if at_once else delivery.retry_at or 0.0
        former = None if delivery.attempts else former_lane_of(numbered.event)
        self.hold(lane, numbered.seq, numbered.event.at, delivery.attempts, retry_at, former=former)

    def hold_on(self, lane: ChatLane, retry_at: float) -> None:
        """No attempt could be made: its head, where it has one, is due then."""
        if lane.head is not None:
            lane.retry_at = retry_at
            self._push(lane)

    def release(self, lane: ChatLane) -> None:
        """Its head is dealt with."""
        lane.head, lane.head_at, lane.attempts, lane.retry_at = None, None, 0, 0.0
        lane.former = None
        self.held.pop(lane.key, None)

    def wait_for_file(self, lane: ChatLane, until: float) -> None:
        """Have the next event of a lane, which is in memory, tried once its chat's file has ended, or then."""
        if not lane.file_news:
            lane.file_until = until
            self._pushed += 1
            heapq.heappush(self._file_waits, (until, self._pushed, lane))

    def _file_ended(self, event: Event) -> None:
        """Look at a chat again that may wait for the file of the event."""
        lane = self._lanes.get(lane_of(event))
        if lane is None:
            return
        if lane.busy:
            lane.file_news = True
        elif lane.file_until is not None:
            lane.file_until = None
            self.queue(lane)
        elif lane.head is not None and not lane.attempts:
            lane.retry_at = 0.0
            self._push(lane)

    def next_file_wait(self) -> float | None:
        """Time until which the next chat waits for a file; None where none does in memory."""
        while self._file_waits:
            until, _, lane = self._file_waits[0]
            if lane.file_until == until:
                return until
            heapq.heappop(self._file_waits)
        return None

    def end_file_waits(self, now: float) -> None:
        """Queue the chats that waited for a file until `now`."""
        # As `take_retry`, where the clock was set back.
        while (until := self.next_file_wait()) is not None and not now < until <= now + MAX_PAUSE:
            _, _, lane = heapq.heappop(self._file_waits)
            lane.file_until = None
            self.queue(lane)

    def retry_now(self) -> None:
        """Have all that were refused tried again at once, and all that wait for a file."""
        self.end_file_waits(inf)
        for lane in self.held.values():
            if lane.retry_at > 0 and not lane.busy:
                lane.retry_at = 0.0
                self._push(lane)

    def due(self) -> float | None:
        """Time of the next retry; None where there is none."""
        while self._due:
            at, _, lane = self._due[0]
            if lane.head is not None and not lane.busy and lane.retry_at == at:
                return at
            heapq.heappop(self._due)
        return None

    def take_retry(self, now: float) -> ChatLane | None:
        """A lane whose head is due, busy from now on."""
        # Never later than after the longest pause, though the clock was set back.
        while (at := self.due()) is not None and not now < at <= now + MAX_PAUSE:
            _, _, lane = heapq.heappop(self._due)
            if not self._waits(lane):
                lane.busy, lane.file_news = True, False
                return lane
        return None

    @property
    def has_new(self) -> bool:
        """Whether a lane has an event that was not tried yet and may go."""
        return bool(self._ready)

    def take_new(self) -> ChatLane | None:
        """A lane whose next event was not tried yet, in turn; busy from now on."""
        while self._ready:
            lane = self._ready.popleft()
            lane.queued = False
            if not self._waits(lane):
                lane.busy, lane.file_news = True, False
                return lane
        return None

    def spill(self) -> Iterator[tuple[ChatLane, NumberedEvent]]:
        """Give away what waits in memory for events that were refused, or for a file: documents are to have it.

        One that is its lane's head then comes first.
        """
        for lane in self._lanes.values():
            in_memory = lane.head is None and not lane.behind
            waits = lane.file_until is not None or (not lane.busy and self._waits(lane))
            if in_memory and lane.waiting and waits:
                first = lane.waiting.popleft()
                former = former_lane_of(first.event)
                self.hold(lane, first.seq, first.event.at, 0, lane.file_until or 0.0, former=former)
                lane.file_until = None
                lane.last = first.seq
                yield lane, first
            if (lane.head is not None or lane.behind) and lane.waiting:
                lane.behind = True
                lane.spills += 1
                while lane.waiting:
                    yield lane, lane.waiting.popleft()

    def _waits(self, lane: ChatLane) -> bool:
        """As `must_wait`, of the next event of the lane, where that is known without a look at documents."""
        if lane.head is not None:
            return self._must_wait(lane, lane.head, lane.former)
        if lane.behind or not lane.waiting:
            return False
        return self.must_wait(lane, lane.waiting[0])

    def _must_wait(self, lane: ChatLane, seq: int, former: str | None) -> bool:
        if former is None or former == lane.key:
            return False
        if self.position < seq:  # it is stored, and the log is read anew from what is before it
            self._unread.append(lane)
            return True
        other = self._lanes.get(former)
        if other is None or other.empty or _first_of(other) > seq:
            return False
        self._waiting.setdefault(former, []).append(lane)
        return True

    def _requeue(self, lane: ChatLane) -> None:
        """Have a lane looked at again that waited for another one."""
        if lane.head is not None and not lane.busy:
            self._push(lane)
        else:
            self.queue(lane)

    def _push(self, lane: ChatLane) -> None:
        self._pushed += 1
        heapq.heappush(self._due, (lane.retry_at, self._pushed, lane))


def _first_of(lane: ChatLane) -> int:
    """The number of the first event of a lane that is not empty, or one that is less."""
    if lane.head is not None:
        return lane.head
    return lane.last + 1 if lane.behind else lane.waiting[0].seq
