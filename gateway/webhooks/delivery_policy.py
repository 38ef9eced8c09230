"""Decides after a webhook attempt: delivered, retry, dead or gone, and the pause; throttles failing endpoints (pure).

An event is tried until it was delivered or, an attempt having failed, is a day old: then it is dead
and the next one of its chat goes. A day's silence of an endpoint thus costs the events older than
that day, each after an attempt of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from actors.runtime.backoff import backoff

if TYPE_CHECKING:
    from actors.state.events.deliveries import Attempt
    from actors.state.events.outbox import NumberedEvent

Verdict = Literal["delivered", "retry", "dead", "gone"]

DELIVERY_PERIOD = 86_400.0
"""Seconds for which an event is tried."""

FIRST_RETRY_PAUSE, MAX_PAUSE = 1.0, 300.0
"""Seconds between two attempts; it doubles, up to that: so late an endpoint is found back."""

DOWN = 3
"""Events that an endpoint refuses one after the other until it is taken to be down."""

GONE_STATUS = 410
UNREADABLE_EVENT = "unreadable"
"""An event that this release cannot tell: another attempt would change nothing."""
SUPERSEDED = "endpoint_was_gone"
"""The status of an event older than its endpoint's 410: an endpoint that is switched on again begins anew."""
HOPELESS = (UNREADABLE_EVENT, SUPERSEDED)
"""No failures of the endpoint; another attempt would change nothing."""


def judged(attempt: Attempt, numbered: NumberedEvent, now: float) -> Verdict:
    """The verdict on an attempt to deliver an event, whose age at `now` (`actors.runtime.deletion_time`) counts."""
    if attempt.error is None:
        return "delivered"
    if attempt.status == GONE_STATUS:
        return "gone"
    return "dead" if attempt.error in HOPELESS or now - numbered.at >= DELIVERY_PERIOD else "retry"


def pause(failures: int, chance: float) -> float:
    """Seconds until the next attempt after so many that failed; `chance` is random, from 0 to 1."""
    return backoff(failures, FIRST_RETRY_PAUSE, MAX_PAUSE, chance, floor=0.5)


class EndpointBreaker:
    """Admits events that were not tried yet: all while the endpoint takes any, else one now and then.

    So an endpoint that is down is asked seldom, and the log keeps what it misses; one that refuses
    some chats gets all others at once.
    """

    def __init__(
        self, failing_since: float | None, error: str | None, delivered_at: float | None
    ) -> None:
        self.failing_since = failing_since
        self.error = error
        """Of the last attempt that failed."""
        self.delivered_at = delivered_at
        self._refused = 0
        self._opens_at = 0.0

    @property
    def down(self) -> bool:
        """Whether the endpoint refused the last `DOWN` new events, and took nothing since."""
        return self._refused >= DOWN

    def admits(self, now: float, on_their_way: int) -> bool:
        """Whether another new event may go, beside those that are on their way."""
        return not self.down or (on_their_way == 0 and self.left(now) <= 0)

    def left(self, now: float) -> float:
        """Seconds until the next new event may go; 0 where that is later than any pause: the clock was set back."""
        left = self._opens_at - now if self.down else 0.0
        return left if left <= MAX_PAUSE else 0.0

    def took(self, now: float) -> bool:
        """It took an event; whether it was down before."""
        was_down = self.down
        self.failing_since, self.delivered_at = None, now
        self.reset()
        return was_down

    def failed(self, attempt: Attempt, now: float) -> None:
        """An attempt failed, by no fault of the event."""
        self.error = attempt.error
        if self.failing_since is None:
            self.failing_since = now

    def refused(self, now: float, chance: float) -> None:
        """It refused an event that is new to it, and is tried again."""
        self._refused += 1
        if self.down and self.left(now) <= 0:
            self._opens_at = now + pause(self._refused - DOWN + 1, chance)

    def reset(self) -> None:
        """Have new events go at once."""
        self._refused, self._opens_at = 0, 0.0
