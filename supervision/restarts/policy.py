"""Decides restart backoff and intensity, waves of starts, probe failures, memory limits and lease expiry (pure).

Pure: clocks, chance and state come in, decisions go out. Seconds throughout; `now` is a monotonic
clock, except for the times of a lease.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from actors.runtime.backoff import backoff

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.config.settings import Settings

BUDGET_RESET_SECONDS = 300.0
"""Seconds without an unstable life after which the whole restart budget is available again."""


def restart_after(streak: int, base: float, cap: float, chance: float) -> float:
    """Returns the seconds until the restart after `streak` short lives in a row; 0 after the first.

    At least half of the step, so that a crash loop slows down for certain.
    """
    return 0.0 if streak <= 1 else backoff(streak - 1, base, cap, chance, floor=0.5)


@dataclass(frozen=True, slots=True)
class Intensity:
    """The restart intensity: the number of falls after which a connection is given up (G9).

    A life shorter than `min_uptime` is unstable. A restart follows each of `limit` unstable lives; the
    next one exhausts the budget, which is restored only after `quiet` seconds without one, so that a
    slow crash loop exhausts it as well.
    """

    limit: int
    min_uptime: float
    quiet: float = BUDGET_RESET_SECONDS
    falls: tuple[float, ...] = ()
    streak: int = 0

    def fell(self, lived: float, now: float) -> Intensity:
        """Returns the record after a life of `lived` seconds that ended at `now`."""
        if lived >= self.min_uptime:
            return self._with(self._recent(now), streak=1)
        falls = (*self._recent(now), now)[-(self.limit + 1) :]
        return self._with(falls, streak=self.streak + 1)

    def exhausted(self, now: float) -> bool:
        """Returns whether the budget is exhausted."""
        return len(self._recent(now)) > self.limit

    def on_trial(self, now: float) -> Intensity:
        """Returns a record that the next unstable life exhausts, unless `quiet` seconds pass before."""
        return self._with((now,) * self.limit, streak=1)

    def _recent(self, now: float) -> tuple[float, ...]:
        quiet = not self.falls or now - self.falls[-1] >= self.quiet
        return () if quiet else self.falls

    def _with(self, falls: tuple[float, ...], streak: int) -> Intensity:
        return replace(self, falls=falls, streak=streak)


@dataclass(frozen=True, slots=True)
class Wave:
    """The limit on concurrent starts after a mass failure.

    A start that takes longer than `patience` seconds goes on and no longer counts, so that a stuck
    connection does not block the wave.
    """

    size: int = 4
    patience: float = 5.0
    spread: float = 0.3

    def admit(
        self, waiting: Sequence[str], running: Mapping[str, float], now: float
    ) -> tuple[str, ...]:
        """Returns the starts of `waiting` that may begin now, in their order; `running`: begun starts and their times."""
        counted = sum(now - since < self.patience for since in running.values())
        return tuple(waiting[: max(0, self.size - counted)])

    def jitter(self, company: int, chance: float) -> float:
        """Returns the delay in seconds of a start beside `company` others; 0 without others."""
        return 0.0 if company == 0 else self.spread * chance

    def next_look(self, running: Mapping[str, float], now: float) -> float | None:
        """Returns the seconds until a running start stops counting; ``None`` when none counts."""
        left = [self.patience - (now - since) for since in running.values()]
        return min((seconds for seconds in left if seconds > 0), default=None)


@dataclass(frozen=True, slots=True)
class ProbePolicy:
    """The rule for a hung child: `failures` failed probes in a row, within 15 seconds (G8).

    A probe fails without an answer within `timeout`, or with a main loop that lags by more than `lag`.
    A probe whose timer fired late does not count: the delay is this process's or the host's. Many children
    are probed less often, up to `longest` seconds apart, so that there are about `rate` probes a second.
    """

    interval: float = 2.5
    longest: float = 4.0
    rate: float = 20.0
    timeout: float = 3.5
    lag: float = 3.5
    failures: int = 2
    own_lag: float = 1.0

    def failed(self, answered: bool, lag: float, took: float) -> bool:
        """Returns whether a probe failed."""
        if answered:
            return lag > self.lag
        return took <= self.timeout + self.own_lag

    def pause(self, failed: int, children: int = 1) -> float:
        """Returns the seconds until the next probe of one of so many children, after `failed` failures in a row."""
        if failed:
            return min(self.interval, 1.0)
        return min(max(self.interval, children / self.rate), max(self.interval, self.longest))


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """The memory limit of a process: a restart after `probes` probes in a row over `limit` bytes.

    Not within `rest` seconds of its start, or a limit below its initial size would restart it for ever.
    """

    limit: int
    rest: float
    probes: int = 2

    @classmethod
    def of(cls, settings: Settings) -> MemoryLimit:
        """Returns the limit in the instance's settings."""
        return cls(settings.max_memory_restart, rest=3 * settings.min_uptime / 1000)

    def over(self, before: int, size: int) -> int:
        """Returns the number of probes in a row over the limit, after one of `size` bytes."""
        return before + 1 if size > self.limit else 0

    def exceeded(self, times: int, lived: float) -> bool:
        """Returns whether a process is restarted after `times` probes in a row over the limit."""
        return times >= self.probes and lived >= self.rest


@dataclass(slots=True)
class LeaseExpiry:
    """The expiry of leases whose owners cannot be reached, by the reader's clock.

    An owner closes its socket `seconds` after the begin of its last renewal. A reader observes a
    renewal after its begin, so that `seconds` from there are enough, for any difference of the hosts'
    clocks.
    """

    seconds: float
    _since: dict[str, tuple[object, float]] = field(default_factory=dict)

    def saw(self, name: str, renewal: object, now: float) -> None:
        """Notes the newest renewal of `name`, any value that differs from the one before."""
        since = self._since.get(name)
        if since is None or since[0] != renewal:
            self._since[name] = (renewal, now)

    def left(self, name: str, now: float) -> float:
        """Returns the seconds until the lease expires."""
        _, since = self._since.get(name, (None, now))
        return max(0.0, since + self.seconds - now)


@dataclass(slots=True)
class RestartRecords:
    """The restart intensity and backoff of each name (a connection's id or a role), by one policy."""

    template: Intensity
    base: float
    cap: float
    _of: dict[str, Intensity] = field(default_factory=dict)

    def fell(self, name: str, lived: float, now: float) -> None:
        """Record a fall of `name` after `lived` seconds; `now` in seconds of the clock that `exhausted` gets."""
        self._of[name] = self._of.get(name, self.template).fell(lived, now)

    def exhausted(self, name: str, now: float) -> bool:
        """Whether `name` fell more often than its restart intensity permits."""
        return self._of.get(name, self.template).exhausted(now)

    def delay(self, name: str, chance: float) -> float:
        """Returns the seconds until the next start of `name`."""
        return restart_after(self._of.get(name, self.template).streak, self.base, self.cap, chance)

    def forgive(self, name: str) -> bool:
        """Deletes the record of `name`; returns whether there was one."""
        return self._of.pop(name, None) is not None

    def try_once(self, name: str, now: float) -> None:
        """Allows one start (half-open), whose failure exhausts the budget at once."""
        self._of[name] = self.template.on_trial(now)

    def record(self, name: str) -> Intensity | None:
        """Returns the record of `name`; None without a fall."""
        return self._of.get(name)

    def restore(self, name: str, falls: Sequence[float], streak: int) -> None:
        """Restores the record that a previous root stored."""
        newest = tuple(falls)[-(self.template.limit + 1) :]
        self._of[name] = replace(self.template, falls=newest, streak=streak)
