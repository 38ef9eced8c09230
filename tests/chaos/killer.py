"""Who is struck by what, and when: from a seed, and then for real."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.chaos.judge import Violation
from tests.chaos.scene import passes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.chaos.faults import Fault
    from tests.chaos.scene import Scene
    from tests.chaos.traffic import Party

GAP = (0.5, 3.0)
"""Seconds of peace between a recovery and the next fault."""

SURGE = 1.0
"""Seconds of haste around a fault: longer, and recovery would be the time that the rest takes."""


@dataclass(frozen=True)
class Planned:
    fault: Fault
    party: Party
    gap: float


@dataclass
class Strike:
    """What a fault did, from when it reached. Times are of the wall clock.

    `recovery` is in seconds since it was `over`, None where it did not happen within the limit.
    """

    fault: Fault
    party: Party
    at: float
    over: float
    recovery: float | None = None
    flowing: dict[str, float] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)

    def touches(self, connection: str | None) -> bool:
        return (
            connection is None
            or self.fault.scope != "connection"
            or self.party.connection == connection
        )


def schedule(seed: int, faults: Sequence[Fault], parties: Sequence[Party]) -> Iterator[Planned]:
    """Every fault once in an order of chance, then again in another, for ever; pure.

    The same seed gives the same faults and victims, however long each takes.
    """
    chance = random.Random(seed)
    while True:
        deck = list(faults)
        chance.shuffle(deck)
        for fault in deck:
            yield Planned(fault, chance.choice(parties), chance.uniform(*GAP))


def run(scene: Scene, plan: Iterable[Planned], until: float) -> list[Strike]:
    """Strike until that monotonic time, or the plan is over. A fault that began is seen through."""
    strikes = []
    for planned in plan:
        if time.monotonic() >= until:
            break
        strikes.append(strike(scene, planned.fault, planned.party))
        told = strikes[-1]
        recovery = "never" if told.recovery is None else f"{told.recovery:.1f} s"
        print(f"  {planned.fault.name} ({planned.party.connection}): {recovery}", flush=True)
        for violation in told.violations:
            print(f"    {violation.kind}: {violation.what}", flush=True)
        time.sleep(planned.gap)
    return strikes


def strike(scene: Scene, fault: Fault, party: Party) -> Strike:
    """Strike while messages are in flight, wait for the recovery, and see whom it disturbed."""
    done = Strike(fault, party, time.time(), time.time())

    def violated(kind: str, what: str) -> None:
        connection = party.connection if fault.scope == "connection" else None
        done.violations.append(Violation(kind, what, connection, time.time()))

    before = scene.served()
    scene.load.surge(party.connection, seconds=SURGE)
    try:
        struck = fault.strike(scene, party)
    except AssertionError as error:
        violated("not reached", f"{fault.name}: {error}")
        return done
    done.at, done.over = struck.at, struck.over or struck.at
    if not passes(struck.back, fault.limit):
        violated("late", f"{fault.name}: it is not back after {fault.limit:.0f} s")
        return done
    there = time.time() - done.over
    whom = scene.parties if fault.scope == "everybody" else (party,)
    done.flowing = scene.flowing(whom, done.over, max(0.0, fault.limit - there))
    missing = [one.connection for one in whom if one.connection not in done.flowing]
    if missing:
        violated("late", f"{fault.name}: no message again after {fault.limit:.0f} s: {missing}")
        return done
    done.recovery = max(there, *done.flowing.values())
    if fault.scope != "everybody":
        after = scene.served()
        for connection, served in before.items():
            spared = fault.scope == "nobody" or connection != party.connection
            if spared and after[connection] != served:
                violated(
                    "disturbed",
                    f"{fault.name}: {connection} was {served} and is {after[connection]}",
                )
    return done


def attribute(violations: Iterable[Violation], strikes: Sequence[Strike]) -> None:
    """Put each violation to the nearest fault that could have to do with it; pure but for that."""
    for violation in violations:
        near = [one for one in strikes if one.touches(violation.connection)] or list(strikes)
        nearest = min(near, key=lambda one: _distance(one, violation.at))
        nearest.violations.append(violation)


def _distance(strike: Strike, at: float) -> float:
    end = strike.over + (strike.recovery or strike.fault.limit)
    return 0.0 if strike.at <= at <= end else min(abs(at - strike.at), abs(at - end))
