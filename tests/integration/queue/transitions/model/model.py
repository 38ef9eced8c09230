"""The queue in plain Python: what `lanes.lua` promises, without a key of it.

Tests run both side by side. Which of several ready chats comes first is left open here: fair turns
have tests of their own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

CONCURRENCY = 3
PROOF = {"sent": 1, "delivered": 2, "read": 3}
LIMITED = "reach_out_limited"


@dataclass
class Message:
    """`rank` is its place in its lane, None while its `send_at` is to come.

    `ahead`: it is given out to follow the one in flight in its chat.
    """

    text: str
    chat: str
    priority: int
    accepted: int
    status: str
    ahead: bool = False
    rank: tuple[int, int] | None = None
    due: float | None = None  # of its send_at or of its retry
    attempts: int = 0
    uncertain: bool = False
    error: str | None = None
    died: int = 0
    died_at: float = 0
    expired: bool = False
    crashes: int = 0
    seen: int = 0

    @property
    def open(self) -> bool:
        return self.status in {"queued", "waiting", "sending"}


@dataclass
class Model:
    """One connection's queue. `now` and `epoch` are those of the caller."""

    messages: dict[str, Message] = field(default_factory=dict)
    sequence: int = 0
    interval: float = 0
    gap: float = 0
    paced: float = 0
    paced_by: str | None = None
    """The message that was claimed last, which takes the pause before the next one."""
    gaps: dict[str, float] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    joining: dict[str, str] = field(default_factory=dict)
    """Chats whose lane is to join another one, which waits for a message in flight; and that one."""
    clock: float | None = None
    seen: Counter[str] = field(default_factory=Counter)
    """The number of each event, so that a test fails where too few came."""

    def accept(
        self, text: str, chat: str, priority: int, send_at: float | None, now: float
    ) -> None:
        self.promote(now)
        message = Message(text, self.today(chat), priority, self._next(), "queued")
        self.messages[text] = message
        if send_at is not None and send_at > now:
            message.status, message.due = "waiting", send_at
        else:
            message.rank = (priority, message.accepted)

    def promote(self, now: float) -> None:
        waiting = [m for m in self.messages.values() if m.status == "waiting"]
        for message in sorted(waiting, key=lambda m: (m.due, m.accepted)):
            if message.due is not None and message.due <= now:
                message.status, message.due = "queued", None
                if message.rank is None:
                    message.chat = self.today(message.chat)
                    message.rank = (message.priority, self._next())

    def follow_clock(self, now: float) -> None:
        """A backoff moves along with a clock that is set back; a `send_at` is a time of the clock."""
        jump = 0 if self.clock is None else self.clock - now
        self.clock = now
        for message in self.messages.values():
            if jump > 1 and message.due is not None and message.rank is not None:
                message.due -= jump

    def lane(self, chat: str) -> list[Message]:
        queued = [m for m in self.messages.values() if m.open and m.rank and m.chat == chat]
        return sorted(queued, key=lambda m: m.rank or (0, 0))

    def ready(self) -> dict[str, Message]:
        """The next message of each chat that has none in flight and none in backoff."""
        lanes = {chat: self.lane(chat) for chat in {m.chat for m in self.messages.values()}}
        return {
            chat: lane[0]
            for chat, lane in lanes.items()
            if lane
            and all(message.status == "queued" for message in lane)
            and chat not in {*self.joining, *self.joining.values()}
        }

    def flying(self) -> list[Message]:
        return [m for m in self.messages.values() if m.status == "sending" and not m.ahead]

    def following(self, chat: str) -> Message | None:
        return next((m for m in self.messages.values() if m.ahead and m.chat == chat), None)

    def followers(self) -> list[Message]:
        """Returns the messages that a claim gives ahead, after it took its heads."""
        if self.interval or self.gap or self.ready():
            return []
        if any(message.crashes for message in self.flying()):
            return []
        found = []
        for chat in {message.chat for message in self.flying()}:
            behind = [m for m in self.lane(chat) if m.status == "queued"]
            if behind and not behind[0].crashes and self.following(chat) is None:
                found.append(behind[0])
        return found

    def claimable(self, limit: int, now: float) -> tuple[int, dict[str, Message]]:
        """Returns the largest number of messages in a claim, and the heads of their chats."""
        self.promote(now)
        ready = {c: head for c, head in self.ready().items() if self.gaps.get(c, now) <= now}
        room = min(limit, CONCURRENCY - len(self.flying()), len(ready))
        if any(message.crashes for message in self.flying()):
            room = 0
        if len(ready) < len(self.ready()) or (self.interval and self.paced > now):
            self.seen["paced"] += 1
        if self.interval:
            room = min(room, 1 if self.paced <= now else 0)
        return room, ready

    def claim(self, text: str, now: float, *, ahead: bool = False) -> None:
        message = self.messages[text]
        message.ahead = ahead
        message.status, message.attempts = "sending", message.attempts + 1
        self.seen["claimed"] += 1
        if self.gap:
            self.gaps[message.chat] = now + self.gap
        self.paced, self.paced_by = now + self.interval, text

    def prove(self, text: str, status: str) -> None:
        message = self.messages[text]
        if message.status not in PROOF:
            self._leave(message)
            message.due, message.error, message.uncertain = None, None, False
            message.expired = False
        if PROOF[status] > PROOF.get(message.status, 0):
            message.status = status

    def fail(self, text: str, *, due: float | None, uncertain: bool, now: float) -> str:
        message = self.messages[text]
        if message.status != "sending":
            return "sent"
        if message.ahead:
            self._step_back(message)
            return "waiting"
        if due is None:
            self._leave(message)
        else:
            self._step_back(self.following(message.chat))
        message.error, message.due = "ack_timeout", due
        message.uncertain = message.uncertain or uncertain
        message.status = "dead" if due is None else "waiting"
        message.died, message.died_at = self._next(), now
        self.seen[message.status] += 1
        return message.status

    def defer(self, text: str, due: float) -> None:
        """As a failure that is tried again, but that nothing was tried."""
        message = self.messages[text]
        if message.status == "sending" and not message.ahead:
            message.attempts -= 1
            if self.paced_by == text:
                self.paced, self.paced_by = 0, None
            self._step_back(self.following(message.chat))
            message.status, message.due, message.error = "waiting", due, LIMITED
            self.seen["deferred"] += 1
        elif message.status == "sending":
            self._step_back(message)

    def lift(self, until: float, chat: str | None) -> None:
        for message in self.messages.values():
            held = message.status == "waiting" and message.rank is not None
            if held and message.error == LIMITED and chat in {None, message.chat}:
                self.seen["lifted"] += message.due != until
                message.due = until

    def unclaim(self, text: str) -> None:
        message = self.messages[text]
        if message.status == "sending":
            if not message.ahead:
                self._step_back(self.following(message.chat))
            self._step_back(message)

    def _leave(self, message: Message) -> None:
        """It leaves the queue: what was to follow it is in flight."""
        follower = self.following(message.chat)
        if message.ahead:
            message.ahead = False
        elif message.status == "sending" and follower is not None:
            follower.ahead = False

    def _step_back(self, message: Message | None) -> None:
        if message is not None:
            message.ahead, message.status = False, "queued"
            message.attempts -= 1

    def take(self, now: float, *, seen: bool) -> None:
        """A message that crashed two owners, the second time alone in flight, crashes no third.

        Ends that nobody saw count little.
        """
        flying = [m for m in self.messages.values() if m.status == "sending"]
        for message in flying:
            message.ahead = False
            message.status, message.uncertain = "queued", True
            message.crashes += 1
            message.seen += seen
            if len(flying) == 1 and (message.seen > 1 or message.crashes > 4):
                message.status, message.error = "dead", "poison"
                message.died, message.died_at = self._next(), now
                self.seen["poison"] += 1

    def today(self, chat: str) -> str:
        """Returns the chat's name after all reported renames."""
        while chat in self.names:
            chat = self.names[chat]
        return chat

    def rename(self, old: str, new: str, put_down: list[str]) -> str:
        """Once nothing of either flies, what waits in the old lane is in the new one."""
        for gone in {old, new} if old == new else {new}:
            self.names.pop(gone, None)
            self.joining.pop(gone, None)
        if old == new:
            return "done"
        self.names[old] = new
        self.joining = {a: new if b == old else b for a, b in self.joining.items()}
        for text in put_down:
            self._step_back(self.messages[text])
        lane, both = self.lane(old), [*self.lane(old), *self.lane(new)]
        if lane and any(message.status == "sending" for message in both):
            self.joining[old] = new
            self.seen["busy"] += 1
            return "busy"
        held = [message for message in both if message.status == "waiting"]
        for message in lane:
            message.chat = new
            self.seen["joined"] += len(both) > len(lane)
        if lane and len(held) > 1:
            earlier = min(held, key=lambda message: message.due or 0.0)
            earlier.status, earlier.due = "queued", None
        self.gaps[new] = max(self.gaps.get(old, 0.0), self.gaps.get(new, 0.0))
        self.gaps.pop(old, None)
        self.joining.pop(old, None)
        return "done"

    def cancel(self, text: str) -> bool:
        message = self.messages[text]
        if message.status in {"queued", "waiting"}:
            message.status, message.due = "cancelled", None
        return message.status == "cancelled"

    def retry(self, text: str) -> bool:
        message = self.messages[text]
        if message.status != "dead":
            return False
        self.seen["redriven"] += message.attempts > 0
        message.status, message.error, message.attempts = "queued", None, 0
        message.crashes, message.seen, message.expired = 0, 0, False
        message.chat = self.today(message.chat)
        message.rank = (message.priority, self._next())
        return True

    def redrive(self, chat: str | None, code: str | None, limit: int | None) -> int:
        """In the order of their deaths."""
        meant = [
            message
            for message in self.dead()
            if chat is None or self.today(chat) == self.today(message.chat)
            if code in {None, message.error}
        ][:limit]
        for message in meant:
            self.retry(message.text)
        return len(meant)

    def retry_all(self) -> int:
        return self.redrive(None, None, None)

    def dead(self) -> list[Message]:
        """The dead letters that are listed, in the order of their deaths."""
        there = [m for m in self.messages.values() if m.status == "dead" and not m.expired]
        return sorted(there, key=lambda message: message.died)

    def prune(self, before: float) -> int:
        """Up to the first that is younger: the clock may have been set back since."""
        count = 0
        for message in self.dead():
            if message.died_at >= before:
                break
            message.expired = True
            self.seen["pruned"] += 1
            count += 1
        return count

    def forget(self, marked: set[str]) -> list[str]:
        """Finished messages leave, but for those that are not mirrored; their texts."""
        gone = [
            text
            for text, message in self.messages.items()
            if (message.expired or message.status in {*PROOF, "cancelled"}) and text not in marked
        ]
        for text in gone:
            del self.messages[text]
        self.seen["left"] += len(gone)
        return gone

    def next_due(self) -> float | None:
        return min((m.due for m in self.messages.values() if m.due is not None), default=None)

    def count(self, status: str) -> int:
        return sum(message.status == status for message in self.messages.values())

    def _next(self) -> int:
        self.sequence += 1
        return self.sequence
