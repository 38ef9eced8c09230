"""Implements a circuit breaker as an immutable value, for health probes of Redis, state store and bucket (pure).

``closed`` lets everything pass; after `limit` failures in a row it is ``open`` and lets nothing
pass for `cooldown` seconds; then ``half_open`` lets one trial pass, which closes it or opens it
for twice as long, up to `longest`. `now` is a monotonic clock in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from actors.runtime.backoff import doubled

if TYPE_CHECKING:
    from collections.abc import Mapping

State = Literal["closed", "open", "half_open"]

BREAKER_LEVELS: Mapping[State, int] = {"closed": 0, "half_open": 1, "open": 2}
"""As numbers, for Prometheus."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """The record of one thing that may fail; every method returns a new one."""

    limit: int = 3
    cooldown: float = 30.0
    longest: float = 300.0
    failures: int = 0
    openings: int = 0
    opened_at: float | None = None
    trying: bool = False

    def state(self, now: float) -> State:
        """The breaker's state at `now`."""
        if self.opened_at is None:
            return "closed"
        return "half_open" if now - self.opened_at >= self.pause else "open"

    @property
    def pause(self) -> float:
        """The length of the present opening, in seconds."""
        return doubled(self.openings, self.cooldown, self.longest)

    def allows(self, now: float) -> bool:
        """Whether an attempt may be made; of a half-open one, only while none is under way."""
        state = self.state(now)
        return state == "closed" or (state == "half_open" and not self.trying)

    def tried(self, now: float) -> Breaker:
        """An attempt began. Raises `ValueError` where none was allowed."""
        if not self.allows(now):
            raise ValueError("the breaker is open")
        return replace(self, trying=self.opened_at is not None)

    def succeeded(self) -> Breaker:
        """It works: closed, and all failures forgotten."""
        return replace(self, failures=0, openings=0, opened_at=None, trying=False)

    def failed(self, now: float) -> Breaker:
        """It failed: opens at the limit, and again at once after a failed trial.

        A failure that was under way when it opened neither prolongs nor doubles the pause.
        """
        if self.opened_at is not None and not self.trying:
            return self
        failures = self.failures + 1
        if self.opened_at is None and failures < self.limit:
            return replace(self, failures=failures)
        return replace(
            self, failures=failures, openings=self.openings + 1, opened_at=now, trying=False
        )
