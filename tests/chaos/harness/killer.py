"""Plans faults from a seed, and injects them.

Two schedules run at once: one for the parts that all connections share, one for single connections.
During a fault that ends all conversations no connection is struck.
"""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.chaos.harness.judge import Violation
from tests.waits import passes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.chaos.harness.faults.faults import Fault
    from tests.chaos.harness.scene import ConnectionOwner, Scene
    from tests.chaos.harness.traffic import Party

SURGE = 1.0
"""Seconds of haste around a fault: longer, and recovery would be the time that the rest takes."""

RECOVERY_EXCESS = 120.0
"""Seconds beyond its limit for which a recovery is waited for: a second fault may delay it."""


@dataclass(frozen=True)
class Planned:
    """A fault, whom it strikes, and the seconds of peace after the recovery."""

    fault: Fault
    party: Party
    gap: float


@dataclass
class Strike:
    """The effect of a fault that was injected at `at`. Times are of the wall clock.

    `begun`: the time of the look at the owners right before; `recovery`: seconds since it was `over`,
    None without one; `met`: it struck messages themselves; `before` and `after`: the owner of each
    connection.
    """

    fault: Fault
    party: Party
    at: float
    over: float
    begun: float
    recovery: float | None = None
    met: bool = False
    flowing: dict[str, float] = field(default_factory=dict)
    before: Mapping[str, ConnectionOwner] = field(default_factory=dict, repr=False)
    after: Mapping[str, ConnectionOwner] = field(default_factory=dict, repr=False)
    violations: list[Violation] = field(default_factory=list)

    @property
    def end(self) -> float:
        return self.over + (RECOVERY_EXCESS if self.recovery is None else self.recovery)

    def touches(self, connection: str | None) -> bool:
        """Whether it may hold up what is given to this connection."""
        return (
            connection is None
            or self.fault.scope != "connection"
            or self.party.connection == connection
        )

    def replaces(self, connection: str) -> bool:
        """Whether it may change who serves this connection."""
        return self.fault.scope == "everybody" or (
            self.fault.scope == "connection" and self.party.connection == connection
        )

    def violated(self, kind: str, what: str, at: float) -> None:
        connection = self.party.connection if self.fault.scope == "connection" else None
        self.violations.append(Violation(kind, f"{self.fault.name}: {what}", connection, at))


def schedule(
    seed: int,
    faults: Sequence[Fault],
    parties: Sequence[Party],
    gap: tuple[float, float] = (0.5, 3.0),
) -> Iterator[Planned]:
    """Every fault once in an order of chance, then again in another, for ever; pure.

    The same seed gives the same faults and victims, however long each takes. Without a party, IndexError.
    """
    chance = random.Random(seed)
    while True:
        deck = list(faults)
        chance.shuffle(deck)
        for fault in deck:
            yield Planned(fault, chance.choice(parties), chance.uniform(*gap))


def run(scene: Scene, plans: Sequence[Iterable[Planned]], until: float) -> list[Strike]:
    """Strike with a hand for each plan until that monotonic time, or the plans are over.

    A fault that began is seen through.
    """
    alone = threading.Lock()
    with ThreadPoolExecutor(len(plans)) as pool:
        hands = [pool.submit(_hand, scene, plan, until, alone) for plan in plans]
        strikes = [strike for hand in hands for strike in hand.result()]
    return sorted(strikes, key=lambda one: one.at)


def _hand(
    scene: Scene, plan: Iterable[Planned], until: float, alone: threading.Lock
) -> list[Strike]:
    strikes = []
    for planned in plan:
        if time.monotonic() >= until:
            break
        fault = planned.fault
        with alone if fault.alone or fault.scope == "connection" else nullcontext():
            done = strike(scene, fault, planned.party)
        strikes.append(done)
        recovery = "none" if done.recovery is None else f"{done.recovery:.1f} s"
        print(f"  {fault.name}, {planned.party.connection}: {recovery}", flush=True)
        for violation in done.violations:
            print(f"    {violation.kind}: {violation.what}", flush=True)
        time.sleep(planned.gap)
    return strikes


def strike(scene: Scene, fault: Fault, party: Party) -> Strike:
    """Strike while messages are in flight, and wait until they flow again."""
    now = time.time()
    done = Strike(fault, party, now, now, now, before=scene.served())
    scene.load.surge(party.connection, seconds=SURGE)
    try:
        struck = fault.strike(scene, party)
    except AssertionError as error:
        done.violated("not reached", str(error), time.time())
        return done
    done.at, done.over, done.met = struck.at, struck.over or struck.at, struck.met
    if struck.broke is not None:
        done.violated("broken", struck.broke, struck.at)
    if passes(struck.back, fault.limit + RECOVERY_EXCESS):
        there = time.time() - done.over
        whom = scene.parties if fault.scope == "everybody" else (party,)
        left = fault.limit + RECOVERY_EXCESS - there
        done.flowing = scene.flowing(whom, done.at, left, over=done.over)
        if len(done.flowing) == len(whom):
            done.recovery = max(there, *done.flowing.values())
            done.after = scene.served()
    return done


def assess(strikes: Sequence[Strike]) -> None:
    """Notes late recoveries, and disturbed connections without a fault of their own; pure.

    Concurrent faults add up: a recovery has the time of each fault that fell into it, too.
    """
    for one in strikes:
        company = [other for other in strikes if other is not one and overlaps(one, other)]
        limit = one.fault.limit + sum(
            other.over - other.at + other.fault.limit for other in company
        )
        if one.recovery is None and not one.violations:
            one.violated("late", "no recovery", one.at)
        elif one.recovery is not None and one.recovery > limit:
            one.violated("late", f"{one.recovery:.1f} s, and {limit:.0f} s are allowed", one.over)
        for connection, served in one.before.items():
            now = one.after.get(connection, served)
            mine = any(each.replaces(connection) for each in (one, *company))
            if served.differs(now) and not mine:
                one.violated("disturbed", f"{connection} was {served}, and is {now}", one.at)


def overlaps(one: Strike, other: Strike) -> bool:
    """Whether one began before the other was recovered from."""
    return one.begun <= other.end and other.begun <= one.end


def attribute(violations: Iterable[Violation], strikes: Sequence[Strike]) -> None:
    """Put each violation to the nearest fault that could have to do with it; pure but for that."""
    for violation in violations:
        near = [one for one in strikes if one.touches(violation.connection)] or list(strikes)
        nearest = min(near, key=lambda one: _distance(one, violation.at))
        nearest.violations.append(violation)


def _distance(strike: Strike, at: float) -> float:
    return 0.0 if strike.at <= at <= strike.end else min(abs(at - strike.at), abs(at - strike.end))
