"""Policy after a death: when to start again, how many at a time, and when to stop.

Pure: clocks, chance and what is known come in, decisions go out. Seconds throughout; `now` is a
monotonic clock except where a lease's own time says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from actors.runtime.backoff import backoff

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.config.settings import Settings

QUIET = 300.0
"""After this long without an unstable life the budget of restarts is whole again."""


def restart_after(streak: int, base: float, cap: float, chance: float) -> float:
    """Seconds until the restart after `streak` short lives in a row; after the first, at once.

    Never less than half of the step, so that a crash loop slows down for certain.
    """
    return 0.0 if streak <= 1 else backoff(streak - 1, base, cap, chance, floor=0.5)


@dataclass(frozen=True, slots=True)
class Intensity:
    """The restart intensity: falls in a window after which a connection is given up (G9).

    A life shorter than `min_uptime` is unstable. At most `limit` unstable lives are answered with
    a restart; the next one exhausts the budget, which is whole again only after `quiet` seconds
    without one: a loop that is slow enough never to fill a plain window is still a loop.
    """

    limit: int
    min_uptime: float
    quiet: float = QUIET
    falls: tuple[float, ...] = ()
    streak: int = 0

    def fell(self, lived: float, now: float) -> Intensity:
        """The record after a life of `lived` seconds ended at `now`."""
        if lived >= self.min_uptime:
            return self._with(self._recent(now), streak=1)
        falls = (*self._recent(now), now)[-(self.limit + 1) :]
        return self._with(falls, streak=self.streak + 1)

    def exhausted(self, now: float) -> bool:
        """Whether the budget is spent."""
        return len(self._recent(now)) > self.limit

    def on_trial(self, now: float) -> Intensity:
        """The record that the next unstable life exhausts, unless `quiet` seconds pass before."""
        return self._with((now,) * self.limit, streak=1)

    def _recent(self, now: float) -> tuple[float, ...]:
        quiet = not self.falls or now - self.falls[-1] >= self.quiet
        return () if quiet else self.falls

    def _with(self, falls: tuple[float, ...], streak: int) -> Intensity:
        return replace(self, falls=falls, streak=streak)


@dataclass(frozen=True, slots=True)
class Wave:
    """The number of concurrent starts after a mass failure.

    A start that takes longer than `patience` seconds keeps running and no longer counts: one stuck
    connection does not hold the wave.
    """

    size: int = 4
    patience: float = 5.0
    spread: float = 0.3

    def admit(
        self, waiting: Sequence[str], running: Mapping[str, float], now: float
    ) -> tuple[str, ...]:
        """The starts of `waiting` that may run now, in their order; `running` maps a start to its time."""
        counted = sum(now - since < self.patience for since in running.values())
        return tuple(waiting[: max(0, self.size - counted)])

    def jitter(self, company: int, chance: float) -> float:
        """The delay of a start that has `company` others beside it, in seconds; alone, none."""
        return 0.0 if company == 0 else self.spread * chance

    def next_look(self, running: Mapping[str, float], now: float) -> float | None:
        """In how many seconds a running start stops counting; ``None`` when none counts."""
        left = [self.patience - (now - since) for since in running.values()]
        return min((seconds for seconds in left if seconds > 0), default=None)


@dataclass(frozen=True, slots=True)
class Probes:
    """The rule for a hung child: `failures` unanswered probes in a row, within 15 seconds (G8).

    A probe fails when it is not answered within `timeout`, or is answered with a main loop that
    lags by more than `lag`. A probe whose own timer came late says more about this process or the
    machine than about the child, and does not count.
    """

    interval: float = 2.5
    timeout: float = 3.5
    lag: float = 3.5
    failures: int = 2
    own_lag: float = 1.0

    def failed(self, answered: bool, lag: float, took: float) -> bool:
        """Whether this probe counts against the child."""
        if answered:
            return lag > self.lag
        return took <= self.timeout + self.own_lag

    def pause(self, failed: int) -> float:
        """The wait before the next probe after `failed` ones in a row, in seconds."""
        return self.interval if failed == 0 else min(self.interval, 1.0)


@dataclass(frozen=True, slots=True)
class Memory:
    """The rule for a process that grew too large: over `limit` bytes at `probes` probes in a row.

    Never before it has lived for `rest` seconds, or a limit below what it needs from the start
    would restart it without end.
    """

    limit: int
    rest: float
    probes: int = 2

    @classmethod
    def of(cls, settings: Settings) -> Memory:
        """As the instance's settings have it."""
        return cls(settings.max_memory_restart, rest=3 * settings.min_uptime / 1000)

    def over(self, before: int, size: int) -> int:
        """Probes in a row that found it over the limit, the newest of `size` bytes included."""
        return before + 1 if size > self.limit else 0

    def exceeded(self, times: int, lived: float) -> bool:
        """Whether one that was found over the limit `times` times in a row is restarted."""
        return times >= self.probes and lived >= self.rest


@dataclass(slots=True)
class Expiry:
    """The expiry of a lease whose owner cannot be reached, by the reader's own clock.

    An owner that does not renew for `seconds` lets go of its socket, counted from when its last
    renewal began. Whoever reads that renewal reads it later, so that waiting as long from there is
    enough, however far the clocks of two hosts are apart.
    """

    seconds: float
    _since: dict[str, tuple[object, float]] = field(default_factory=dict)

    def saw(self, name: str, renewal: object, now: float) -> None:
        """The newest renewal of `name` is `renewal`, whatever that is, as long as each differs."""
        known = self._since.get(name)
        if known is None or known[0] != renewal:
            self._since[name] = (renewal, now)

    def left(self, name: str, now: float) -> float:
        """Seconds until nobody counts as the owner any more."""
        _, since = self._since.get(name, (None, now))
        return max(0.0, since + self.seconds - now)


@dataclass(slots=True)
class Lives:
    """The record of restarts of each name (a connection's id or a role), on one policy."""

    template: Intensity
    base: float
    cap: float
    _of: dict[str, Intensity] = field(default_factory=dict)

    def fell(self, name: str, lived: float, now: float) -> None:
        self._of[name] = self._of.get(name, self.template).fell(lived, now)

    def exhausted(self, name: str, now: float) -> bool:
        return self._of.get(name, self.template).exhausted(now)

    def delay(self, name: str, chance: float) -> float:
        """The wait before the next start of `name`, in seconds."""
        return restart_after(self._of.get(name, self.template).streak, self.base, self.cap, chance)

    def forgive(self, name: str) -> bool:
        """Forget what fell; whether anything did."""
        return self._of.pop(name, None) is not None

    def try_once(self, name: str, now: float) -> None:
        """Half-open: one start, whose failure spends the budget at once."""
        self._of[name] = self._of.get(name, self.template).on_trial(now)

    def record(self, name: str) -> Intensity | None:
        """The record of `name`; None when nothing fell."""
        return self._of.get(name)

    def restore(self, name: str, falls: Sequence[float], streak: int) -> None:
        """Take over the record of somebody who died."""
        newest = tuple(falls)[-(self.template.limit + 1) :]
        self._of[name] = replace(self.template, falls=newest, streak=streak)
